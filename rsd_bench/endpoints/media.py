"""What a chat message can carry beside text, told from the bytes; and what an endpoint says that takes no such medium.

Messages hold images of any kind, and sounds as WAV or MP3 (OpenAI's `input_audio`). There is no form for a video that
all servers know, so none is sent. Which kinds a model takes, nothing tells beforehand: its endpoint's refusal does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

_IMAGES = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
_SOUNDS = ((b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"\x1aE\xdf\xa3", "WebM"), (b"FORM", "AIFF"), (b"#!AMR", "AMR"))
_CAN_BE_SENT = ("WAV", "MP3")
HEAD = 16  # bytes that tell what a file is


def image_kind(data: bytes) -> str:
    """The subtype of image/... for the bytes of an image."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _IMAGES if data.startswith(magic)), "png")


def audio_kind(data: bytes) -> tuple[str, bool]:
    """What kind of sound the bytes are, and whether a message can hold it."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        name = "WAV"
    elif data[:3] == b"ID3" or _is_mpeg_layer_3(data):
        name = "MP3"
    elif data[4:8] == b"ftyp":
        name = "MP4"
    else:
        name = next((kind for magic, kind in _SOUNDS if data.startswith(magic)), "of an unknown kind")
    return name, name in _CAN_BE_SENT


def _is_mpeg_layer_3(data: bytes) -> bool:
    """Whether the bytes begin with the header of an MPEG audio frame (ISO/IEC 11172-3, 2.4.2.3) of layer III."""
    if len(data) < 3 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return False
    version, layer, bit_rate, sampling = data[1] >> 3 & 3, data[1] >> 1 & 3, data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and layer == 1 and bit_rate != 15 and sampling != 3


def why_unsent(modality: str | None, media: Sequence[tuple[str, str]], head: Callable[[str, str], bytes]) -> str:
    """Why a query cannot be asked of any model, whatever it takes; "" where it can.

    modality: what the query is about, kinds joined by "+"; media: kind and sha256 of those that are there. head: of
    these, the first bytes of one; b"" where it cannot be read, which is a failure of the call that is made for it.
    """
    held = {kind for kind, _ in media}
    lacking = [kind for kind in (modality or "text").split("+") if kind != "text" and kind not in held]
    if lacking:
        return f"{' and '.join(lacking)} not available"
    if "video" in held:
        return "video cannot be sent"
    for kind, sha256 in media:
        if kind == "audio" and (data := head(kind, sha256)):
            name, can_be_sent = audio_kind(data)
            if not can_be_sent:
                return f"audio is {name}, not WAV or MP3"
    return ""


#: How servers word it: OpenAI, vLLM, llama.cpp, Ollama, LM Studio, OpenRouter, DeepSeek, mlx-lm. Not matched: what they
#: say of one picture or sound (its format, its size) that they cannot take.
_END = r"\s*(?:[.,;:!()'\"`\]}]|$)"
_WORDING = {
    "image": (
        r"(?:not|n't) (?:support|accept|process) (?:images?|image_url|vision)(?: (?:inputs?|content|parts?))?" + _END,
        r"(?:image (?:inputs?|content)|image_url|vision(?: inputs?)?) (?:is|are) not (?:supported|enabled)",
        r"(?<!\w )images are not supported",
        r"no endpoints found that support image input",
        r"image_url is only supported by certain models",
        r"unknown variant [`'\"]?image_url[`'\"]?, expected [`'\"]?text",
        r"at most 0 image",
    ),
    "audio": (
        r"(?:not|n't) (?:support|accept|process) (?:input_audio|audio)(?: (?:inputs?|content|parts?))?" + _END,
        r"(?:audio (?:inputs?|content)|input_audio|input audio) (?:is|are) not (?:supported|enabled)",
        r"no endpoints found that support (?:input audio|audio input)",
        r"unknown variant [`'\"]?input_audio[`'\"]?, expected",
        r"expected to be either text or image_url type",
        r"at most 0 audio",
    ),
}
_NEITHER = (
    r"is not a multi-?modal model",
    r"multi-?modal(?: (?:inputs?|content))? (?:is|are) not supported",
    r"not support multi-?modal",
    r"only '?text'? content type is supported",
)
_REFUSAL = {kind: re.compile("|".join((*of_kind, *_NEITHER)), re.IGNORECASE) for kind, of_kind in _WORDING.items()}


def takes_none(said: str, kinds: Collection[str]) -> bool:
    """Whether an error says that the model takes no medium of one of these kinds at all."""
    return any(kind in kinds and refusal.search(said) for kind, refusal in _REFUSAL.items())

"""Perturbed queries: the same picture and question as another camera, network or writer would have sent them.

No perturbation here changes what is right: a router that decides otherwise looked at something else. Images: loss of
quality on the way (`jpeg`, `downscale`), of the camera (`blur`, `brightness`, `noise`), and `rotation`, pixels stored
turned with the EXIF tag that turns them back, as phones do. Questions: `case`, `typos`, `white-space`, `paraphrase` (a
frame around the question) and `politeness` (words before it). Levels rise from 1, hardly to be seen, to 5.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from PIL.ExifTags import Base as Tag

from rsd_bench.dataset.image_file import open_image, read_image_file
from rsd_bench.metrics.arrays import whole_number

LEVELS = (1, 2, 3, 4, 5)

# by level
_JPEG_QUALITY = (50, 30, 20, 12, 7)
_BLUR = (0.003, 0.006, 0.01, 0.016, 0.025)  # radius, of the shorter side
_SCALE = (0.7, 0.5, 0.35, 0.25, 0.15)
_DARKER = (0.8, 0.65, 0.5, 0.35, 0.2)  # or brighter by as much
_NOISE = (4, 8, 16, 32, 48)  # standard deviation, of 255
_TYPOS = (0.05, 0.1, 0.2, 0.3, 0.5)  # share of words
_SPACES = (0.1, 0.2, 0.4, 0.6, 1.0)  # share of gaps
_FRAMES = (
    "Question: {}",
    "{} Answer the question.",
    "Look at the input and answer: {}",
    "Here is what I would like to know. {}",
    "Read the following question and answer it.\n\n{}\n\nAnswer:",
)
_POLITE = ("Please: ", "Could you help me? ", "Hi! ", "Good morning, I have a question. ", "Thank you in advance. ")
_TURNS = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}  # by EXIF tag
_SHORTEST = 3  # letters of a word that may be mistyped

#: What `route` takes as an image: a path, encoded bytes, a Pillow image or an array, several of them, or none.
Images = Any


def perturb(image: Images, question: str, kind: str, level: int = 3, seed: int = 0) -> tuple[Images, str]:
    """The query with its image or its question perturbed; what the kind does not concern comes back as it was.

    image: a path, encoded bytes, a Pillow image, an array of uint8 of shape (h, w) or (h, w, 3), a list of these, or
    None. kind: one of IMAGE_KINDS (every image becomes encoded bytes, PNG or JPEG) or QUESTION_KINDS. level: 1 to 5.
    seed: of what is drawn: the same arguments give the same query.
    Returns (image, question). Raises ValueError naming the argument.
    """
    if kind not in (*IMAGE_KINDS, *QUESTION_KINDS):
        raise ValueError(f"kind: {kind!r:.80} is none of {', '.join((*IMAGE_KINDS, *QUESTION_KINDS))}")
    if whole_number(level, "level", 1) not in LEVELS:
        raise ValueError(f"level: {level} is none of {', '.join(map(str, LEVELS))}")
    if not isinstance(question, str):
        raise ValueError(f"question: must be a text, not {type(question).__name__}")
    whole_number(seed, "seed", 0)
    if kind in QUESTION_KINDS:
        rng = np.random.default_rng([seed, level, zlib.crc32(f"{kind} {question}".encode())])
        return image, QUESTION_KINDS[kind](question, level - 1, rng) if question.strip() else question
    if image is None:
        return None, question
    several = isinstance(image, Sequence) and not isinstance(image, (str, bytes))
    done = [_perturbed(one, kind, level, seed + i) for i, one in enumerate(image if several else [image])]
    return done if several else done[0], question


def _perturbed(image: Any, kind: str, level: int, seed: int) -> bytes:
    rng = np.random.default_rng([seed, level, zlib.crc32(kind.encode())])
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
            raise ValueError(f"image: an array must be uint8 of shape (h, w) or (h, w, 3), not {image.dtype}")
        image = Image.fromarray(image)
    if isinstance(image, Image.Image):
        return IMAGE_KINDS[kind](image.convert("RGB"), level - 1, rng)
    try:
        data = image if isinstance(image, bytes) else read_image_file(Path(image))
        with open_image(data) as opened:
            return IMAGE_KINDS[kind](opened.convert("RGB"), level - 1, rng)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"image: {error}") from None


# --- images --------------------------------------------------------------------------------------------------------


def _encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _jpeg(image: Image.Image, step: int, rng: np.random.Generator) -> bytes:
    return _encoded(image, "JPEG", quality=_JPEG_QUALITY[step])


def _blur(image: Image.Image, step: int, rng: np.random.Generator) -> bytes:
    return _encoded(image.filter(ImageFilter.GaussianBlur(max(0.5, _BLUR[step] * min(image.size)))))


def _downscale(image: Image.Image, step: int, rng: np.random.Generator) -> bytes:
    size = (max(1, round(side * _SCALE[step])) for side in image.size)
    width, height = size
    return _encoded(image.resize((width, height), Image.Resampling.LANCZOS))


def _brightness(image: Image.Image, step: int, rng: np.random.Generator) -> bytes:
    factor = _DARKER[step] if rng.integers(2) else 1 / _DARKER[step]
    return _encoded(ImageEnhance.Brightness(image).enhance(factor))


def _rotation(image: Image.Image, step: int, rng: np.random.Generator) -> bytes:
    """Every level turns by one of the three quarters."""
    tag = int(rng.choice(list(_TURNS)))
    turned = image.transpose(_TURNS[tag])
    exif = turned.getexif()
    exif[Tag.Orientation] = tag
    return _encoded(turned, exif=exif)


def _noise(image: Image.Image, step: int, rng: np.random.Generator) -> bytes:
    pixels = np.asarray(image, np.float32)
    noisy = pixels + rng.standard_normal(pixels.shape, np.float32) * _NOISE[step]
    return _encoded(Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))


# --- questions -----------------------------------------------------------------------------------------------------


def _case(question: str, step: int, rng: np.random.Generator) -> str:
    changes: tuple[Callable[[str], str], ...] = (str.lower, str.title, str.swapcase, str.upper)
    if step < len(changes):
        return changes[step](question)
    return "".join(
        c.upper() if high else c.lower() for c, high in zip(question, rng.integers(2, size=len(question)), strict=True)
    )


def _typos(question: str, step: int, rng: np.random.Generator) -> str:
    """Letters of words only: a number or a sign that changes is another question."""
    pieces = question.split(" ")
    words = [i for i, piece in enumerate(pieces) if len(piece) >= _SHORTEST and piece.isalpha()]
    if not words:
        return question
    for i in rng.choice(words, max(1, round(_TYPOS[step] * len(words))), replace=False).tolist():
        word = pieces[i]
        at = int(rng.integers(1, len(word) - 1))  # the first letter stays, as with most typing errors
        if rng.integers(2):
            pieces[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        else:
            pieces[i] = word[:at] + word[at + 1 :]
    return " ".join(pieces)


def _white_space(question: str, step: int, rng: np.random.Generator) -> str:
    words = question.split()
    wide = rng.random(len(words)) < _SPACES[step]
    return "".join(word + ("  " if more else " ") for word, more in zip(words, wide, strict=True)) + "\n" * (step // 2)


def _paraphrase(question: str, step: int, rng: np.random.Generator) -> str:
    return _FRAMES[step].format(question)


def _politeness(question: str, step: int, rng: np.random.Generator) -> str:
    return _POLITE[step] + question


IMAGE_KINDS: dict[str, Callable[[Image.Image, int, np.random.Generator], bytes]] = {
    "jpeg": _jpeg,
    "blur": _blur,
    "downscale": _downscale,
    "brightness": _brightness,
    "rotation": _rotation,
    "noise": _noise,
}
QUESTION_KINDS: dict[str, Callable[[str, int, np.random.Generator], str]] = {
    "case": _case,
    "typos": _typos,
    "white-space": _white_space,
    "paraphrase": _paraphrase,
    "politeness": _politeness,
}

"""The nouns of the request layer: endpoint, request, answer. Generation and judging share them, and one store.

The key of a request is sha256 over canonical JSON of [body, prompt version, sample index], where the body holds the
model id, all messages (each image and sound as the sha256 of its original bytes) and all parameters. Nothing else is in
the key: not the base URL, not concurrency, not streaming, not retries. So a change of any key part asks anew, and
nothing else does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from rsd_bench.endpoints.media import audio_kind, image_kind
from rsd_bench.endpoints.url_keys import key_segments
from rsd_bench.types import InputError

#: States that are never asked for again. The others are recorded, and asked for again by the next run: `unsupported`
#: (the model takes no medium of such a kind) costs nothing, and a server can be mended.
FINAL = ("ok", "refused", "filtered", "truncated")
STATUSES = (*FINAL, "unsupported", "error")

#: The key of OpenAI goes to OpenAI only; another endpoint gets the one that the user names for it.
_OPENAI_HOST, OPENAI_KEY_VARIABLE = "api.openai.com", "OPENAI_API_KEY"
NO_KEY = "none"

#: What a request says by itself: a parameter of one of these names would ask another question, or of another model.
RESERVED = {"model", "messages", "stream", "stream_options", "n"}

_TELLING = 6  # characters of a key that is not in a URL by chance
_MAX_LINE = 500  # characters of a detail or a model name

_ENDPOINT = re.compile(r"(?P<model>[^\s@]+(?:@[^\s@]+)*?)@(?P<url>https?://\S+)")
_MEDIUM = re.compile(
    r'"url":"sha256:(?P<image>[0-9a-f]{64})"|"input_audio":\{"data":"sha256:(?P<audio>[0-9a-f]{64})"\}'
)


@dataclass(frozen=True)
class Endpoint:
    """A model behind an OpenAI-compatible base URL. `key_variable`: the environment variable that holds its key."""

    model: str
    base_url: str
    key_variable: str | None = None

    @property
    def api_key(self) -> str:
        """The key, read when it is needed and kept nowhere; a placeholder where the endpoint needs none."""
        return os.environ[self.key_variable] if self.key_variable else NO_KEY

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself, which alone gets what the environment holds for it."""
        parts = urlsplit(self.base_url)
        return parts.hostname == _OPENAI_HOST and parts.scheme == "https"


def parse_endpoint(text: str, key_variables: Mapping[str, str]) -> Endpoint:
    """An Endpoint from "ID@BASE_URL". key_variables: model id -> environment variable of its key.

    Raises InputError for another form, for a key anywhere inside the URL, and for a variable that is not set.
    """
    match = _ENDPOINT.fullmatch(text)
    if not match:
        raise InputError.at("endpoint", "is not ID@BASE_URL", "for example my-model@http://localhost:8000/v1")
    model, url = match["model"], match["url"].rstrip("/")
    try:
        parts = urlsplit(url)
        credentials = parts.username or parts.password or parts.query or parts.fragment
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        raise InputError.at(f"endpoint of {model}", "has no usable base URL", "ID@http://HOST:PORT/v1") from None
    fix = "put the key into an environment variable and name it with --key-env ID=VARIABLE"
    if credentials or not parts.hostname:
        raise InputError.at(f"endpoint of {model}", "the base URL holds more than a place", fix)
    if key_segments(parts.path):
        raise InputError.at(f"endpoint of {model}", "the path of the base URL holds what looks like a key", fix)
    variable = key_variables.get(model)
    if variable is None and Endpoint(model, url).is_openai:
        variable = OPENAI_KEY_VARIABLE
    if variable is not None and not os.environ.get(variable):
        raise InputError.at(f"endpoint of {model}", f"environment variable {variable} is not set", "export the key")
    if variable is not None and not (os.environ[variable].isascii() and os.environ[variable].isprintable()):
        what = f"environment variable {variable} holds what no HTTP header can"
        raise InputError.at(f"endpoint of {model}", what, "export the key alone, without line ends")
    if variable is not None and len(os.environ[variable]) >= _TELLING and os.environ[variable] in unquote(url):
        raise InputError.at(f"endpoint of {model}", f"the base URL holds the key of {variable}", "leave it out there")
    return Endpoint(model, url, variable)


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion to ask for. `body` is canonical JSON with media as sha256; `key` names it in the store."""

    key: str
    model: str
    body: str

    @property
    def media(self) -> list[tuple[str, str]]:
        """Kind (image, audio) and sha256 of each medium, in order."""
        return [(str(found.lastgroup), found[str(found.lastgroup)]) for found in _MEDIUM.finditer(self.body)]


def make_request(
    model: str, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any], prompt_version: str, sample: int = 0
) -> Request:
    """The Request of these key parts. Media in `messages` are made by `user_content`.

    InputError for parameters that no request can have: `RESERVED` names, values that JSON lacks.
    """
    if reserved := RESERVED & params.keys():
        raise InputError.at("parameters", f"{', '.join(sorted(reserved))} cannot be set", "leave it out")
    try:
        body = _canonical({"model": model, "messages": messages, **params})
    except (TypeError, ValueError) as error:
        raise InputError.at("parameters", f"are no JSON: {error}", "use text, finite numbers, tables") from None
    key = hashlib.sha256(_canonical([body, prompt_version, sample]).encode()).hexdigest()
    return Request(key, model, body)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def image_part(sha256: str) -> dict[str, Any]:
    """A message part that stands for an image; `wire_body` puts the bytes in."""
    return {"type": "image_url", "image_url": {"url": f"sha256:{sha256}"}}


def audio_part(sha256: str) -> dict[str, Any]:
    """A message part that stands for a sound; `wire_body` puts bytes and format in."""
    return {"type": "input_audio", "input_audio": {"data": f"sha256:{sha256}"}}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


_PART_OF = {"image": image_part, "audio": audio_part}


def user_content(media: Iterable[tuple[str, str]], text: str) -> list[dict[str, Any]] | str:
    """What a user message says: media (kind, sha256) in their order, then the text; without media the text alone."""
    parts = [_PART_OF[kind](sha256) for kind, sha256 in media]
    return [*parts, text_part(text)] if parts else text


def wire_body(request: Request, media: Callable[[str], bytes], stream: bool = False) -> bytes:
    """The JSON that is sent: original bytes of images as data URIs, of sounds as base64 with their format.

    media: sha256 -> bytes. OSError where it cannot, or where a sound is of a format that no message can hold.
    Only a part of a medium can match the pattern: inside a JSON string every quote is escaped.
    """
    body = request.body
    if stream:
        body = f'{body[:-1]},"stream":true,"stream_options":{{"include_usage":true}}}}'
    out, end = list[bytes](), 0
    for found in _MEDIUM.finditer(body):
        data = media(found[str(found.lastgroup)])
        out += [body[end : found.start()].encode(), _image(data) if found.lastgroup == "image" else _audio(data)]
        end = found.end()
    return b"".join([*out, body[end:].encode()])


def _image(data: bytes) -> bytes:
    return b'"url":"data:image/' + image_kind(data).encode() + b";base64," + base64.b64encode(data) + b'"'


def _audio(data: bytes) -> bytes:
    name, can_be_sent = audio_kind(data)
    if not can_be_sent:
        raise OSError(0, f"a sound is {name}, and only WAV and MP3 can be sent")
    return b'"input_audio":{"data":"' + base64.b64encode(data) + b'","format":"' + name.lower().encode() + b'"}'


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended. `text` is what the model said, only for ok and truncated; `detail` says why for the others.

    first_token_s, latency_s: seconds of the attempt that succeeded, or of the refusal of an unsupported one, monotonic
    clock. Tokens come from the endpoint's usage, None where it sent none. cost_usd: all attempts of this request at the
    run's prices, None without a price.
    Whatever an endpoint sends, an answer can be stored and printed: `text` is valid Unicode without NUL, `detail` and
    `served_model` are one line each.
    """

    key: str
    model: str
    status: str
    text: str | None = None
    detail: str | None = None
    served_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    first_token_s: float | None = None
    latency_s: float | None = None
    energy_j: float | None = None
    energy_basis: str | None = None
    attempts: int = 1
    cost_usd: float | None = None

    def __post_init__(self) -> None:
        for name, fix in (("text", _unicode), ("detail", _line), ("served_model", _line)):
            if value := getattr(self, name):
                object.__setattr__(self, name, fix(value))

    @property
    def final(self) -> bool:
        return self.status in FINAL


def _unicode(text: str) -> str:
    """Without what cannot be encoded or would end the text in C: JSON can hold lone surrogates and NUL."""
    try:
        text.encode()
    except UnicodeEncodeError:  # a pair that was sent in two pieces is whole again
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\ufffd")


def _line(text: str) -> str:
    """At most a line that moves no cursor."""
    text = text[:_MAX_LINE]
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in _unicode(text))

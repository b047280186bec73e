"""A request for a chat completion, read once: what is asked, of which scenario, and what goes on to a tier.

The query is the last user turn: its text and its images, as the router learned queries. Images come as data URIs; a
URL is passed on and not fetched, unless its host is allowed (`images`). Everything that is not ours passes through as
it came. Refused before anybody is asked: what is too large, too many, or no request at all, and a URL behind which a
tier would look on a private network or its own disk - of any part of any turn, whatever the part calls itself, for
endpoints go by its keys.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from rsd_bench.config import MAX_SERVED_IMAGES, MAX_SERVED_PIXELS
from rsd_bench.dataset.image_file import TooLarge, pixels_of
from rsd_bench.serve.failures import Refused
from rsd_bench.serve.places import require_public
from rsd_bench.types import Scenario

_PREFIX = "rsd/"
_HEADER = b"x-rsd-scenario"
_MEDIUM = re.compile(r"(?i).*(ur[il]|image|video|audio|file)s?")  # a key of a part that holds a medium
_PLACE = re.compile(r"(?i).*ur[il]s?")  # one that says where a medium lies
_URL = re.compile(r"(?i)[\s\0]*(file:|[a-z][a-z0-9+.-]+:[/\\])")
_FIGURES = ("mes", "alpha", "beta", "gamma")


@dataclass(frozen=True)
class Asked:
    """model: as the client named it. scenario: a name, a Scenario of its own, or None for the server's default.

    images: data URIs of the last user turn; links: http(s) URLs there. pictures: data URIs of images of every turn.
    turns: user turns in all. passed: the body without what was for us.
    """

    model: str
    scenario: str | Scenario | None
    question: str
    images: tuple[str, ...]
    links: tuple[str, ...]
    pictures: tuple[str, ...]
    other_media: bool
    has_images: bool
    turns: int
    system: str
    stream: bool
    usage_wanted: bool
    passed: Mapping[str, Any]

    def body(self, model: str) -> bytes:
        """What a tier is sent."""
        sent = {**self.passed, "model": model}
        if self.stream and not self.usage_wanted:
            sent["stream_options"] = {**(self.passed.get("stream_options") or {}), "include_usage": True}
        try:
            return orjson.dumps(sent)
        except orjson.JSONEncodeError:
            raise Refused(400, "the JSON is nested too deeply", "invalid_json") from None

    @property
    def as_a_query(self) -> bool:
        """Whether question and images are all that was asked: one turn, no tools, no other media."""
        return self.turns == 1 and not self.other_media and not self.passed.get("tools")


def read_asked(body: bytes, headers: Mapping[bytes, bytes]) -> Asked:
    """The request of a body. Raises Refused."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is no JSON: {str(error)[:120]}", "invalid_json") from None
    if not isinstance(data, dict):
        raise Refused(400, "the body is no JSON object", "invalid_json")
    model, messages, stream = data.get("model"), data.get("messages"), data.get("stream")
    if not isinstance(model, str) or not model:
        raise Refused(400, "model is missing", "invalid_model")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise Refused(400, "messages is no list of messages", "invalid_messages")
    if stream not in (None, True, False):
        raise Refused(400, "stream is neither true nor false", "invalid_stream")
    options = data.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise Refused(400, "stream_options is no object", "invalid_stream_options")
    scenario, metadata = _scenario(model, headers, data.get("metadata"))
    passed = data if metadata is data.get("metadata") else {**data, "metadata": metadata}
    if metadata is None:
        passed = {name: value for name, value in passed.items() if name != "metadata"}
    every = list(_parts(messages))
    pictures, count = list[str](), 0
    for part in every:
        _image_url(part)
        places = [place for key, place in _places(part) if _is_image(key)]
        count += max(len(places), sum(_is_image(key) for key, held in part.items() if held))
        if count > MAX_SERVED_IMAGES:
            raise Refused(400, f"more than {MAX_SERVED_IMAGES} images", "too_many_images")
        pictures += [place for place in places if place.startswith("data:")]
    users = [message for message in messages if message.get("role") == "user"]
    last = list(_parts(users[-1:]))
    shown = [url for part in last if (url := _image_url(part))]
    return Asked(
        model=model,
        scenario=scenario,
        question="\n".join(text for part in last if isinstance(text := part.get("text"), str)),
        images=tuple(url for url in shown if url.startswith("data:")),
        links=tuple(url for url in shown if not url.startswith("data:")),
        pictures=tuple(pictures),
        other_media=any(part.get("type") not in ("text", "image_url") for part in every),
        has_images=count > 0,
        turns=len([message for message in messages if message.get("role") in ("user", "assistant", "tool")]),
        system="\n".join(
            str(part.get("text", ""))
            for part in _parts([m for m in messages if m.get("role") in ("system", "developer")])
        ),
        stream=bool(stream),
        usage_wanted=bool((options or {}).get("include_usage")),
        passed=passed,
    )


def _parts(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The parts of messages, a text on its own as one. Raises Refused."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            yield {"type": "text", "text": content}
        elif isinstance(content, list):
            for part in content:
                if not isinstance(part, dict):
                    raise Refused(400, "a part of a message is no object", "invalid_messages")
                yield part
        elif content is not None:
            raise Refused(400, "content is neither a text nor a list of parts", "invalid_messages")


def _places(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the media of a part lie: the key that holds each, and its data URI or URL. Raises Refused."""
    waiting: list[tuple[str, str, Any]] = [("", "", part)]
    while waiting:
        medium, key, value = waiting.pop()
        if isinstance(value, dict):
            for name, held in value.items():
                if isinstance(held, dict | list) or (name not in ("type", "text") and isinstance(held, str)):
                    waiting.append((medium or (name if _MEDIUM.fullmatch(name) else ""), name, held))
        elif isinstance(value, list):
            waiting += [(medium, key, held) for held in value if isinstance(held, dict | list | str)]
        elif medium and (_PLACE.fullmatch(key) or _URL.match(value) or value.startswith("data:")):
            if not value.startswith("data:"):
                require_public(value)
            yield medium, value


def _is_image(key: str) -> bool:
    return "image" in key.lower() and _MEDIUM.fullmatch(key) is not None


def _image_url(part: Mapping[str, Any]) -> str | None:
    """The image of a part that the router is shown: one without a type too, as endpoints take it."""
    kind, held = part.get("type"), part.get("image_url")
    if kind != "image_url" and (held is None or kind not in (None, "input_image")):
        return None
    url = held.get("url") if isinstance(held, dict) else held
    if not isinstance(url, str):
        raise Refused(400, "an image_url has no url", "invalid_image")
    return url


def _scenario(model: str, headers: Mapping[bytes, bytes], metadata: Any) -> tuple[str | Scenario | None, Any]:
    """The scenario that is asked for, and the metadata without it. Figures of one's own win, then the header."""
    own = {name: metadata[name] for name in _FIGURES if name in metadata} if isinstance(metadata, dict) else {}
    if own:
        rest = {name: value for name, value in metadata.items() if name not in _FIGURES} or None
        try:
            figures = {name: float(own[name]) for name in _FIGURES}
            return Scenario(name="custom", **figures), rest
        except KeyError as error:
            raise Refused(400, f"metadata: lacks {error.args[0]} of a scenario", "invalid_scenario") from None
        except (TypeError, ValueError) as error:
            raise Refused(400, f"metadata: {str(error)[:200]}", "invalid_scenario") from None
    if named := headers.get(_HEADER):
        return named.decode("latin-1"), metadata
    return (model.removeprefix(_PREFIX) if model.startswith(_PREFIX) else None), metadata


def images_of(asked: Asked) -> list[bytes]:
    """The images of the query, once those of every turn are within bounds. Slow. Raises Refused."""
    held = {uri: image_of(uri) for uri in dict.fromkeys(asked.pictures + asked.images)}
    return [held[uri] for uri in asked.images]


def image_of(uri: str) -> bytes:
    """The bytes of a data URI, within the bound of pixels. Raises Refused."""
    head, comma, data = uri.partition(",")
    try:
        if not comma:
            raise ValueError
        found = b64decode(data, validate=True) if head.endswith(";base64") else unquote_to_bytes(data)
    except (binascii.Error, ValueError):
        raise Refused(400, "an image is no data URI of base64", "invalid_image") from None
    require_bounded(found)
    return found


def require_bounded(image: bytes) -> None:
    """Refused for an image of too many pixels; what cannot be opened is the tier's business."""
    try:
        fits = pixels_of(image) <= MAX_SERVED_PIXELS
    except TooLarge:
        fits = False
    except ValueError:
        return
    if not fits:
        raise Refused(413, f"an image has more than {MAX_SERVED_PIXELS:,} pixels", "image_too_large")

"""The public file contracts: JSON Schemas, draft 2020-12, hand-written."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

#: What a text that `is_web_link` refuses is told to be.
NO_WEB_LINK = "is no https:// address of a host with a dot, without user, blank or backslash, of up to 500 characters"
NAMES = ("submission", "predictions", "result", "records", "map", "recipe", "models", "profile", "scenarios")


@lru_cache
def schema(name: str) -> dict[str, Any]:
    """The schema of that name as a dict."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text("utf-8"))
    return loaded


@lru_cache
def validator(name: str, definition: str | None = None) -> Draft202012Validator:
    """A validator of a whole schema, or of one of its `$defs`, which may refer to the others."""
    loaded = schema(name)
    return Draft202012Validator(loaded["$defs"][definition] | {"$defs": loaded["$defs"]} if definition else loaded)


def is_web_link(text: str) -> bool:
    """Whether a text that somebody gave may become a link: https, a host with a dot, nothing that hides where it goes.

    `https://github.com@evil.example` goes to evil.example, whatever it looks like.
    """
    return validator("submission", "web_link").is_valid(text)

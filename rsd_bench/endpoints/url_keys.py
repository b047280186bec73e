"""Keys inside the path of a URL, which would be stored with it.

What counts as a key: a part that begins as keys do (`sk-`, `hf_`, `gsk_`, `AIza`, `eyJ` ...); a part of 8 or more
characters behind `key`, `token`, `secret` or `password`; a part with 20 or more letters and digits in a row, both among
them; a part of 24 or more characters that changes between lower case, upper case and digits as only chance does. Not a
key: a UUID, and 32 hexadecimal digits, by which providers name accounts and functions in their paths.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_BEGINS = re.compile(
    r"(?:sk[-_]|hf_|gsk_|xai-|nvapi-|pplx-|r8_|fw_|csk-|github_pat_|gh[opsu]_|glpat-|AIza|AKIA|ya29\.|eyJ)[\w.-]{6,}"
)
_WORDS = {"key", "apikey", "api-key", "api_key", "token", "access_token", "access-token", "secret", "password"}
_WORDS |= {"bearer", "authorization"}
_AFTER_WORD = 8
_ID = re.compile(r"(?i)[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROW = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20,}")
_SEPARATORS = re.compile(r"[;=:,&@!+~|*()'$ ]")
_KINDS = re.compile(r"[a-z]+|[A-Z]+|\d+")
_LONG, _CHANGES = 24, 0.35  # names of models, with all their sizes and formats, change 0.2 times a character at most


def key_segments(path: str) -> list[int]:
    """Which segments of the path, counted between slashes, hold a key, escaped or not."""
    found: list[int] = []
    before = ""
    for number, segment in enumerate(path.split("/")):
        for part in filter(None, _SEPARATORS.split(_plain(segment))):
            if _is_key(part) or (before.lower() in _WORDS and len(part) >= _AFTER_WORD):
                found.append(number)
            before = part
    return found


def without_keys(path: str) -> str:
    """The path with `[key]` for each segment that holds one."""
    keys = key_segments(path)
    return "/".join("[key]" if n in keys else segment for n, segment in enumerate(path.split("/")))


def _plain(segment: str) -> str:
    while (plain := unquote(segment)) != segment:
        segment = plain
    return segment


def _is_key(part: str) -> bool:
    if _ID.fullmatch(part):
        return False
    changes = sum(len(_KINDS.findall(word)) - 1 for word in re.findall(r"[A-Za-z0-9]+", part))
    random = len(part) >= _LONG and changes >= _CHANGES * len(part)
    return bool(_BEGINS.match(part) or _ROW.search(part) or random)

"""Names that imported text must become: the ids of sources and domains (`rsd-bench schema records`)."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_WHOLE_FLOAT = re.compile(r"(-?\d+)\.0+")


def is_name(text: str) -> bool:
    """True for a legal source or domain id."""
    return _NAME.fullmatch(text) is not None


def slug(text: str) -> str | None:
    """The legal id nearest to a text ("Chart & table" -> "Chart-table"); None without a Latin letter or digit."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).lstrip("._-")[:63].rstrip("._-")
    return name or None


def source_id(name: str, tool: str) -> str:
    """The id of a source that a tool calls `name`; a name without a Latin letter or digit becomes TOOL-<digest>."""
    return slug(name) or f"{tool}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def row_id(text: str) -> str:
    """An id cell as text; "7.0", an integer that a spreadsheet or pandas made a float, is "7" again."""
    whole = _WHOLE_FLOAT.fullmatch(text.strip())
    return whole.group(1) if whole else text.strip()

"""Whether the model that answered is the one that was asked: names of models, and of their versions.

A version is the asked name with a date or a number of release behind it (`gpt-4o-2024-08-06`, `gpt-4-0613`,
`claude-3-5-sonnet@20240620`, `gemini-1.5-pro-002`), or what a name that ends in `latest` stands for. Any other name is
that of another model: `gpt-4o-mini` is no version of `gpt-4o`, `claude-opus-4-1` none of `claude-opus-4`. Organizations
and folders before a slash, and case, tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_YEAR, _MONTH, _DAY = r"20\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_RELEASE = re.compile(
    rf"[-@:](?:{_YEAR}-{_MONTH}-{_DAY}|{_YEAR}{_MONTH}{_DAY}|{_MONTH}{_DAY}|2\d{_MONTH}|{_MONTH}-{_YEAR}|00\d|latest)"
    r"(?:-preview)?"
)
_LATEST = re.compile(r"[-:]latest$")


def is_version(served: str, asked: str) -> bool:
    """Whether `served` names the model `asked`, or one version of it."""
    name, base = (text.rpartition("/")[2].lower() for text in (served, asked))
    base = _LATEST.sub("", base)
    return name.startswith(base) and (name == base or _RELEASE.fullmatch(name[len(base) :]) is not None)


def what_moved(asked: str, served: Iterable[str]) -> str | None:
    """What is wrong with the names under which a model answered; None where they are one version of what was asked."""
    names = sorted(set(served))
    others = [name for name in names if not is_version(name, asked)]
    if others:
        return f"was answered by {', '.join(others)}"
    if len({name.rpartition("/")[2].lower() for name in names}) > 1:
        return f"was answered by several versions: {', '.join(names)}"
    return None

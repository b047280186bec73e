"""Names of routers as a board shows them: two that look alike, or like something else, have their slug added."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rsd_bench.submission.submission import NO_INK

_POLICIES = {"all-edge", "all-cloud", "random", "label-oracle", "rcs-oracle"}
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")  # Unicode categories: control, format, private, half a character
_VARIATIONS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))  # selectors, which show nothing of their own


def plain(text: Any) -> str:
    """Text without control and direction characters, which could disguise what a reader sees."""
    return "".join(c for c in str(text) if unicodedata.category(c) not in _UNSEEN)


def shown_names(names: Mapping[str, str]) -> dict[str, str]:
    """slug -> name, as it is shown: " (slug)" is added where names look alike, name a policy, or another's slug."""
    looks = {slug: _look(name) for slug, name in names.items()}
    times = Counter(looks.values())
    marks = {f"({slug})" for slug in looks}
    shown = {}
    for slug, name in names.items():
        look = looks[slug]
        unclear = times[look] > 1 or look in _POLICIES or look[look.rfind("(") :] in marks
        shown[slug] = f"{name} ({slug})" if unclear else name
    return shown


def _look(name: str) -> str:
    """What is left of a name to the eye: compatible forms, case, blanks and what has no ink make no difference."""
    seen = "".join(c for c in plain(unicodedata.normalize("NFKC", name)) if not _blank(c))
    return " ".join(seen.split()).casefold()


def _blank(character: str) -> bool:
    return character in NO_INK or any(low <= ord(character) <= high for low, high in _VARIATIONS)

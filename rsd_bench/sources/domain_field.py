"""Which field of a log's samples names their domain, where a tool has no field of that name.

Without a choice it is `category`, `subject` or `domain`, if samples have exactly one of the three: with two, nothing
says which of them a reader would call the domain, and the task is the domain of all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rsd_bench.sources.ids import slug
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import Report

_USUAL = ("category", "subject", "domain")


@dataclass
class DomainField:
    """The field of a task. Feed it the fields of every sample with `note`, then `settle`; after that use `domain`."""

    wanted: str | None
    _texts: Counter[str] = field(default_factory=Counter)

    def note(self, fields: Mapping[str, Any]) -> None:
        self._texts.update(name for name, value in fields.items() if isinstance(value, str) and slug(value))

    def settle(self, where: str, report: Report) -> str | None:
        """Report a choice that no sample has; return a note where the usual fields are ambiguous."""
        if self.wanted:
            if self.wanted not in self._texts:
                names = ", ".join(sorted(self._texts)[:20]) or "none that is a text"
                report(SourceProblem(where, f"no sample has a field {self.wanted!r}; they have {names}", "choose one"))
            return None
        found = [name for name in _USUAL if name in self._texts]
        if len(found) == 1:
            self.wanted = found[0]
        return f"samples have {' and '.join(found)}: the task is the domain" if len(found) > 1 else None

    def domain(self, fields: Mapping[str, Any], task: str) -> str:
        """The domain of a sample; that of a sample without the field is the task."""
        value = fields.get(self.wanted) if self.wanted else None
        return (slug(value) if isinstance(value, str) else None) or slug(task) or "all"

"""What a pull request is told about its submission: every problem, or a table of scores. Markdown, inert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.board.flags import DECLARED, decision_flags
from rsd_bench.board.render import escape_markdown
from rsd_bench.config import IN_DOMAIN
from rsd_bench.submission.pull_request import proposed_submission
from rsd_bench.types import InputError, Problem

_SHOWN = 50
_CELL = 300
ROOT = "submissions/"


@dataclass(frozen=True)
class Report:
    """Either problems, or the scores of the proposed submission."""

    problems: tuple[Problem, ...]
    result: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"ok": not self.problems, "problems": [p.to_dict() for p in self.problems], "result": self.result}

    def to_markdown(self) -> str:
        if self.result is None:
            return self._refusal()
        result = self.result
        private = "private" in result
        digits = result["private"]["decimals"] if private else 4
        lines = [
            f"**{escape_markdown(result.get('name', result['slug']))}** is in order: {result['dataset']['name']} "
            f"{result['dataset']['version']}, metrics version {result['metrics_version']}, {DECLARED}."
            + (" Private outcomes, {used} of {budget} scorings used.".format(**result["private"]) if private else ""),
            "",
            "| track | scenario | RCS [95 % interval] | gain over best fixed | APSP | CA | AIL (s) | flags |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in sorted(result["scores"], key=lambda r: r.get("track", IN_DOMAIN) != IN_DOMAIN):
            flags = "" if private else "; ".join(decision_flags(row))
            rcs, gain = _interval(row["rcs"], digits, ""), _interval(row["gain"], digits, "+")
            figures = (f"{row[name]['value']:.3f}" for name in ("apsp", "ca", "ail"))
            cells = (row.get("track", IN_DOMAIN), row["scenario"], rcs, gain, *figures, flags)
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join([*lines, "", "Rank bands follow when the board is rebuilt."])

    def _refusal(self) -> str:
        lines = [f"Refused: {len(self.problems)} problems.", "", "| where | what | mend |", "|---|---|---|"]
        for p in self.problems[:_SHOWN]:
            lines.append(f"| {' | '.join(escape_markdown(text[:_CELL]) for text in (p.where, p.what, p.mend))} |")
        if len(self.problems) > _SHOWN:
            lines.append(f"| | and {len(self.problems) - _SHOWN} more | `rsd-bench submit check` lists them |")
        return "\n".join(lines)


def _interval(value: Mapping[str, float], digits: int, sign: str) -> str:
    return f"{value['value']:{sign}.{digits}f} [{value['low']:{sign}.{digits}f}, {value['high']:{sign}.{digits}f}]"


def report_proposal(repository: Path, base: str, head: str, score: Callable[[Path], dict[str, Any]]) -> Report:
    """Check and score the submission that `head` proposes over `base`; problems are part of the report.

    score: takes the submission's folder and gives a Result's or a private result's dict, or raises InputError.
    """
    try:
        with proposed_submission(repository, base, head) as folder:
            try:
                return Report((), score(folder))
            except InputError as error:
                named = [Problem(p.where.replace(f"{folder.parent}/", ROOT), p.what, p.mend) for p in error.problems]
                return Report(tuple(named))
    except InputError as error:
        return Report(tuple(error.problems))

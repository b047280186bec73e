"""What a pull request is told about its submission: every problem, or a table of scores. Markdown, inert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.board.flags import DECLARED, decision_flags
from rsd_bench.config import IN_DOMAIN
from rsd_bench.evaluation.private_result import PrivateResult, PrivateScore
from rsd_bench.evaluation.result import EvalScore, Result, interval_text
from rsd_bench.inert_text import markdown_text
from rsd_bench.submission.proposal import Proposal, Replaced, proposed_submission
from rsd_bench.types import InputError, Problem

_SHOWN = 50
_CELL = 300
_MAX_CHARACTERS = 60_000  # GitHub refuses a comment of more than 65,536
_CUT = "\n\nCut here, too long for a comment: `rsd-bench submit check` says all."
ROOT = "submissions/"

Check = Callable[[Path], list[Problem]]
Score = Callable[[Path], Result | PrivateResult]


@dataclass(frozen=True)
class Report:
    """Either problems, or the scores of the proposed submission; and which submission it would replace."""

    problems: tuple[Problem, ...]
    result: Result | PrivateResult | None = None
    replaces: Replaced | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "ok": not self.problems,
            "replaces": self.replaces.to_dict() if self.replaces else None,
            "problems": [p.to_dict() for p in self.problems],
            "result": self.result.to_dict() if self.result else None,
        }

    def to_markdown(self) -> str:
        lines = self._refusal() if self.result is None else self._scores(self.result)
        if self.replaces:
            authors = _cell(", ".join(self.replaces.authors))
            lines = [f"This replaces the submission {self.replaces.slug} by {authors}.", "", *lines]
        return _bounded(lines)

    def _scores(self, result: Result | PrivateResult) -> list[str]:
        private = result.private if isinstance(result, PrivateResult) else None
        digits = private.decimals if private else 4
        lines = [
            f"**{_cell(result.name)}** is in order: {_cell(f'{result.dataset.name} {result.dataset.version}')}, "
            f"metrics version {result.metrics_version}, {DECLARED}."
            + (f" Private outcomes, {private.used} of {private.budget} scorings used." if private else ""),
            "",
            "| track | scenario | RCS [95 % interval] | gain, points | APSP | CA | AIL (s) | flags |",
            "|---|---|---|---|---|---|---|---|",
        ]
        scores: tuple[EvalScore | PrivateScore, ...] = result.scores
        for score in sorted(scores, key=lambda score: score.track != IN_DOMAIN):
            flags = "; ".join(decision_flags(score)) if isinstance(score, EvalScore) else ""
            rcs, gain = interval_text(score.rcs, digits), score.gain.points()
            figures = (f"{metric.value:.3f}" for metric in (score.apsp, score.ca, score.ail))
            cells = (_cell(score.track), _cell(score.scenario), rcs, gain, *figures, _cell(flags))
            lines.append(f"| {' | '.join(cells)} |")
        return [*lines, "", "Rank bands follow when the board is rebuilt."]

    def _refusal(self) -> list[str]:
        lines = [f"Refused: {len(self.problems)} problems.", "", "| where | what | fix |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(_cell, (p.where, p.what, p.fix)))} |" for p in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"| | and {len(self.problems) - _SHOWN} more | `rsd-bench submit check` lists them |")
        return lines


def _cell(text: str) -> str:
    return markdown_text(text if len(text) <= _CELL else f"{text[:_CELL]}…")


def _bounded(lines: list[str]) -> str:
    """The lines as one text that GitHub takes as a comment. Escaping makes up to 14 characters of one."""
    whole = "\n".join(lines)
    if len(whole) <= _MAX_CHARACTERS:
        return whole
    return whole[: _MAX_CHARACTERS - len(_CUT)].rpartition("\n")[0] + _CUT


def report_proposal(repository: Path, base: str, head: str, check: Check, score: Score) -> Report:
    """Check and score the submission that `head` proposes over `base`; problems are part of the report.

    check: takes the submission's folder and gives its problems. score: gives its result, or raises InputError.
    """
    try:
        with proposed_submission(repository, base, head) as proposal:
            return _report(proposal, check, score)
    except InputError as error:
        return Report(tuple(error.problems))


def _report(proposal: Proposal, check: Check, score: Score) -> Report:
    """What may not replace its predecessor is not scored: the scores would be what its decisions are tuned by."""
    try:
        if not proposal.problems:
            return Report((), score(proposal.folder), proposal.replaces)
        found = check(proposal.folder)
    except InputError as error:
        found = error.problems
    at = f"{proposal.folder.parent}/"
    named = (Problem(p.where.replace(at, ROOT), p.what, p.fix) for p in found)
    return Report((*proposal.problems, *named), replaces=proposal.replaces)

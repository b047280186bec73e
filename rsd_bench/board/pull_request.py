"""What a pull request is told about its submission: every problem, or a table of scores. Markdown, inert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.board.flags import DECLARED, decision_flags
from rsd_bench.board.render import escape_markdown
from rsd_bench.config import IN_DOMAIN
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation import score_submission
from rsd_bench.submission.check import open_submission
from rsd_bench.submission.pull_request import proposed_submission
from rsd_bench.types import InputError, Problem

_SHOWN = 50
_CELL = 300


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
        lines = [
            f"**{escape_markdown(result['name'])}** is in order: {result['dataset']['name']} "
            f"{result['dataset']['version']}, metrics version {result['metrics_version']}, {DECLARED}.",
            "",
            "| track | scenario | RCS [95 % interval] | gain over best fixed | APSP | CA | AIL (s) | flags |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in sorted(result["scores"], key=lambda r: r["track"] != IN_DOMAIN):
            rcs, gain = row["rcs"], row["gain"]
            lines.append(
                f"| {row['track']} | {row['scenario']} | {rcs['value']:.4f} [{rcs['low']:.4f}, {rcs['high']:.4f}] "
                f"| {gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] | {row['apsp']['value']:.3f} "
                f"| {row['ca']['value']:.3f} | {row['ail']['value']:.2f} | {'; '.join(decision_flags(row))} |"
            )
        return "\n".join([*lines, "", "Rank bands follow when the board is rebuilt."])

    def _refusal(self) -> str:
        lines = [f"Refused: {len(self.problems)} problems.", "", "| where | what | mend |", "|---|---|---|"]
        for p in self.problems[:_SHOWN]:
            lines.append(f"| {' | '.join(escape_markdown(text[:_CELL]) for text in (p.where, p.what, p.mend))} |")
        if len(self.problems) > _SHOWN:
            lines.append(f"| | and {len(self.problems) - _SHOWN} more | `rsd-bench submit check` lists them |")
        return "\n".join(lines)


def report_proposal(repository: Path, base: str, head: str, benchmark: Benchmark, *, n_boot: int) -> Report:
    """Check and score the submission that `head` proposes over `base`; problems are part of the report."""
    try:
        with proposed_submission(repository, base, head) as folder:
            try:
                result = score_submission(open_submission(folder, benchmark), benchmark, n_boot=n_boot)
            except InputError as error:
                root = f"{folder.parent}/"
                raise InputError(
                    [Problem(p.where.replace(root, "submissions/"), p.what, p.mend) for p in error.problems]
                ) from None
    except InputError as error:
        return Report(tuple(error.problems))
    return Report((), result.to_dict())

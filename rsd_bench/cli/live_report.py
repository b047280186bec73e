"""What `generate` and `judge` say: before anything is asked, and at the end, to people or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rsd_bench.cli.output import fail, one_line, print_json, say, table
from rsd_bench.model_names import what_moved
from rsd_bench.types import Problem

if TYPE_CHECKING:
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.endpoints.prices import Budget

_ORDER = (
    "ok",
    "unscored",
    "refused",
    "filtered",
    "truncated",
    "unparseable",
    "unsupported",
    "unsent",
    "error",
    "not asked",
)


def announce(budget: Budget, quiet: bool) -> Callable[[Tally], None]:
    """A function that says, before anything is asked, what will be asked and what it may cost."""

    def speak(tally: Tally) -> None:
        if quiet:
            return
        cached = sum(tally.cached.values())
        line = f"{tally.pending} calls to make, {cached} answered already"
        if budget.unpriced:
            line += f"; no price for {', '.join(sorted(budget.unpriced))}"
        if tally.estimate_usd:
            line += f"; at most about ${tally.estimate_usd:.2f} at the prices of {budget.prices.day} (estimate)"
        say(line)

    return speak


@dataclass(frozen=True)
class Report:
    """What a run made of a store. counts: queries by (model, status). budget: None where no model was asked.

    store_usd: what all answers of the store cost. figures: more of the JSON. problems: why the run is incomplete.
    """

    store: Path
    counts: Counter[tuple[str, str]]
    tally: Tally
    budget: Budget | None
    store_usd: float
    figures: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        budget = self.budget
        return {
            "ok": not self.problems,
            "problems": [problem.to_dict() for problem in self.problems],
            "store": str(self.store),
            "models": _by_model(self.counts),
            **self.figures,
            "calls": sum(self.tally.asked.values()),
            "cost_usd": (None if budget.unpriced else budget.spent_usd) if budget else 0.0,
            "store_cost_usd": self.store_usd,
        }


def conclude(report: Report, summary: str, as_json: bool) -> None:
    """Tell how a run ended; exit 1 where it is incomplete (with --json the report has said why)."""
    if as_json:
        print_json(report.to_dict())
    else:
        say(summary)
        for name, what in report.tally.last_error.items():
            say(one_line(f"last error of {name}: {what}"))
        if report.budget:
            say(_cost_line(report.budget, report.store_usd))
        say(f"store     {report.store}")
    if report.problems:
        raise typer.Exit(1) if as_json else fail(report.problems, as_json)


def summary_rows(counts: Counter[tuple[str, str]]) -> str:
    """One row a model: how many of its queries ended how."""
    statuses = [s for s in (*_ORDER, *sorted({s for _, s in counts} - set(_ORDER))) if any(k[1] == s for k in counts)]
    rows: list[tuple[Any, ...]] = [("model", "queries", *statuses)]
    for model in dict.fromkeys(model for model, _ in counts):
        figures = [counts[model, status] for status in statuses]
        rows.append((model, sum(figures), *figures))
    return table(rows)


def served_lines(served: Mapping[str, Sequence[str]]) -> list[str]:
    """Who answered for each model that was asked, with a warning where that is not one version of it."""
    lines = []
    for model, names in served.items():
        moved = what_moved(model, names)
        if moved:
            lines.append(one_line(f"warning: {model} {moved}; name a dated id that does not move"))
        elif names:
            lines.append(one_line(f"served    {model}: {', '.join(names)}"))
    return lines


def unsent_lines(reasons: Mapping[str, int]) -> list[str]:
    """Why queries or answers were sent to nobody, and how many."""
    return [one_line(f"unsent    {n}: {reason}") for reason, n in reasons.items()]


def _by_model(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for (model, status), n in counts.items():
        out.setdefault(model, {})[status] = n
    return out


def _cost_line(budget: Budget, store_usd: float) -> str:
    """What was spent, and how sure that is."""
    if budget.unpriced and not budget.spent_usd:
        return f"cost      unknown: no price for {', '.join(sorted(budget.unpriced))}"
    line = f"cost      ${budget.spent_usd:.4f} this run, ${store_usd:.4f} in this store, prices of {budget.prices.day}"
    return line + (f"; {budget.estimated} calls without usage charged by estimate" if budget.estimated else "")


def shortfall(tally: Tally, counts: Counter[tuple[str, str]], of: str) -> list[Problem]:
    """Why a run is incomplete: it was stopped, or some of its queries or calls, counted by (model, status), failed."""
    if tally.stopped:
        return [Problem("run", f"stopped: {tally.stopped}", "what was answered is stored; run again to go on")]
    if failed := sum(n for (_, status), n in counts.items() if status == "error"):
        return [Problem("run", f"{failed} {of} ended in error", "run again: it asks these and no others")]
    return []

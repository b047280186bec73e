"""`rsd-bench judge STORE`: score the answers of a store. `judge audit` is in cli/judge_audit.py."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import judge_audit, panels
from rsd_bench.cli.judge_audit import Sources, Store
from rsd_bench.cli.judge_batch import BatchOptions, read_judge_batch, write_judge_batch
from rsd_bench.cli.live import CostOptions, EngineOptions, LimitOptions, RequestOptions, output_tokens_of
from rsd_bench.cli.live_report import (
    Report,
    announce,
    conclude,
    served_lines,
    shortfall,
    summary_rows,
    unsent_lines,
)
from rsd_bench.cli.option_groups import grouped
from rsd_bench.cli.output import AsJson, interruptible, one_line, say
from rsd_bench.config import UNSUPPORTED
from rsd_bench.types import Problem

if TYPE_CHECKING:
    from rsd_bench.endpoints.answer_store import AnswerStore
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.endpoints.run_calls import Run
    from rsd_bench.judge.closed import ClosedJudge
    from rsd_bench.judge.model_judge import ModelJudge, Scope
    from rsd_bench.judge.score_answers import Filed

_DEFAULT = "run"


class _DefaultCommand(panels.Group):
    """`judge STORE ...` is `judge run STORE ...`, and `judge --help` shows the options of both."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["STORE --judge ID@BASE_URL [OPTIONS]"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        shown = copy(self)
        shown.params = self.commands[_DEFAULT].params
        panels.Group.format_help(shown, ctx, formatter)


app = panels.App(
    "Score answers with a judge (`judge STORE --judge ...`), and audit the judge (`judge audit STORE ...`).",
    cls=_DefaultCommand,
)
EXACT, NUMERIC = "exact-match", "numeric"


class Retry(StrEnum):
    """Which final replies are asked for again. unparseable: those that are no verdict, nor is their repair."""

    unparseable = "unparseable"


@dataclass(frozen=True)
class JudgeOptions:
    """Who judges, and how."""

    judge: Annotated[
        str,
        typer.Option(
            metavar="ID@BASE_URL",
            help=f"A model, or {EXACT}, or {NUMERIC}: no model needed.",
            rich_help_panel=panels.JUDGE,
        ),
    ]
    prompt: Annotated[
        str,
        typer.Option(metavar="PROMPTDIR", help="A judge folder, or a shipped one.", rich_help_panel=panels.JUDGE),
    ] = "reference"
    repeats: Annotated[
        int, typer.Option(min=1, max=100, help="Judge calls an answer.", rich_help_panel=panels.JUDGE)
    ] = 1
    structured: Annotated[
        bool, typer.Option(help="Ask the endpoint for JSON by schema.", rich_help_panel=panels.JUDGE)
    ] = True
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="Of the numeric judge, relative.", rich_help_panel=panels.JUDGE),
    ] = 0.01
    retry: Annotated[
        Retry | None,
        typer.Option(
            help="Ask again for what gave no verdict, once the judge is mended.", rich_help_panel=panels.JUDGE
        ),
    ] = None

    def closed(self) -> ClosedJudge | None:
        """The judge that asks no model, where it is one."""
        from rsd_bench.judge.closed import exact_match, numeric

        return {EXACT: exact_match(), NUMERIC: numeric(self.tolerance)}.get(self.judge)

    def model(self, request: RequestOptions) -> ModelJudge:
        from rsd_bench.judge.model_judge import ModelJudge
        from rsd_bench.judge.prompt import load_prompt

        folder = load_prompt(self.prompt)
        (endpoint,) = request.endpoints([self.judge])
        return ModelJudge(endpoint, folder, self.repeats, self.structured, request.params(folder.params))


@dataclass(frozen=True)
class ScopeOptions:
    """Which answers are judged."""

    source: Sources = None
    model: Annotated[
        list[str] | None, typer.Option(help="Only answers of this model.", rich_help_panel=panels.SCOPE)
    ] = None

    def open(self, store: Path) -> Scope:
        from rsd_bench.judge.model_judge import open_scope

        return open_scope(store, self.source, self.model)


@app.command(_DEFAULT, hidden=True)
@interruptible
@grouped
def run(
    store: Store,
    judge: JudgeOptions,
    chosen: ScopeOptions,
    batch: BatchOptions,
    request: RequestOptions,
    limits: LimitOptions,
    cost: CostOptions,
    where: EngineOptions,
    as_json: AsJson = False,
) -> None:
    """Score answers against their references; published scores are left alone. Resumable."""
    from rsd_bench.endpoints.answer_store import open_answers
    from rsd_bench.endpoints.retry import Asking
    from rsd_bench.endpoints.run_calls import Run
    from rsd_bench.judge.no_verdict import reopen
    from rsd_bench.judge.score_answers import file_scores, score_by_model

    closed = judge.closed()
    batch.require_use(judge.judge if closed else None)
    if judge.retry and (closed or batch.batch_in):
        what = f"{judge.judge} asks no model" if closed else "--batch-in asks nothing"
        raise typer.BadParameter(f"{what}: leave one out", param_hint="--retry")
    scope = chosen.open(store)
    if closed:
        _score_closed(closed, scope, as_json)
        return
    asked = judge.model(request)
    budget = cost.budget([asked.endpoint])
    settings = Run(
        asking=Asking(scope.media, limits.policy()),
        budget=budget,
        output_tokens=output_tokens_of(asked.params),
        cluster=where.cluster(),
        announce=announce(budget, as_json),
    )
    with open_answers(store) as answers:
        answers.note_run("judge", {"judge": asked.name, **asked.provenance()})
        if judge.retry:
            reopened = reopen(asked, scope, answers)
            if not as_json:
                say(f"{reopened} judgments without a verdict are asked for again")
        if batch.batch_out:
            write_judge_batch(asked, scope, answers, batch.batch_out, as_json)
            return
        if batch.batch_in:
            tally, problems = read_judge_batch(asked, scope, answers, batch.batch_in, budget, as_json)
        else:
            tally, problems = _ask(asked, scope, answers, settings, limits.concurrency), []
        filed = file_scores(scope, asked.name, score_by_model(asked, answers), asked.provenance())
        total = answers.spent_usd()
    problems = [*shortfall(tally, tally.asked, "judge calls"), *_blind(tally), *problems]
    served = {asked.endpoint.model: sorted(filed.served)}
    commonest = filed.unread.commonest
    figures = {
        "fewer_verdicts": filed.short,
        "no_verdict": commonest._asdict() | {"of": filed.unread.reasons.total()} if commonest else None,
        "unsent": dict(filed.unsent),
        "served_models": served,
    }
    report = Report(store, filed.counts, tally, budget, total, figures, problems)
    conclude(report, "\n".join([_summary(filed, judge.repeats), *served_lines(served)]), as_json)


def _blind(tally: Tally) -> list[Problem]:
    """That a judge takes no media, and its prompt shows some."""
    if calls := sum(n for (_, status), n in tally.asked.items() if status == UNSUPPORTED):
        fix = "name a judge that takes them, or a prompt with image = false"
        return [Problem("run", f"{calls} judge calls show media that the judge does not take", fix)]
    return []


def _score_closed(judge: ClosedJudge, scope: Scope, as_json: bool) -> None:
    from rsd_bench.endpoints.answer_store import open_answers
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.judge.score_answers import file_scores, score_closed
    from rsd_bench.sources.store.store_tables import JUDGE_PREFIX

    with open_answers(scope.store) as answers:  # one writer at a time
        filed = file_scores(scope, JUDGE_PREFIX + judge.name, score_closed(judge), {})
        total = answers.spent_usd()
    report = Report(scope.store, filed.counts, Tally(), None, total, {"fewer_verdicts": filed.short})
    conclude(report, _summary(filed, 1), as_json)


def _ask(judge: ModelJudge, scope: Scope, answers: AnswerStore, run: Run, concurrency: int) -> Tally:
    """First tries, then one repair for each reply that is no verdict."""
    from rsd_bench.endpoints.engine import Lane
    from rsd_bench.endpoints.run_calls import run_requests
    from rsd_bench.judge.model_judge import first_requests, repair_requests

    tally = run_requests([Lane(judge.endpoint, lambda: first_requests(judge, scope), concurrency)], answers, run)
    if tally.stopped or next(repair_requests(judge, scope, answers), None) is None:
        return tally
    repairs = Lane(judge.endpoint, lambda: repair_requests(judge, scope, answers), concurrency)
    again = run_requests([repairs], answers, run)
    again.asked.update(tally.asked)
    again.last_error = tally.last_error | again.last_error
    return again


def _summary(filed: Filed, repeats: int) -> str:
    from rsd_bench.judge.score_answers import KEPT

    if not filed.counts:
        return "nothing to judge: no answer with a text and without a published score"
    lines = [summary_rows(filed.counts)]
    if any(status == KEPT for _, status in filed.counts):
        lines.append("kept: this judge gave no verdict (yet), and the score of another judge stays")
    lines += unsent_lines(filed.unsent)
    if filed.short:
        lines.append(
            f"{filed.short} answers have fewer than {repeats} verdicts: calls failed, or replies were no verdict"
        )
    if commonest := filed.unread.commonest:
        reason, replies, example = commonest
        lines.append(one_line(f"no verdict in {filed.unread.reasons.total()} judgments, {replies} of them: {reason}"))
        lines.append(one_line(f"one reply says: {example}"))
        lines.append("once the judge is mended, --retry unparseable asks for those again")
    return "\n".join(lines)


app.command("audit")(judge_audit.audit)

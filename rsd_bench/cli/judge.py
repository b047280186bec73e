"""`rsd-bench judge STORE` and `rsd-bench judge audit STORE`: score answers, and say how far to trust the scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from rsd_bench.cli import live
from rsd_bench.cli.judge_batch import read_judge_batch, write_judge_batch
from rsd_bench.cli.output import AsJson, fail, interruptible, one_line, print_json, say, table
from rsd_bench.evaluation.result import interval_text
from rsd_bench.types import InputError, Interval, Problem

if TYPE_CHECKING:
    from rsd_bench.endpoints.answer_store import AnswerStore
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.endpoints.prices import Budget
    from rsd_bench.judge.score_answers import Filed, ModelJudge, Scope

_DEFAULT = "run"


class _DefaultCommand(TyperGroup):
    """`judge STORE ...` is `judge run STORE ...`, and `judge --help` shows the options of both."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["STORE --judge ID@BASE_URL [OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        run = self.commands[_DEFAULT]
        run.format_options(run.make_context(ctx.info_name, [], ctx, resilient_parsing=True), formatter)
        self.format_commands(ctx, formatter)


app = typer.Typer(
    cls=_DefaultCommand,
    help="Score answers with a judge (`judge STORE --judge ...`), and audit the judge (`judge audit STORE ...`).",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Store = Annotated[Path, typer.Argument(metavar="STORE", help="A store with answers.")]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")]
EXACT, NUMERIC = "exact-match", "numeric"


@app.command(_DEFAULT, hidden=True)
@interruptible
def run(
    store: Store,
    judge: Annotated[
        str, typer.Option("--judge", metavar="ID@BASE_URL", help=f"A model, or {EXACT}, or {NUMERIC}: no model needed.")
    ],
    prompt: Annotated[str, typer.Option(metavar="PROMPTDIR", help="A judge folder, or a shipped one.")] = "reference",
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Judge calls an answer.")] = 1,
    structured: Annotated[bool, typer.Option(help="Ask the endpoint for JSON by schema.")] = True,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="Of the numeric judge, relative.")] = 0.01,
    source: Sources = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="Only answers of this model.")] = None,
    batch_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an OpenAI Batch file, ask nothing.")
    ] = None,
    batch_in: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Read Batch output, ask nothing.")] = None,
    concurrency: live.Concurrency = 8,
    param: live.Params = None,
    key_env: live.KeyEnv = None,
    prices: live.PricesFile = None,
    max_cost: live.MaxCost = None,
    timeout: live.Timeout = 300.0,
    attempts: live.Attempts = 6,
    total_time: live.TotalTime = 900.0,
    engine: live.EngineOption = live.Engine.local,
    workers: live.Workers = 2,
    ray_address: live.Address = None,
    as_json: AsJson = False,
) -> None:
    """Score answers against their references; published scores are left alone. Resumable."""
    from rsd_bench.endpoints.answer_store import open_answers
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.endpoints.prices import Budget, load_prices
    from rsd_bench.endpoints.ray_calls import Cluster
    from rsd_bench.endpoints.retry import Asking, RetryPolicy
    from rsd_bench.endpoints.run_calls import Run
    from rsd_bench.judge.closed import exact_match, numeric
    from rsd_bench.judge.prompt import load_prompt
    from rsd_bench.judge.score_answers import ModelJudge, file_scores, open_scope, score_by_model, score_closed
    from rsd_bench.sources.outcomes import JUDGE_PREFIX

    closed = {EXACT: exact_match(), NUMERIC: numeric(tolerance)}.get(judge)
    if batch_out and (closed or batch_in):
        what = f"{judge} asks no model" if closed else "a run writes a Batch file or reads some"
        raise typer.BadParameter(f"{what}: leave one out", param_hint="--batch-out")
    if batch_in and closed:
        raise typer.BadParameter(f"{judge} asks no model: leave one out", param_hint="--batch-in")
    scope = open_scope(store, source, model)
    if closed:
        with open_answers(store) as answers:  # one writer at a time
            filed = file_scores(scope, JUDGE_PREFIX + closed.name, score_closed(closed), {})
            total = answers.spent_usd()
        _report(filed, 1, Tally(), None, total, store, as_json)
        return
    folder = load_prompt(prompt)
    endpoint = live.endpoints_of([judge], key_env)[0]
    asked = ModelJudge(endpoint, folder, repeats, structured, live.params_of(param, folder.params))
    budget = Budget(load_prices(prices), max_cost)
    budget.require([endpoint.model])
    asking = Asking(scope.image, RetryPolicy(attempts, timeout, total_time))
    cluster = Cluster(workers, ray_address) if engine is live.Engine.ray else None
    settings = Run(
        asking=asking,
        budget=budget,
        output_tokens=live.output_tokens_of(asked.params),
        cluster=cluster,
        announce=live.announce(budget, as_json),
    )
    with open_answers(store) as answers:
        answers.note_run("judge", {"judge": asked.name, **asked.provenance()})
        if batch_out:
            write_judge_batch(asked, scope, answers, batch_out, as_json)
            return
        if batch_in:
            tally, problems = read_judge_batch(asked, scope, answers, batch_in, budget, as_json)
        else:
            tally, problems = _ask(asked, scope, answers, settings, concurrency), []
        filed = file_scores(scope, asked.name, score_by_model(asked, answers), asked.provenance())
        total = answers.spent_usd()
    _report(filed, repeats, tally, budget, total, store, as_json, problems)


def _ask(judge: ModelJudge, scope: Scope, answers: AnswerStore, run: Any, concurrency: int) -> Any:
    """First tries, then one repair for each reply that is no verdict."""
    from rsd_bench.endpoints.engine import Lane
    from rsd_bench.endpoints.run_calls import run_requests
    from rsd_bench.judge.score_answers import first_requests, repair_requests

    tally = run_requests([Lane(judge.endpoint, lambda: first_requests(judge, scope), concurrency)], answers, run)
    if tally.stopped or next(repair_requests(judge, scope, answers), None) is None:
        return tally
    repairs = Lane(judge.endpoint, lambda: repair_requests(judge, scope, answers), concurrency)
    again = run_requests([repairs], answers, run)
    again.asked.update(tally.asked)
    again.last_error = tally.last_error | again.last_error
    return again


def _report(
    filed: Filed,
    repeats: int,
    tally: Tally,
    budget: Budget | None,
    total: float,
    store: Path,
    as_json: bool,
    problems: Sequence[Problem] = (),
) -> None:
    failed = sum(n for (_, status), n in tally.asked.items() if status == "error")
    shortfall = live.shortfall(tally, failed, "judge calls")
    problems = [*([shortfall] if shortfall else []), *problems]
    if as_json:
        print_json(
            {
                "ok": not problems,
                "problems": [problem.to_dict() for problem in problems],
                "store": str(store),
                "models": live.as_counts(filed.counts),
                "fewer_verdicts": filed.short,
                "calls": sum(tally.asked.values()),
                "cost_usd": (None if budget.unpriced else budget.spent_usd) if budget else 0.0,
                "store_cost_usd": total,
            }
        )
    else:
        _say_filed(filed, repeats)
        for name, what in tally.last_error.items():
            say(one_line(f"last error of {name}: {what}"))
        if budget:
            say(live.cost_line(budget, total))
        say(f"store     {store}")
    if problems:
        raise typer.Exit(1) if as_json else fail(problems, as_json)


def _say_filed(filed: Filed, repeats: int) -> None:
    from rsd_bench.judge.score_answers import KEPT

    if not filed.counts:
        say("nothing to judge: no answer with a text and without a published score")
        return
    say(live.summary_rows(filed.counts))
    if any(status == KEPT for _, status in filed.counts):
        say("kept: this judge gave no verdict (yet), and the score of another judge stays")
    if filed.short:
        say(f"{filed.short} answers have fewer than {repeats} verdicts: calls failed, or replies were no verdict")


@app.command()
@interruptible
def audit(
    store: Store,
    human: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV or JSONL: query_id, model, score.")] = None,
    small: Annotated[str | None, typer.Option(help="Small model of the pair whose labels are audited.")] = None,
    large: Annotated[str | None, typer.Option(help="Large model of the pair.")] = None,
    source: Sources = None,
    n_boot: Annotated[int, typer.Option("--n-boot", min=1, max=100_000, help="Bootstrap resamples.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """How far to trust the judge: people, repeats, verbosity, and the labels that judging again would flip."""
    from rsd_bench.judge.audit import audit_source, judged_answers
    from rsd_bench.judge.human import read_human_scores
    from rsd_bench.judge.score_answers import open_scope

    if (small is None) != (large is None):
        raise typer.BadParameter("give both --small and --large", param_hint="--small")
    scope = open_scope(store, source, [small, large] if small and large else None)
    known = {key for name in scope.sources for key in judged_answers(store, name)}
    if not known:
        raise InputError.at(store, "has no score of a judge", "run `rsd-bench judge` first")
    scores = read_human_scores(human, known) if human else []
    judged = [name for name in scope.sources if source or judged_answers(store, name)]
    pair = (small, large) if small and large else None
    audits = [audit_source(store, name, scores, pair, n_boot, seed) for name in judged]
    if as_json:
        print_json({"ok": True, "audits": audits})
        return
    for found in audits:
        _say_audit(found)


def _say_audit(found: dict[str, Any]) -> None:
    say(f"{found['source']}: {found['answers']} answers scored by {found['judge']}")
    if found["repeats"]:
        repeats = found["repeats"]
        say(f"variance over repeats  {repeats['variance']:.4f} ({repeats['answers']} answers)")
    if people := found["human"]:
        say(f"against {people['annotators']} annotator(s) on {people['answers']} answers:")
        rows: list[tuple[Any, ...]] = [("figure", "value [95 % interval]")]
        rows += [
            (name.replace("_", " "), interval_text(Interval(**value)) if value else "undefined")
            for name, value in people.items()
            if name not in ("answers", "annotators")
        ]
        say(table(rows))
    flips, people_flips = found["flip_prob"], found["label_disagreement"]
    if flips or people_flips:
        rows = [("MES", "flips on judging again", "near the MES (queries)", "differs from people")]
        for mes in (flips or people_flips)["all"]:
            near = flips["near"][mes] if flips else None
            rows.append(
                (
                    mes,
                    f"{flips['all'][mes]:.4f}" if flips else "-",
                    f"{near:.4f} ({flips['near_queries'][mes]})" if near is not None else "-",
                    f"{people_flips['all'][mes]:.4f}" if people_flips else "-",
                )
            )
        say(table(rows))
    elif found["pair"]:
        say("flipped labels need --repeats 2 or more, or human scores of both models")
    say()

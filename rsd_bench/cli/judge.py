"""`rsd-bench judge STORE` and `rsd-bench judge audit STORE`: score answers, and say how far the scores can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from rsd_bench.cli import live
from rsd_bench.cli.output import AsJson, print_json, say

if TYPE_CHECKING:
    from collections import Counter

    from rsd_bench.judge.run import ModelJudge, Scope
    from rsd_bench.requests.prices import Budget
    from rsd_bench.requests.store import AnswerStore

_DEFAULT = "run"


class _DefaultCommand(TyperGroup):
    """`judge STORE ...` is `judge run STORE ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DefaultCommand,
    help="Score answers with a judge (`judge STORE --judge ...`), and audit the judge.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Store = Annotated[Path, typer.Argument(metavar="STORE", help="A store with answers.")]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")]
EXACT, NUMERIC = "exact-match", "numeric"


@app.command(_DEFAULT)
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
    from rsd_bench.judge.closed import exact_match, numeric
    from rsd_bench.judge.prompt import load_prompt
    from rsd_bench.judge.run import (
        JUDGE_PREFIX,
        ModelJudge,
        file_scores,
        open_scope,
        score_by_model,
        score_closed,
    )
    from rsd_bench.requests.engine import Tally
    from rsd_bench.requests.prices import Budget, load_prices
    from rsd_bench.requests.retry import Asking, RetryPolicy
    from rsd_bench.requests.run import Cluster, Run
    from rsd_bench.requests.store import open_answers

    scope = open_scope(store, source, model)
    if judge in (EXACT, NUMERIC):
        closed = exact_match() if judge == EXACT else numeric(tolerance)
        with open_answers(store):  # one writer at a time
            counts = file_scores(scope, JUDGE_PREFIX + closed.name, score_closed(closed), {})
        _report(counts, Tally(), None, 0.0, store, as_json)
        return
    folder = load_prompt(prompt)
    endpoint = live.endpoints_of([judge], key_env)[0]
    asked = ModelJudge(endpoint, folder, repeats, structured, live.params_of(param, folder.params))
    budget = Budget(load_prices(prices), max_cost)
    budget.require([endpoint.model])
    asking = Asking(scope.image, RetryPolicy(attempts, timeout, total_time))
    cluster = Cluster(workers, ray_address) if engine is live.Engine.ray else None
    settings = Run(asking, budget, live.output_tokens_of(asked.params), cluster, live.announce(budget, as_json))
    with open_answers(store) as answers:
        answers.note_run("judge", {"judge": asked.name, **asked.provenance()})
        if batch_out:
            _write_batch(asked, scope, answers, batch_out, as_json)
            return
        tally = (
            _read_batch(asked, scope, answers, batch_in, budget, as_json)
            if batch_in
            else _ask(asked, scope, answers, settings, concurrency)
        )
        counts = file_scores(scope, asked.name, score_by_model(asked, answers), asked.provenance())
        total = answers.spent_usd()
    _report(counts, tally, budget, total, store, as_json)


def _ask(judge: ModelJudge, scope: Scope, answers: AnswerStore, run: Any, concurrency: int) -> Any:
    """First tries, then one repair for each reply that is no verdict."""
    from rsd_bench.judge.run import first_requests, repair_requests
    from rsd_bench.requests.engine import Lane
    from rsd_bench.requests.run import run_requests

    tally = run_requests([Lane(judge.endpoint, lambda: first_requests(judge, scope), concurrency)], answers, run)
    if tally.stopped or next(repair_requests(judge, scope, answers), None) is None:
        return tally
    repairs = Lane(judge.endpoint, lambda: repair_requests(judge, scope, answers), concurrency)
    again = run_requests([repairs], answers, run)
    again.asked.update(tally.asked)
    return again


def _write_batch(judge: ModelJudge, scope: Scope, answers: AnswerStore, path: Path, as_json: bool) -> None:
    from itertools import chain

    from rsd_bench.judge.run import first_requests, repair_requests
    from rsd_bench.requests.batch_files import write_batch

    requests = chain(first_requests(judge, scope), repair_requests(judge, scope, answers))
    files = write_batch(requests, answers, scope.image, path)
    if as_json:
        print_json({"ok": True, "files": {str(file): n for file, n in files}})
        return
    for file, n in files:
        say(f"{n} requests  {file}")
    say(
        "upload each file as a batch for /v1/chat/completions, then: judge STORE ... --batch-in OUTPUT"
        if files
        else "nothing to ask"
    )


def _read_batch(
    judge: ModelJudge, scope: Scope, answers: AnswerStore, paths: list[Path], budget: Budget, as_json: bool
) -> Any:
    from itertools import chain

    from rsd_bench.judge.run import first_requests, repair_requests
    from rsd_bench.requests.batch_files import read_batch
    from rsd_bench.requests.engine import Tally

    requests = chain(first_requests(judge, scope), repair_requests(judge, scope, answers))
    counts = read_batch(paths, requests, answers, budget)
    if not as_json:
        say("read      " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    tally = Tally()
    for status, n in counts.items():
        if status != "unknown":
            tally.asked[judge.endpoint.model, status] += n
    return tally


def _report(
    counts: Counter[tuple[str, str]], tally: Any, budget: Budget | None, total: float, store: Path, as_json: bool
) -> None:
    if as_json:
        problem = live.stop_problem(tally)
        print_json(
            {
                "ok": problem is None,
                "problems": [problem.to_dict()] if problem else [],
                "store": str(store),
                "models": live.as_counts(counts),
                "calls": sum(tally.asked.values()),
                "cost_usd": budget.spent_usd if budget and not budget.unpriced else None,
                "store_cost_usd": total,
            }
        )
    else:
        say(
            live.summary_rows(counts)
            if counts
            else "nothing to judge: no answer with a text and without a published score"
        )
        for name, what in tally.last_error.items():
            say(f"last error of {name}: {what}")
        if budget:
            say(live.cost_line(budget, total))
        say(f"store     {store}")
    live.finish(tally, as_json)

"""`rsd-bench generate`: ask live models the queries of a store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli import live
from rsd_bench.cli.output import AsJson, interruptible, one_line, print_json, say


class Energy(StrEnum):
    """Instruments on this machine."""

    codecarbon = "codecarbon"
    nvml = "nvml"


@interruptible
def generate(
    queries: Annotated[str, typer.Argument(metavar="QUERIES", help="A store, records folder, or dataset.")],
    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="The store that gets queries and answers.")],
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="ID@BASE_URL", help="OpenAI-compatible endpoint.")
    ] = None,
    vllm: Annotated[
        str | None, typer.Option("--vllm", metavar="ID", help="Run this model by vLLM on the GPUs of a Ray cluster.")
    ] = None,
    concurrency: live.Concurrency = 8,
    param: live.Params = None,
    system: Annotated[Path | None, typer.Option(metavar="FILE", help="System prompt, UTF-8.")] = None,
    hardware: Annotated[
        list[str] | None, typer.Option(metavar="ID=NOTE", help="What the model runs on, kept with the latencies.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many queries of each source.")] = None,
    energy: Annotated[
        Energy | None, typer.Option(help="Meter joules: one model on this machine, one call at a time.")
    ] = None,
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
    """Ask models the queries: measured latency and tokens, every answer stored as it comes, resumable."""
    from rsd_bench.endpoints.answer_store import AnswerStore, open_answers
    from rsd_bench.endpoints.calls import Endpoint
    from rsd_bench.endpoints.engine import Lane, Tally
    from rsd_bench.endpoints.prices import Budget, load_prices
    from rsd_bench.endpoints.ray_calls import Cluster
    from rsd_bench.endpoints.retry import Asking, RetryPolicy
    from rsd_bench.endpoints.run_calls import Run, run_requests
    from rsd_bench.generate.answer_queries import Plan, file_outcomes, require_live
    from rsd_bench.generate.energy import open_meter
    from rsd_bench.generate.queries import bring_queries
    from rsd_bench.generate.vllm_batch import VllmEngine, run_vllm

    if (vllm is None) == (not model) or (vllm and engine is not live.Engine.ray):
        raise typer.BadParameter("give --model ID@BASE_URL, or --vllm ID with --engine ray", param_hint="--model")
    endpoints = [Endpoint(vllm, "vllm:batch")] if vllm else live.endpoints_of(model or [], key_env)
    params = live.params_of(param, {"temperature": 0, "max_tokens": 1024})
    notes = live.notes_of(hardware, [endpoint.model for endpoint in endpoints])
    meter = open_meter(energy, endpoints, concurrency) if energy else None
    budget = Budget(load_prices(prices), max_cost)
    budget.require([endpoint.model for endpoint in endpoints])
    sources = bring_queries(queries, out)
    plan = Plan(out, sources, endpoints, params, live.text_of(system), notes, limit)
    require_live(plan)
    asking = Asking(plan.image, RetryPolicy(attempts, timeout, total_time), stream=True, meter=meter)
    cluster = Cluster(workers, ray_address) if engine is live.Engine.ray else None

    def batch(lane: Lane, answers: AnswerStore, tally: Tally) -> None:
        run_vllm(lane, answers, asking, budget, tally, Cluster(workers, ray_address), VllmEngine())

    run = Run(
        asking=asking,
        budget=budget,
        output_tokens=live.output_tokens_of(params),
        cluster=cluster,
        batch=batch if vllm else None,
        announce=live.announce(budget, as_json),
    )
    with open_answers(out) as answers:
        settings = {"models": {e.model: e.base_url for e in endpoints}, "params": params, "hardware": notes}
        answers.note_run("generate", settings)
        lanes = [Lane(e, lambda e=e: plan.requests(e.model), concurrency) for e in endpoints]  # type: ignore[misc]
        tally = run_requests(lanes, answers, run)
        counts = file_outcomes(plan, answers)
        total = answers.spent_usd()
    failed = sum(n for (_, status), n in counts.items() if status == "error")
    problem = live.shortfall(tally, failed, "queries")
    if as_json:
        print_json(
            {
                "ok": problem is None,
                "problems": [problem.to_dict()] if problem else [],
                "store": str(out),
                "models": live.as_counts(counts),
                "calls": sum(tally.asked.values()),
                "cost_usd": None if budget.unpriced else budget.spent_usd,
                "store_cost_usd": total,
            }
        )
    else:
        say(live.summary_rows(counts))
        for name, what in tally.last_error.items():
            say(one_line(f"last error of {name}: {what}"))
        say(f"{live.cost_line(budget, total)}\nstore     {out}")
    live.finish(problem, as_json)

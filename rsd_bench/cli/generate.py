"""`rsd-bench generate`: ask live models the queries of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.live import CostOptions, Engine, EngineOptions, LimitOptions, RequestOptions, output_tokens_of
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
from rsd_bench.cli.output import AsJson, interruptible
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.endpoints.calls import Endpoint


class Energy(StrEnum):
    """Instruments on this machine."""

    codecarbon = "codecarbon"
    nvml = "nvml"


@dataclass(frozen=True)
class ModelOptions:
    """Who is asked, and what they run on."""

    model: Annotated[
        list[str] | None,
        typer.Option(metavar="ID@BASE_URL", help="OpenAI-compatible endpoint.", rich_help_panel=panels.MODELS),
    ] = None
    vllm: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Run this model by vLLM on the GPUs of a Ray cluster.", rich_help_panel=panels.MODELS
        ),
    ] = None
    hardware: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=NOTE", help="What the model runs on, kept with the latencies.", rich_help_panel=panels.MODELS
        ),
    ] = None
    energy: Annotated[
        Energy | None,
        typer.Option(
            help="Meter joules: one model on this machine, one call at a time.", rich_help_panel=panels.MODELS
        ),
    ] = None

    def notes(self, endpoints: Sequence[Endpoint]) -> dict[str, str]:
        """--hardware ID=NOTE by model; a note without an id is for every model."""
        models = [endpoint.model for endpoint in endpoints]
        notes: dict[str, str] = {}
        for value in self.hardware or ():
            model, equals, note = value.partition("=")
            if equals and model in models:
                notes[model] = note
            else:
                notes |= {m: value for m in models if m not in notes}
        return notes


@interruptible
@grouped
def generate(
    queries: Annotated[str, typer.Argument(metavar="QUERIES", help="A store, records folder, or dataset.")],
    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="The store that gets queries and answers.")],
    models: ModelOptions,
    request: RequestOptions,
    limits: LimitOptions,
    cost: CostOptions,
    where: EngineOptions,
    system: Annotated[
        Path | None, typer.Option(metavar="FILE", help="System prompt, UTF-8.", rich_help_panel=panels.REQUEST)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many queries of each source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask models the queries: measured latency and tokens, every answer stored as it comes, resumable."""
    from rsd_bench.endpoints.answer_store import open_answers
    from rsd_bench.endpoints.calls import Endpoint
    from rsd_bench.endpoints.engine import Lane
    from rsd_bench.endpoints.ray_calls import run_on_ray
    from rsd_bench.endpoints.retry import Asking
    from rsd_bench.endpoints.run_calls import Run, run_requests
    from rsd_bench.generate.answer_queries import Plan, file_outcomes, require_live, served_models
    from rsd_bench.generate.energy import open_meter
    from rsd_bench.generate.queries import bring_queries
    from rsd_bench.generate.vllm_batch import run_vllm

    if (models.vllm is None) == (not models.model) or (models.vllm and where.engine is not Engine.ray):
        raise typer.BadParameter("give --model ID@BASE_URL, or --vllm ID with --engine ray", param_hint="--model")
    endpoints = [Endpoint(models.vllm, "vllm:batch")] if models.vllm else request.endpoints(models.model or [])
    params = request.params({"temperature": 0, "max_tokens": 1024})
    notes = models.notes(endpoints)
    meter = open_meter(models.energy, endpoints, limits.concurrency) if models.energy else None
    budget = cost.budget(endpoints)
    plan = Plan(out, bring_queries(queries, out), endpoints, params, _text_of(system), notes, limit)
    require_live(plan)
    run = Run(
        asking=Asking(plan.media, limits.policy(), stream=True, meter=meter),
        budget=budget,
        output_tokens=output_tokens_of(params),
        cluster=where.cluster(),
        on_cluster=run_vllm if models.vllm else run_on_ray,
        announce=announce(budget, as_json),
    )
    with open_answers(out) as answers:
        settings = {"models": {e.model: e.base_url for e in endpoints}, "params": params, "hardware": notes}
        answers.note_run("generate", settings)
        lanes = [Lane(e, lambda e=e: plan.requests(e.model), limits.concurrency) for e in endpoints]  # type: ignore[misc]
        tally = run_requests(lanes, answers, run)
        counts = file_outcomes(plan, answers)
        total = answers.spent_usd()
    served, unsent = served_models(plan), plan.unsent()
    problems = shortfall(tally, counts, "queries")
    figures = {"served_models": served, "unsent": dict(unsent)}
    report = Report(out, counts, tally, budget, total, figures, problems)
    conclude(report, "\n".join([summary_rows(counts), *unsent_lines(unsent), *served_lines(served)]), as_json)


def _text_of(path: Path | None) -> str:
    """The text of a file, "" for none. InputError where it cannot be read."""
    if path is None:
        return ""
    try:
        return path.read_text("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError.at(path, f"not UTF-8: {error.reason}", "save the file as UTF-8") from None
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read", "name a readable file") from None

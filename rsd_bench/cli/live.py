"""What `generate` and `judge` share on the command line: endpoints, prices, limits, engine, and the summary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli.output import fail, say, table
from rsd_bench.types import InputError, Problem

if TYPE_CHECKING:
    from rsd_bench.endpoints.calls import Endpoint
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.endpoints.prices import Budget


class Engine(StrEnum):
    """local: this machine. ray: a Ray cluster, or Ray on this machine where none runs."""

    local = "local"
    ray = "ray"


KeyEnv = Annotated[
    list[str] | None,
    typer.Option(
        "--key-env",
        metavar="[ID=]VARIABLE",
        help="Environment variable with the key of an endpoint; OPENAI_API_KEY for api.openai.com by itself.",
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, max=4096, help="Calls in flight per model.")]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=JSON", help="Request parameter; NAME=null leaves out a default."),
]
PricesFile = Annotated[Path | None, typer.Option("--prices", metavar="FILE", help="Price file; see docs/building.md.")]
MaxCost = Annotated[float | None, typer.Option(min=0, metavar="USD", help="Stop before spending more than this.")]
Timeout = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="For one try of one call.")]
Attempts = Annotated[int, typer.Option(min=1, max=100, help="Tries of one call.")]
TotalTime = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="For one call with all its tries.")]
EngineOption = Annotated[Engine, typer.Option(help="Where the calls are made.")]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Ray workers, each with --concurrency calls in flight.")]
Address = Annotated[str | None, typer.Option("--ray-address", help="Ray cluster to join; default: start Ray here.")]


def endpoints_of(values: Sequence[str], key_env: Sequence[str] | None) -> list[Endpoint]:
    """ID@BASE_URL arguments; InputError listing every fault."""
    from rsd_bench.endpoints.calls import parse_endpoint

    named, fallback = {}, None
    for value in key_env or ():
        model, equals, variable = value.rpartition("=")
        if equals:
            named[model] = variable
        else:
            fallback = variable
    problems: list[Problem] = []
    endpoints: list[Endpoint] = []
    for value in values:
        model = value.split("@http")[0]
        try:
            keys = named if model in named or fallback is None else {model: fallback}
            endpoints.append(parse_endpoint(value, keys))
        except InputError as error:
            problems += error.problems
    ids = [endpoint.model for endpoint in endpoints]
    problems += [
        Problem("--model", f"{i!r} is given twice", "name each model once")
        for i in sorted(set(ids))
        if ids.count(i) > 1
    ]
    problems += [
        Problem("--key-env", f"{m!r} is none of the models", f"use {', '.join(ids)}") for m in named if m not in ids
    ]
    if problems:
        raise InputError(problems)
    return endpoints


def params_of(values: Sequence[str] | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """--param NAME=JSON over defaults; a usage error for anything that is no such pair."""
    from rsd_bench.endpoints.calls import RESERVED

    params = dict(defaults)
    for value in values or ():
        name, equals, text = value.partition("=")
        try:
            if not equals or not name or name in RESERVED:
                raise ValueError
            params[name] = json.loads(text, parse_constant=_refuse)
            json.dumps(params[name], allow_nan=False)  # 1e400 is read as infinity
        except ValueError:
            raise typer.BadParameter(
                f"{value[:80]!r} is not NAME=JSON of a request parameter", param_hint="--param"
            ) from None
    if "max_completion_tokens" in params:
        params.pop("max_tokens", None)
    return {name: value for name, value in params.items() if value is not None}


def notes_of(values: Sequence[str] | None, models: Sequence[str]) -> dict[str, str]:
    """--hardware ID=NOTE by model; a note without an id is for every model."""
    notes: dict[str, str] = {}
    for value in values or ():
        model, equals, note = value.partition("=")
        if equals and model in models:
            notes[model] = note
        else:
            notes |= {m: value for m in models if m not in notes}
    return notes


def text_of(path: Path | None) -> str:
    """The text of a file, "" for none. InputError where it cannot be read."""
    if path is None:
        return ""
    try:
        return path.read_text("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError.at(path, f"not UTF-8: {error.reason}", "save the file as UTF-8") from None
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read", "name a readable file") from None


def _refuse(name: str) -> None:
    raise ValueError(name)


def output_tokens_of(params: Mapping[str, Any], default: int = 1024) -> int:
    """The most tokens an answer may have, for the estimate."""
    value = params.get("max_completion_tokens", params.get("max_tokens"))
    return value if isinstance(value, int) and value > 0 else default


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


def summary_rows(counts: Counter[tuple[str, str]]) -> str:
    """One row a model: how many of its queries ended how."""
    statuses = [s for s in (*_ORDER, *sorted({s for _, s in counts} - set(_ORDER))) if any(k[1] == s for k in counts)]
    rows: list[tuple[Any, ...]] = [("model", "queries", *statuses)]
    for model in dict.fromkeys(model for model, _ in counts):
        figures = [counts[model, status] for status in statuses]
        rows.append((model, sum(figures), *figures))
    return table(rows)


_ORDER = ("ok", "unscored", "refused", "filtered", "truncated", "unparseable", "error", "not asked")


def as_counts(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """{model: {status: queries}}"""
    out: dict[str, dict[str, int]] = {}
    for (model, status), n in counts.items():
        out.setdefault(model, {})[status] = n
    return out


def cost_line(budget: Budget, total_usd: float) -> str:
    """What was spent, and how sure that is."""
    if budget.unpriced and not budget.spent_usd:
        return f"cost      unknown: no price for {', '.join(sorted(budget.unpriced))}"
    line = f"cost      ${budget.spent_usd:.4f} this run, ${total_usd:.4f} in this store, prices of {budget.prices.day}"
    return line + (f"; {budget.estimated} calls without usage charged by estimate" if budget.estimated else "")


def shortfall(tally: Tally, errors: int, of: str) -> Problem | None:
    """Why a run is incomplete, as a problem: it was stopped, or `errors` of its queries or calls failed."""
    if tally.stopped:
        return Problem("run", f"stopped: {tally.stopped}", "what was answered is stored; run again to go on")
    if errors:
        return Problem("run", f"{errors} {of} ended in error", "run again: it asks these and no others")
    return None


def finish(problem: Problem | None, as_json: bool) -> None:
    """Exit 1 where the run is incomplete (with --json the report has said so)."""
    if problem:
        raise typer.Exit(1) if as_json else fail([problem], as_json)

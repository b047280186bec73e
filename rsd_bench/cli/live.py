"""What `generate` and `judge` share on the command line: requests, limits, cost, engine. One option group a subject."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.types import InputError, Problem

if TYPE_CHECKING:
    from rsd_bench.endpoints.calls import Endpoint
    from rsd_bench.endpoints.prices import Budget
    from rsd_bench.endpoints.ray_calls import Cluster
    from rsd_bench.endpoints.retry import RetryPolicy


class Engine(StrEnum):
    """local: this machine. ray: a Ray cluster, or Ray on this machine where none runs."""

    local = "local"
    ray = "ray"


@dataclass(frozen=True)
class RequestOptions:
    """What is sent beside the messages, and whose key with it."""

    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=JSON",
            help="Request parameter; NAME=null leaves out a default.",
            rich_help_panel=panels.REQUEST,
        ),
    ] = None
    key_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ID=]VARIABLE",
            help="Environment variable with the key of an endpoint; OPENAI_API_KEY for api.openai.com by itself.",
            rich_help_panel=panels.REQUEST,
        ),
    ] = None

    def endpoints(self, values: Sequence[str]) -> list[Endpoint]:
        """ID@BASE_URL arguments; InputError listing every fault."""
        return _endpoints(values, self.key_env or ())

    def params(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """--param NAME=JSON over defaults; a usage error for anything that is no such pair."""
        return _params(self.param or (), defaults)


@dataclass(frozen=True)
class LimitOptions:
    """How many calls at once, and how long and how often each is tried."""

    concurrency: Annotated[
        int, typer.Option(min=1, max=4096, help="Calls in flight per model.", rich_help_panel=panels.LIMITS)
    ] = 8
    timeout: Annotated[
        float,
        typer.Option(min=0.1, metavar="SECONDS", help="For one try of one call.", rich_help_panel=panels.LIMITS),
    ] = 300.0
    attempts: Annotated[int, typer.Option(min=1, max=100, help="Tries of one call.", rich_help_panel=panels.LIMITS)] = 6
    total_time: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="SECONDS", help="For one call with all its tries.", rich_help_panel=panels.LIMITS
        ),
    ] = 900.0

    def policy(self) -> RetryPolicy:
        from rsd_bench.endpoints.retry import RetryPolicy

        return RetryPolicy(self.attempts, self.timeout, self.total_time)


@dataclass(frozen=True)
class CostOptions:
    """What calls cost, and the most that may be spent."""

    prices: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Price file; see docs/building.md.", rich_help_panel=panels.COST),
    ] = None
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, metavar="USD", help="Stop before spending more than this.", rich_help_panel=panels.COST),
    ] = None

    def budget(self, endpoints: Sequence[Endpoint]) -> Budget:
        """InputError for a faulty price file, and where a cap is set and a model has no price."""
        from rsd_bench.endpoints.prices import Budget, load_prices

        budget = Budget(load_prices(self.prices), self.max_cost)
        budget.require([endpoint.model for endpoint in endpoints])
        return budget


@dataclass(frozen=True)
class EngineOptions:
    """Where calls are made."""

    engine: Annotated[Engine, typer.Option(help="Where the calls are made.", rich_help_panel=panels.ENGINE)] = (
        Engine.local
    )
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            max=1024,
            help="Ray workers, each with --concurrency calls in flight.",
            rich_help_panel=panels.ENGINE,
        ),
    ] = 2
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster to join; default: start Ray here.", rich_help_panel=panels.ENGINE)
    ] = None

    def cluster(self) -> Cluster | None:
        """None: this machine, without Ray."""
        from rsd_bench.endpoints.ray_calls import Cluster

        return Cluster(self.workers, self.ray_address) if self.engine is Engine.ray else None


def _endpoints(values: Sequence[str], key_env: Sequence[str]) -> list[Endpoint]:
    from rsd_bench.endpoints.calls import parse_endpoint

    named, fallback = {}, None
    for value in key_env:
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


def _params(values: Sequence[str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    from rsd_bench.endpoints.calls import RESERVED

    params = dict(defaults)
    for value in values:
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


def _refuse(name: str) -> None:
    raise ValueError(name)


def output_tokens_of(params: Mapping[str, Any], default: int = 1024) -> int:
    """The most tokens an answer may have, for the estimate."""
    value = params.get("max_completion_tokens", params.get("max_tokens"))
    return value if isinstance(value, int) and value > 0 else default

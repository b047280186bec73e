"""`rsd-bench serve`: a trained router in front of real models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.live import Engine
from rsd_bench.cli.option_groups import EncoderPlace, OnDevice, grouped
from rsd_bench.cli.output import say
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.serve.settings import Settings

_EXTRA = ("starlette", "uvicorn", "httptools", "prometheus_client", "aiohttp")


@dataclass(frozen=True)
class TierOptions:
    """Who answers."""

    router: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Trained router: one a scenario.", rich_help_panel=panels.MODELS),
    ] = None
    edge: Annotated[
        str | None, typer.Option(metavar="MODEL@URL", help="The small model.", rich_help_panel=panels.MODELS)
    ] = None
    cloud: Annotated[
        str | None, typer.Option(metavar="MODEL@URL", help="The large model.", rich_help_panel=panels.MODELS)
    ] = None
    tier: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL@URL", help="A model between them.", rich_help_panel=panels.MODELS),
    ] = None
    key_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ID=]VARIABLE",
            help="Environment variable with the key of a model; OPENAI_API_KEY for api.openai.com by itself.",
            rich_help_panel=panels.MODELS,
        ),
    ] = None
    scenario: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where a client names none; default: the first router's."),
    ] = None
    default_tier: Annotated[
        str | None,
        typer.Option(metavar="edge|cloud", help="Who answers where the router fails; default: cloud."),
    ] = None
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Price file; see docs/building.md.", rich_help_panel=panels.COST)
    ] = None


@dataclass(frozen=True)
class AccessOptions:
    """Where it listens, and to whom."""

    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: 127.0.0.1.", rich_help_panel=panels.ACCESS)
    ] = None
    port: Annotated[
        int | None, typer.Option(help="Default: 8080; 0: one that is free.", rich_help_panel=panels.ACCESS)
    ] = None
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE", help="Environment variable with the key of clients.", rich_help_panel=panels.ACCESS
        ),
    ] = None
    fetch_images: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Fetch images of this host for the router.", rich_help_panel=panels.ACCESS),
    ] = None


@dataclass(frozen=True)
class BoundOptions:
    """How long and how much."""

    edge_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Until the edge must have begun its answer; default: 30.",
            rich_help_panel=panels.LIMITS,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Until some tier must have begun; default: 300.", rich_help_panel=panels.LIMITS
        ),
    ] = None
    concurrency: Annotated[
        int | None, typer.Option(help="Calls in flight a tier; default: 1024.", rich_help_panel=panels.LIMITS)
    ] = None
    queue: Annotated[
        int | None, typer.Option(help="Requests that wait a tier; default: 256.", rich_help_panel=panels.LIMITS)
    ] = None


@dataclass(frozen=True)
class LogOptions:
    """What is kept of the traffic."""

    log: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Keep queries, answers and decisions.", rich_help_panel=panels.LOG),
    ] = None
    log_share: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of the requests that is kept; default: 1.", rich_help_panel=panels.LOG),
    ] = None
    log_max_gb: Annotated[
        float | None,
        typer.Option(metavar="GB", help="Keep no more than this at once; default: 10.", rich_help_panel=panels.LOG),
    ] = None
    shadow: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Of what is kept, ask the other tier too; default: 0.", rich_help_panel=panels.LOG
        ),
    ] = None
    redact: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME", help="Function that every text passes before it is kept.", rich_help_panel=panels.LOG
        ),
    ] = None


@dataclass(frozen=True)
class PlaceOptions:
    """On which machines."""

    engine: Annotated[
        Engine, typer.Option(help="Where it runs; ray: as replicas of Ray Serve.", rich_help_panel=panels.ENGINE)
    ] = Engine.local
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ray cluster; default: RAY_ADDRESS.", rich_help_panel=panels.ENGINE),
    ] = None


@grouped
def serve(
    tiers: TierOptions,
    access: AccessOptions,
    bounds: BoundOptions,
    log: LogOptions,
    place: PlaceOptions,
    image_encoder: EncoderPlace = None,
    text_encoder: EncoderPlace = None,
    device: OnDevice = "auto",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML of these options, with _ for -; options win.")
    ] = None,
) -> None:
    """Answer OpenAI's chat completions: the router chooses the model, query by query."""
    _require_extra()
    from rsd_bench.serve.listening import listen, run
    from rsd_bench.serve.settings import read_settings

    given: dict[str, Any] = asdict(tiers) | asdict(access) | asdict(bounds) | asdict(log)
    given = {name: _plain(value) for name, value in given.items()}
    settings = read_settings(config, given)
    shown = ", ".join(f"{name} {one.model}" for name, one in settings.endpoints().items())
    make = partial(_app, image_encoder=image_encoder, text_encoder=text_encoder, device=device)
    if place.engine is Engine.ray:
        from rsd_bench.serve.on_ray import deployed, wait_for_the_end

        with deployed(settings, make, place.ray_address):
            say(f"{_url(settings.host, settings.port)}   {shown}")
            wait_for_the_end()
    else:
        app = make(settings)
        with listen(settings) as on:
            say(f"{_url(*on.getsockname()[:2])}   {shown}")
            run(app, on)
    say("stopped")


def _app(settings: Settings, image_encoder: str | None, text_encoder: str | None, device: str = "auto") -> Any:
    """The app, its routers loaded; on Ray this happens in each replica."""
    from rsd_bench.routers.pipeline import load_router
    from rsd_bench.serve.app import make_app
    from rsd_bench.serve.deciding import loaded

    places: dict[str, Any] = {"image_encoder": image_encoder, "text_encoder": text_encoder, "device": device}
    routers = [load_router(place, **places) for place in settings.router]
    return make_app(settings, [loaded(router) for router in routers])


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else str(value) if isinstance(value, Path) else value


def _require_extra() -> None:
    from importlib.util import find_spec

    for name in _EXTRA:
        if find_spec(name) is None:
            raise InputError.at(name, "is not installed", "pip install 'rsd-bench[serve]'")

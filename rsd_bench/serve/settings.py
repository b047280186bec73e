"""What a server is told: options of the command line over serve.toml over defaults.

    edge = "Qwen/Qwen2.5-VL-3B-Instruct@http://localhost:8001/v1"
    cloud = "gpt-4o-2024-08-06@https://api.openai.com/v1"
    router = ["routers/fast", "routers/careful"]
    key_env = ["OPENAI_API_KEY"]
    [ray]                            # with --engine ray: options of ray.serve.deployment
    num_replicas = 4

A key of the file is an option with `_` for `-`. No secret stands in either: keys of endpoints and of clients are named
by the environment variables that hold them.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rsd_bench.config import read_toml
from rsd_bench.endpoints.calls import Endpoint, parse_endpoint
from rsd_bench.types import InputError, Problem

_SHAPES = {tuple: "a list of texts", str: "a text", int: "a whole number", float: "a number", dict: "a table"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Seconds are seconds; shares lie in [0, 1]. `tier`: models between edge and cloud, asked by their names."""

    router: tuple[str, ...] = ()
    edge: str = ""
    cloud: str = ""
    tier: tuple[str, ...] = ()
    key_env: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8080
    scenario: str = ""
    default_tier: str = "cloud"
    edge_timeout: float = 30.0
    timeout: float = 300.0
    concurrency: int = 1024
    queue: int = 256
    api_key_env: str = ""
    fetch_images: tuple[str, ...] = ()
    prices: str = ""
    log: str = ""
    log_share: float = 1.0
    log_max_gb: float = 10.0
    shadow: float = 0.0
    redact: str = ""
    ray: dict[str, Any] = field(default_factory=dict)

    def endpoints(self) -> dict[str, Endpoint]:
        """Tiers by name, the cheapest first. InputError listing every fault."""
        named = {"edge": self.edge} | {f"tier-{n}": one for n, one in enumerate(self.tier, 2)} | {"cloud": self.cloud}
        keys = dict(_key_of(value) for value in self.key_env)
        found: dict[str, Endpoint] = {}
        problems: list[Problem] = []
        for name, value in named.items():
            option = f"--{name.partition('-')[0]}"
            if not value:
                problems.append(
                    Problem(option, "is missing", f"give {option} MODEL@URL, or {option[2:]} in serve.toml")
                )
                continue
            model = value.split("@http")[0]
            try:
                found[name] = parse_endpoint(value, {model: key} if (key := keys.get(model, keys.get(""))) else {})
            except InputError as error:
                problems += error.problems
        models = [endpoint.model for endpoint in found.values()]
        problems += [
            Problem("tiers", f"{model!r} is given twice", "name each model once")
            for model in sorted(set(models))
            if models.count(model) > 1
        ]
        problems += [
            Problem("tiers", f"{model!r} is called like a scenario", "a model's name may not begin with rsd/")
            for model in models
            if model.startswith("rsd/")
        ]
        if problems:
            raise InputError(problems)
        return found

    @property
    def api_key(self) -> str:
        """What clients must present; "" where nothing is asked of them."""
        return os.environ[self.api_key_env] if self.api_key_env else ""


def _key_of(value: str) -> tuple[str, str]:
    """[MODEL=]VARIABLE as model ("" for every one) and variable."""
    model, _, variable = value.rpartition("=")
    return model, variable


def read_settings(config: Path | None, given: Mapping[str, Any]) -> Settings:
    """Settings of a file and of options, which win where they are not None. InputError listing every fault."""
    held = read_toml(config) if config else {}
    kinds = {one.name: type(getattr(Settings(), one.name)) for one in fields(Settings)}
    problems: list[Problem] = []
    merged: dict[str, Any] = {}
    for name, value in held.items():
        kind = kinds.get(name)
        if kind is None:
            problems.append(Problem(str(config), f"key {name!r} is unknown", f"use {', '.join(kinds)}"))
            continue
        value = tuple(map(str, value)) if kind is tuple and _are_texts(value) else value
        value = float(value) if kind is float and type(value) is int else value
        if type(value) is not kind:
            shape = {
                tuple: "a list of texts",
                str: "a text",
                int: "a whole number",
                float: "a number",
                dict: "a table",
            }[kind]
            problems.append(Problem(str(config), f"{name} is {str(value)[:80]!r}", f"give {shape}"))
            continue
        merged[name] = value
    merged |= {name: value for name, value in given.items() if value is not None}
    settings = Settings(**merged)
    problems += _faults(settings)
    if problems:
        raise InputError(problems)
    return settings


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _faults(settings: Settings) -> list[Problem]:
    problems = [
        Problem(f"--{name.replace('_', '-')}", f"is {value:g}", "give seconds above 0")
        for name in ("edge_timeout", "timeout", "log_max_gb")
        if not (value := getattr(settings, name)) > 0
    ]
    problems += [
        Problem(f"--{name.replace('_', '-')}", f"is {value:g}", "give a share from 0 to 1")
        for name in ("log_share", "shadow")
        if not 0 <= (value := getattr(settings, name)) <= 1
    ]
    if settings.default_tier not in ("edge", "cloud"):
        problems.append(Problem("--default-tier", f"is {settings.default_tier!r:.80}", "use edge or cloud"))
    if not 0 <= settings.port < 1 << 16 or settings.concurrency < 1 or settings.queue < 0:
        problems.append(
            Problem("--port, --concurrency, --queue", "one is out of range", "0 to 65535, 1 or more, 0 or more")
        )
    if settings.api_key_env and not os.environ.get(settings.api_key_env):
        problems.append(Problem("--api-key-env", f"variable {settings.api_key_env} is not set", "export the key"))
    if not settings.api_key_env and not _is_loopback(settings.host):
        what = f"{settings.host} can be reached by others, and anybody could spend your money"
        problems.append(Problem("--host", what, "name with --api-key-env the variable of a key that clients must send"))
    if settings.shadow and not settings.log:
        problems.append(Problem("--shadow", "asks for answers that nothing keeps", "give --log STORE too"))
    if not settings.router:
        problems.append(Problem("--router", "is missing", "give a folder that `rsd-bench router train` wrote"))
    return problems


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

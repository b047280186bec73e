"""Constants and presets: one place for every number that a formula or a file format depends on.

Presets are data (TOML beside this file): scenarios, latency profiles, model aliases. Reading them needs no numpy.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from rsd_bench.types import InputError, Scenario

PRESETS = Path(__file__).parent / "presets"

SCORE_MAX = 10.0
SCORE_DECIMALS = 6  # of every score that enters: 6.999999999999999, which is 10 x a sum of tenths, meets MES 7
MAX_SECONDS = 1e9  # no latency is longer (31 years): sums stay finite
MES_LEVELS = tuple(range(1, 11))  # one label column per level
TAU_ALL_CLOUD = 1.01  # p never exceeds 1
TAU_GRID = (*(i / 20 for i in range(21)), TAU_ALL_CLOUD)
DROP_AT_CA = 0.8
ECE_BINS = 15
CONFIDENCE = 0.95
N_BOOT = 10_000
MIN_CELL = 20  # queries that a figure on private outcomes stands for at least
NOISE_QUERIES = 5.0  # standard deviation, in queries, of the noise on a count of private outcomes
SCORING_BUDGET = 10  # scorings on private outcomes per account
INTERVAL = "percentile and Student, scaled for few groups"  # what `metrics.bootstrap.interval` makes
PLAIN_INTERVAL = "percentile"  # how they were made before files said so
MIN_GROUPS = 2  # a single group says nothing of the spread: no interval
MIN_BAND_GROUPS = 10  # of fewer, bands split equal routers in more than 6 % of runs (benchmarks/coverage.py): one band
N_BUNDLES = 5_000  # more groups than this are resampled in as many random bundles
N_BOOT_BANDS = 2_000  # resamples that rank bands compare routers on: the first of N_BOOT
N_BOOT_FIT = 2_000  # resamples that the interval of a fitted MES is made of: its bounds are read to a tenth
MIN_RATED_GROUPS = 10  # groups with a satisfied rating, and with an unsatisfied one, below which no MES is fitted
SPLITS = ("train", "validation", "test")
SPLIT_SHARES = (0.6, 0.2, 0.2)
IN_DOMAIN = "in-domain"
EMBEDDED = "rsd-open"  # the dataset whose lite edition is in the package
DEFAULT_PROFILE = "paper-bounds"
ROUTER_LATENCY_S = 0.016  # stated of the router in arXiv 2510.27256; declared where nothing was measured
IMAGE_ENCODER, TEXT_ENCODER = "google/vit-base-patch16-224", "google-bert/bert-base-uncased"
ENCODER_BATCH = 16  # contents encoded at once
MAX_IMAGE_BYTES = 100_000_000  # a 108-megapixel photo is a JPEG of 30 to 60 MB; no endpoint takes as many
MAX_MEDIA_BYTES = 268_435_456  # of a sound or a video: ten minutes of film as phones send it
MAX_UNPACKED_BYTES = 2_147_483_648  # of a packed log; real ones have some MB
MAX_IMAGE_PIXELS = 110_000_000  # the largest common phone photo has 108.6 million: 0.43 GB decoded, 0.86 GB with alpha
LARGE_IMAGE_PIXELS = 16_000_000  # more than this are decoded one at a time
ENCODER_PIXELS = 128_000_000  # of a batch, decoded at once: 0.5 GB
MEASURED_BASES = ("measured", "reported")  # latency that somebody clocked
PROFILE_BASIS = "profile:"  # of a modelled latency, before the profile's name
NO_LATENCY_S = 1e-6  # no answer takes less: a shorter latency was not clocked, and RCS divides by the large model's
MAX_UNCLOCKED = 0.1  # share of groups whose large model may have none: a resample of such alone has chance 1e-10


def read_toml(path: Path) -> dict[str, Any]:
    """The TOML file at `path`; InputError naming file and line when it is missing or malformed."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError.at(path, f"not UTF-8: {error.reason}", "save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is no TOMLDecodeError
        raise InputError.at(path, f"not TOML: {error}", "fix the line named") from None
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read", "name a readable TOML file") from None


def load_scenarios(path: Path | None = None) -> Mapping[str, Scenario]:
    """Scenarios of a TOML file (default: the shipped presets) by name. Raises InputError naming the scenario."""
    path = path or PRESETS / "scenarios.toml"
    scenarios = {}
    for name, fields in read_toml(path).items():
        try:
            scenarios[name] = Scenario(name=name, **fields)
        except (TypeError, ValueError) as error:
            raise InputError.at(path, str(error), "give mes, alpha, beta and gamma") from None
    return MappingProxyType(scenarios)


SCENARIOS: Mapping[str, Scenario] = load_scenarios()


def scenario_named(scenario: str | Scenario) -> Scenario:
    """The Scenario itself, or the preset of that name; ValueError listing the presets for an unknown name."""
    if isinstance(scenario, Scenario):
        return scenario
    try:
        return SCENARIOS[scenario]
    except (KeyError, TypeError):
        names = ", ".join(SCENARIOS)
        raise ValueError(f"scenario: no preset {scenario!r}; choose {names} or pass a Scenario") from None


@dataclass(frozen=True)
class LatencyProfile:
    """Modelled latency: a constant per tier, or first-token time + seconds per completion token per model."""

    name: str
    kind: Literal["constant", "tokens"]
    provenance: str
    tiers: Mapping[str, float] = field(default_factory=dict)  # small, large -> seconds
    models: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # id -> first token s, s per token
    fallback: str | None = None

    @property
    def basis(self) -> str:
        return f"{PROFILE_BASIS}{self.name}"


def is_latency(seconds: float) -> bool:
    """Whether a number can be a latency: 0 to MAX_SECONDS, not NaN, not infinite. All that enter meet this."""
    return 0 <= seconds <= MAX_SECONDS


@lru_cache
def load_profile(name: str) -> LatencyProfile:
    """A shipped latency profile by name, or one from a TOML file by path. Raises InputError."""
    profile = _read_profile(name)
    if profile.fallback is not None and _read_profile(profile.fallback).kind != "constant":
        raise InputError.at(
            name, f"fallback {profile.fallback!r} is no constant profile", "name one with [small], [large]"
        )
    return profile


def _read_profile(name: str) -> LatencyProfile:
    path = Path(name) if name.endswith(".toml") else PRESETS / "latency" / f"{name}.toml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in (PRESETS / "latency").glob("*.toml")))
        raise InputError.at(name, "no such latency profile", f"use one of {shipped}, or the path of a .toml file")
    data = read_toml(path)
    kind, fix = data.get("kind"), "see rsd_bench/presets/latency"
    try:
        if kind == "constant":
            tiers = {tier: _seconds(f"[{tier}] seconds", data[tier]["seconds"]) for tier in ("small", "large")}
            return LatencyProfile(path.stem, kind, _text(data, "provenance"), tiers=tiers)
        if kind == "tokens":
            models = {
                model: (
                    _seconds(f"{model}: first_token_s", fitted["first_token_s"]),
                    _seconds(f"{model}: s_per_token", fitted["s_per_token"]),
                )
                for model, fitted in data["models"].items()
            }
            fallback = _text(data, "fallback")
            return LatencyProfile(path.stem, kind, _text(data, "provenance"), models=models, fallback=fallback)
    except KeyError as error:
        raise InputError.at(path, f"lacks {error.args[0]}", fix) from None
    except (TypeError, AttributeError) as error:
        raise InputError.at(path, f"not a latency profile: {error}", fix) from None
    except ValueError as error:
        raise InputError.at(path, str(error), f"a latency is a number of seconds from 0 to {MAX_SECONDS:g}") from None
    raise InputError.at(path, f"kind {kind!r} is unknown", 'use kind = "constant" or "tokens"')


def _seconds(what: str, value: Any) -> float:
    """A figure of a profile, checked."""
    try:
        if isinstance(value, bool) or not is_latency(seconds := float(value)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} is {str(value)[:40]}, which is no latency") from None
    return seconds


def _text(data: Mapping[str, Any], key: str) -> str:
    if not isinstance(data[key], str):
        raise TypeError(f"{key} is not a text")
    return str(data[key])


def load_aliases(path: Path | None = None) -> Mapping[str, str]:
    """Alias -> canonical model id of a models file; keys are "NAME" or "SOURCE:NAME". Raises InputError."""
    path = path or PRESETS / "models.toml"
    aliases: dict[str, str] = {}
    models = read_toml(path).get("models")
    if not isinstance(models, dict):
        raise InputError.at(path, "has no [models] table", 'write [models] and lines such as "my-model" = ["alias"]')
    for model, names in models.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError.at(path, f"aliases of {model!r} must be a list of strings", f'"{model}" = ["alias"]')
        for name in names:
            if aliases.setdefault(name, model) != model:
                raise InputError.at(path, f"alias {name!r} stands for {aliases[name]!r} and {model!r}", "keep one")
    return MappingProxyType(aliases)


def canonical_model(aliases: Mapping[str, str], source: str, name: str) -> str:
    """The canonical id of a source's model name; a name without an alias is kept."""
    return aliases.get(f"{source}:{name}") or aliases.get(name, name)

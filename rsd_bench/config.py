"""Constants and presets: one place for every number that a formula or a file format depends on.

Presets are data (TOML beside this file): scenarios, latency profiles, model aliases. Reading them needs no numpy.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from rsd_bench.types import InputError, Problem, Scenario

PRESETS = Path(__file__).parent / "presets"

SCORE_MAX = 10.0
SCORE_DECIMALS = 6  # of every score that enters: 6.999999999999999, which is 10 x a sum of tenths, meets MES 7
UNSUPPORTED = "unsupported"  # the one status beside ok that has a score, 0: the model takes no such medium
SCORED_STATUSES = ("ok", UNSUPPORTED)
MAX_SECONDS = 1e9  # no latency is longer (31 years): sums stay finite
MES_LEVELS = tuple(range(1, 11))  # one label column per level
TAU_ALL_CLOUD = 1.01  # p never exceeds 1
TAU_GRID = (*(i / 20 for i in range(21)), TAU_ALL_CLOUD)
DROP_AT_CA = 0.8
CA_POINTS = (0.5, 0.8, 0.9)  # shares on the small model at which APSP is set against random mixing
ECE_BINS = 15
CONFIDENCE = 0.95
N_BOOT = 10_000
MIN_CELL = 20  # queries that a figure on private outcomes stands for at least
NOISE_QUERIES = 5.0  # standard deviation, in queries, of the noise on a count of private outcomes
NOISE_SCENARIOS = 3  # figures that a scoring may tell at that noise; of more scenarios it grows with their root
SCORING_BUDGET = 10  # scorings on private outcomes per account
INTERVAL = "percentile and Student, scaled for few groups"  # what `metrics.bootstrap.interval` makes
PLAIN_INTERVAL = "percentile"  # how they were made before files said so
MIN_GROUPS = 2  # a single group says nothing of the spread: no interval
MAX_UNDEFINED = 0.01  # share of resamples that may lack a figure (no query of one label) without costing its interval
MIN_LINEAR_GROUPS = 200  # from here on rank figures are resampled by their influence functions: widths within 5 %
CURVE_POINTS = 256  # of fewer groups the curve itself is resampled, thinned to so many points
MIN_RANKED_GROUPS = 30  # of fewer a board shows intervals and no bands: routers a tenth of RCS apart look alike there
MIN_BAND_GROUPS = 10  # of fewer, bands split equal routers in more than 6 % of runs (benchmarks/coverage.py): one band
N_BUNDLES = 5_000  # more groups than this are resampled in as many random bundles
POWER = 0.8  # chance that routers a minimum detectable gap apart are told apart
DISAGREEMENT = 0.2  # share of queries on which two routers differ, where none are there to tell
N_BOOT_BANDS = 2_000  # resamples that rank bands compare routers on: the first of N_BOOT
STANDING_GROUPS = 10  # a question text that stands in more groups than this is a standing prompt: it joins none
TIE_DECIMALS = 12  # of RCS, to which two are compared: equal sums differ in their last bits
MAX_SCENARIOS = 50  # that a dataset is scored on
MAX_SHOWN_ROWS = 30  # of a result in a notebook, in its table and in its picture
SCENARIO_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
#: What every object of JavaScript has, in small letters: a reader of a board's JSON could not tell them from scenarios.
RESERVED_NAMES = (
    *("constructor", "hasownproperty", "isprototypeof", "propertyisenumerable"),
    *("tolocalestring", "tostring", "valueof"),
)
N_BOOT_FIT = 2_000  # resamples that the interval of a fitted MES is made of: its bounds are read to a tenth
MIN_RATED_GROUPS = 10  # groups with a satisfied rating, and with an unsatisfied one, below which no MES is fitted
SPLITS = ("train", "validation", "test")
SPLIT_SHARES = (0.6, 0.2, 0.2)
IN_DOMAIN = "in-domain"
PROTOCOLS = CROSS_FITTED, FIXED_TEST, DOMAIN_OUT = ("cross-fitted", "fixed-test", "domain-out")  # how a track tests
FOLDS = 5  # of a cross-fitted track
REPEATS = 5  # deals of the folds that a dataset has columns of
EMBEDDED = "rsd-open"  # the dataset whose lite edition is in the package
DEFAULT_PROFILE = "paper-bounds"
ROUTER_LATENCY_S = 0.016  # stated of the router in arXiv 2510.27256; declared where nothing was measured
IMAGE_ENCODER, TEXT_ENCODER = "google/vit-base-patch16-224", "google-bert/bert-base-uncased"
ENCODER_BATCH = 16  # contents encoded at once on the CPU
ENCODER_THREADS = 8  # batches at once on the CPU, each with its share of the cores: memory grows with them
ENCODER_BATCH_MAX = 512  # that an accelerator is tried with
NGRAM_VERSION = 1  # raise when one of the following, the hash or the folding of case changes
NGRAM_TOKENS = r"(?u)\b\w+\b|[^\w\s]"  # words and signs of the case-folded question
NGRAM_ORDERS = (1, 2)  # single tokens, and neighbours
NGRAM_BUCKETS = 1 << 18  # a hash of as many loses nothing (72 n-grams a question), one of 4,096 some
MAX_ROUTER_BYTES = 2_147_483_648  # of a checkpoint's weights; the largest shipped, gain-kernel, has some 100 MB
MAX_ROUTER_CONFIG_BYTES = 4_194_304
MAX_ROUTER_ARRAYS = 10_000
MAX_KNOWN_NGRAMS = 300_000  # of training queries in a checkpoint, 3 or 4 bytes each: rsd-open has 170,000
EXACT_ROWS = 20_000  # of more rows than this kernel ridge is solved without the kernel (3.2 GB at so many)
ADAPT_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # kept on the edge in a new domain, that a router may be adapted to
ADAPT_ERRORS = 1.0  # standard errors by which another threshold must earn more than the router's own
ADAPT_PRIOR_QUERIES, ADAPT_PRIOR_VARIANCE = 5, 0.25  # that labels are joined by: they earn nothing more
ONBOARD_PRIOR_QUERIES = 100  # without an error of what models solve, that outcomes of a new model are joined by
MAX_IMAGE_BYTES = 100_000_000  # a 108-megapixel photo is a JPEG of 30 to 60 MB; no endpoint takes as many
MAX_MEDIA_BYTES = 268_435_456  # of a sound or a video: ten minutes of film as phones send it
MAX_UNPACKED_BYTES = 2_147_483_648  # of a packed log; real ones have some MB
MAX_LOG_BYTES = 512 << 20  # of a log, or of one sample in an archive of them, that is parsed at once
MAX_LOG_ENTRIES = 500_000  # of an archive of samples
MAX_LOG_RATIO = 200  # what an archive of samples unpacks to, against its own size; logs reach some 30
MAX_SERVED_BODY = 32 << 20  # bytes of a request, its images in it
MAX_SERVED_IMAGES = 64  # of a request, the turns before included
MAX_SERVED_PIXELS = 50_000_000  # of an image of a request, the turns before included
MAX_ROUTED_TEXT = 100_000  # characters of a question, or of an answer of a cascade, that the router of a server reads
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


def load_scenarios(path: str | Path | None = None) -> Mapping[str, Scenario]:
    """Scenarios of a TOML file by name: a table each of mes, alpha, beta and gamma.

    path: the file; None: the shipped presets. They keep its order. Raises InputError listing every problem, each with
    the file and the scenario.
    """
    path = PRESETS / "scenarios.toml" if path is None else Path(path)
    return scenarios_of(read_toml(path).items(), path)


def as_scenarios(given: Any) -> Mapping[str, Scenario]:
    """Scenarios by name from an argument `scenarios`: a TOML file's path, a mapping of names, or Scenarios with names.

    ValueError naming the argument, or InputError (a ValueError) naming the file.
    """
    if isinstance(given, (str, Path)):
        return load_scenarios(given)
    if isinstance(given, Mapping):
        return scenarios_of(given.items(), "scenarios")
    try:
        return scenarios_of([(scenario.name, scenario) for scenario in given], "scenarios")
    except (TypeError, AttributeError):
        what = f"give a TOML file, Scenarios, or a mapping of names to them, not {str(given)[:80]!r}"
        raise ValueError(f"scenarios: {what}") from None


def scenarios_of(named: Iterable[tuple[Any, Any]], where: object) -> dict[str, Scenario]:
    """Scenarios by name from (name, table or Scenario) pairs of the file `where`. InputError listing every problem."""
    found: dict[str, Scenario] = {}
    problems: list[Problem] = []
    alike: dict[str, str] = {}

    def wrong(what: str, fix: str) -> None:
        problems.append(Problem(str(where), what, fix))

    for name, fields in (pairs := list(named)):
        shown = f"scenario {name!r:.80}"
        if not isinstance(name, str) or not SCENARIO_NAME.fullmatch(name) or name.lower() in RESERVED_NAMES:
            wrong(f"{shown} may not be called so", _name_fix(name))
        elif (twin := alike.setdefault(scenario_key(name), name)) != name or name in found:
            wrong(f"{shown} is called like {twin!r}", "give names that differ in more than case, - and _")
        try:
            found[name] = _scenario(name, fields)
        except (TypeError, ValueError) as error:
            wrong(str(error)[:500], "give mes (0 to 10), and weights alpha, beta, gamma that sum to 1")
    if not pairs:
        wrong("holds no scenario", "write [NAME] with mes, alpha, beta and gamma")
    elif len(pairs) > MAX_SCENARIOS:
        problems = [Problem(str(where), f"holds {len(pairs)} scenarios", f"give at most {MAX_SCENARIOS}")]
    if problems:
        raise InputError(problems)
    return found


def scenario_key(name: str) -> str:
    """What the names of two scenarios must differ in: more than case, - and _."""
    return name.lower().replace("-", "_")


def _name_fix(name: object) -> str:
    if name == "*":
        return "* stands for all scenarios in predictions; choose another name"
    if isinstance(name, str) and name.lower() in RESERVED_NAMES:
        return "the name is reserved; choose another"
    return "a name has up to 63 of a-z, A-Z, 0-9, . _ and -, the first a letter or digit"


def _scenario(name: Any, fields: Any) -> Scenario:
    """The scenario of a table, or a Scenario under its name; TypeError or ValueError naming the scenario."""
    if isinstance(fields, Scenario):
        return replace(fields, name=name)
    if not isinstance(fields, Mapping):
        raise TypeError(f"scenario {name!r:.80} is no table")
    unknown = [f"key {key!r:.80} is unknown" for key in fields if key not in _SCENARIO_KEYS]
    if lacking := [key for key in _SCENARIO_KEYS if key not in fields]:
        raise ValueError(f"scenario {name!r:.80} lacks {', '.join(lacking)}{''.join(f'; {of}' for of in unknown)}")
    if unknown:
        raise ValueError(f"scenario {name!r:.80}: {'; '.join(unknown)}")
    return Scenario(name=name, **fields)


_SCENARIO_KEYS = ("mes", "alpha", "beta", "gamma")
#: The shipped presets by name, read-only; each a Scenario with mes in [0, 10] and weights that sum to 1.
SCENARIOS: Mapping[str, Scenario] = MappingProxyType(dict(load_scenarios()))


def scenario_named(scenario: str | Scenario, among: Mapping[str, Scenario] = SCENARIOS) -> Scenario:
    """The Scenario itself, or the one of that name (default: of the presets); ValueError listing those there are."""
    if isinstance(scenario, Scenario):
        return scenario
    try:
        return among[scenario]
    except (KeyError, TypeError):
        what = f"no preset {scenario!r}" if among is SCENARIOS else f"no {scenario!r} here"
        raise ValueError(f"scenario: {what}; choose {', '.join(among)} or pass a Scenario") from None


@dataclass(frozen=True)
class LatencyProfile:
    """Modelled latency: a constant per tier, or first-token time + seconds per completion token per model."""

    name: str
    kind: Literal["constant", "tokens"]
    provenance: str
    tiers: Mapping[str, float] = field(default_factory=dict)  # small, large -> seconds
    models: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # id -> first token s, s per token
    fallback: LatencyProfile | None = None  # of kind tokens: a constant one

    @property
    def basis(self) -> str:
        return f"{PROFILE_BASIS}{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """What a dataset keeps of a profile that is not shipped; `profile_of` reads it."""
        head: dict[str, Any] = {"name": self.name, "kind": self.kind, "provenance": self.provenance}
        if self.fallback is None:
            return head | {tier: {"seconds": seconds} for tier, seconds in self.tiers.items()}
        models = {model: dict(zip(_FITTED, fitted, strict=True)) for model, fitted in self.models.items()}
        return head | {"models": models, "fallback": self.fallback.to_dict()}


_FITTED = ("first_token_s", "s_per_token")


def is_latency(seconds: float) -> bool:
    """Whether a number can be a latency: 0 to MAX_SECONDS, not NaN, not infinite. All that enter meet this."""
    return 0 <= seconds <= MAX_SECONDS


@lru_cache
def load_profile(name: str, beside: Path = Path()) -> LatencyProfile:
    """A shipped latency profile by name, or one of a TOML file, which may lie in `beside`. Raises InputError."""
    return profile_of(*_read_profile(name, beside))


def _read_profile(name: str, beside: Path) -> tuple[dict[str, Any], Path]:
    """The tables of a profile's file with its name, and the file."""
    path = PRESETS / "latency" / f"{name}.toml"
    if name.endswith(".toml"):
        path = beside / name if (beside / name).is_file() else Path(name)
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in (PRESETS / "latency").glob("*.toml")))
        raise InputError.at(name, "no such latency profile", f"use one of {shipped}, or the path of a .toml file")
    return read_toml(path) | {"name": path.stem}, path


def profile_of(data: Mapping[str, Any], where: Path) -> LatencyProfile:
    """The profile of a file's tables, or of what `to_dict` gave. Raises InputError naming `where`."""
    kind, fix = data.get("kind"), "see rsd_bench/presets/latency"
    try:
        if kind == "constant":
            tiers = {tier: _seconds(f"[{tier}] seconds", data[tier]["seconds"]) for tier in ("small", "large")}
            return LatencyProfile(_text(data, "name"), kind, _text(data, "provenance"), tiers=tiers)
        if kind == "tokens":
            fitted = {
                model: tuple(_seconds(f"{model}: {key}", of[key]) for key in _FITTED)
                for model, of in data["models"].items()
            }
            models = {model: (first, per_token) for model, (first, per_token) in fitted.items()}
            fallback = _fallback(data, where)
            return LatencyProfile(
                _text(data, "name"), kind, _text(data, "provenance"), models=models, fallback=fallback
            )
    except InputError:
        raise
    except KeyError as error:
        raise InputError.at(where, f"lacks {error.args[0]}", fix) from None
    except (TypeError, AttributeError) as error:
        raise InputError.at(where, f"not a latency profile: {error}", fix) from None
    except ValueError as error:
        raise InputError.at(where, str(error), f"a latency is a number of seconds from 0 to {MAX_SECONDS:g}") from None
    raise InputError.at(where, f"kind {kind!r} is unknown", 'use kind = "constant" or "tokens"')


def _fallback(data: Mapping[str, Any], where: Path) -> LatencyProfile:
    """The constant profile that a profile of tokens names, or holds."""
    held = data["fallback"]
    tables, file = (held, where) if isinstance(held, Mapping) else _read_profile(_text(data, "fallback"), where.parent)
    if tables.get("kind") != "constant":
        named = tables.get("name") if tables is held else held
        raise InputError.at(where, f"fallback {named!r} is no constant profile", "name one with [small], [large]")
    return profile_of(tables, file)


def _seconds(what: str, value: Any) -> float:
    """A figure of a profile, checked."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_latency(seconds := float(value)):
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

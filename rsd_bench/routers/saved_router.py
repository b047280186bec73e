"""A checkpoint of any router: what it learned under each scenario, which features it reads, what it was trained on.

    DIR/config.json   format, router (a name of `router list`, or FILE.py), blocks, features, encoders (kind: the folder
                      that one was found at), scenarios (name: figures and tau), trained_on, state (by scenario)
    DIR/weights.npz   arrays by scenario (see saved_state.py); of a router of words its training queries, by id
    DIR/README.md     model card
    DIR/router.py     a router of the user's own: its file; what it saved itself lies in DIR/own/
    DIR/networks/     of the reference router: a folder a scenario, as it is written under that alone (see network.py)

A router of the user's own saves itself (`save(folder)`) and becomes what it was by `load(folder)`; its file is run only
for who says that it is trusted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsd_bench.config import SPLITS, TAU_ALL_CLOUD, scenario_named, scenarios_of
from rsd_bench.features.blocks import BLOCKS, Features, FeatureSpec
from rsd_bench.folders import new_folder
from rsd_bench.inert_text import markdown_code, markdown_text
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.model_card import framed
from rsd_bench.routers.registry import CASCADES, ROUTERS, Entry, router_entry
from rsd_bench.routers.saved_state import CONFIG, WEIGHTS, State, read_arrays, read_settings, write_state
from rsd_bench.types import InputError, Scenario

if TYPE_CHECKING:
    from rsd_bench.dataset.benchmark import Benchmark
    from rsd_bench.routers.known_queries import KnownQueries

FORMAT, SCHEMA = "rsd-bench router", 1
OWN_FILE, OWN_FOLDER = "router.py", "own"
REFERENCE, NETWORKS = "reference", "networks"
_KNOWN = "known"  # what the arrays of training queries are called after
ADAPTED_TO = "adapted_to"  # in `trained_on`: what `router adapt` did (see adapt.py)
_AGAIN = "train it again: rsd-bench router train"


@dataclass(frozen=True)
class Decider:
    """A trained router under one scenario."""

    router: Any
    scenario: Scenario
    tau: float


@dataclass(frozen=True)
class SavedRouter:
    """A checkpoint as it is used: `deciders` by the name of their scenario, the first of which is the default."""

    name: str
    blocks: tuple[str, ...]
    spec: FeatureSpec
    deciders: Mapping[str, Decider]
    encoders: Mapping[str, str] = field(default_factory=dict)
    trained_on: Mapping[str, Any] = field(default_factory=dict)
    known: KnownQueries | None = None

    def predict_p_edge(self, features: Features, scenario: str) -> FloatArray:
        """P(edge competent), shape (n,). InputError where the features are of another spec."""
        if difference := self.spec.difference(features.spec, self.blocks):
            fix = "encode with the encoders this router was trained on"
            raise InputError.at("features", f"do not fit this router: {difference}", fix)
        p: FloatArray = self.deciders[scenario].router.predict_p_edge(features)
        return p


def train_router(
    out: Path,
    entry: Entry,
    benchmark: Benchmark,
    features: Features,
    *,
    scenario: str | None,
    track: str,
    seed: int = 0,
    encoders: Mapping[str, str] | None = None,
) -> SavedRouter:
    """Train under one scenario (None: under each) and write the checkpoint folder `out` whole or not at all.

    encoders: kind -> the folder that the features' encoder was found at. InputError for an unknown track or scenario.
    """
    from rsd_bench.routers.track_training import training_data  # pandas: not wanted to load a router

    require_track(benchmark, track)
    named = benchmark.scenarios
    wanted = list(named.values()) if scenario is None else [scenario_named(scenario, named)]
    deciders: dict[str, Decider] = {}
    router: Any = None
    for one in wanted:
        train, validation = (training_data(benchmark, features, track, split, one) for split in SPLITS[:2])
        if deciders and hasattr(router, "under"):
            router = router.under(one)  # what it learned serves any scenario
        else:
            router = entry.make(seed)
            if entry.own:
                router.require("save", "load")  # before it learns for hours
            router.fit(train, validation)
        deciders[one.name] = Decider(router, one, router.threshold(validation))
    known = router.known_queries(train, validation) if hasattr(router, "known_queries") else None
    trained_on = notes_of(benchmark, track) | {"seed": seed}
    saved = SavedRouter(entry.name, entry.blocks, features.spec, deciders, encoders or {}, trained_on, known)
    with new_folder(out, may_replace=is_checkpoint) as folder:
        write_router(folder, saved, entry)
    return saved


def require_track(benchmark: Benchmark, track: str) -> None:
    """InputError for an unknown one."""
    if track not in benchmark.tracks:
        raise InputError.at(track, "is no track", f"use {', '.join(benchmark.tracks)}")


def notes_of(benchmark: Benchmark, track: str) -> dict[str, Any]:
    """What a checkpoint says that it was trained on."""
    manifest = benchmark.manifest
    return {
        "dataset": f"{manifest.name} {manifest.version}",
        "manifests": list(benchmark.accepted_manifests),
        "pair": asdict(manifest.pair),
        "track": track,
        **{f"{split}_queries": len(benchmark.rows(track, split)) for split in SPLITS[:2]},
    }


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder is a checkpoint of any router, which the next one may replace."""
    try:
        return is_saved(read_settings(folder / CONFIG)) or (folder / "training.json").is_file()
    except (OSError, ValueError):
        return False


def is_saved(settings: Mapping[str, Any]) -> bool:
    """Whether a config.json is of this format."""
    return settings.get("format") == FORMAT


def write_router(folder: Path, saved: SavedRouter, entry: Entry) -> None:
    """Write a checkpoint into an empty folder."""
    itself = entry.own or saved.name == REFERENCE  # what it learned is written as files beside these
    states = {} if itself else {name: of.router.state() for name, of in saved.deciders.items()}
    config = {
        "format": FORMAT,
        "schema_version": SCHEMA,
        "router": saved.name,
        "blocks": list(saved.blocks),
        "features": saved.spec.to_dict(),
        "encoders": dict(saved.encoders),
        "scenarios": {name: {**of.scenario.figures, "tau": of.tau} for name, of in saved.deciders.items()},
        "trained_on": dict(saved.trained_on),
        "state": {name: state.settings for name, state in states.items()},
    }
    arrays = {
        f"{i}.{key}": array for i, state in enumerate(states.values()) for key, array in state.arrays.items()
    }  # a name of a scenario may hold a point
    if saved.known is not None:
        arrays |= {f"{_KNOWN}.{key}": array for key, array in saved.known.state().arrays.items()}
    write_state(folder, State(config, arrays))
    (folder / "README.md").write_text(_card(saved, entry), "utf-8", newline="\n")
    if entry.path:
        shutil.copyfile(entry.path, folder / OWN_FILE)
        for i, decider in enumerate(saved.deciders.values()):
            (own := folder / OWN_FOLDER / str(i)).mkdir(parents=True)
            decider.router.save(own)


def read_saved(folder: Path, trust: bool = False) -> SavedRouter:
    """The checkpoint of a folder. InputError naming the file that is missing, damaged, or made by nobody's `train`.

    trust: run the file of a router of the user's own.
    """
    where = folder / CONFIG
    try:
        config = read_settings(where)
        if not is_saved(config) or config.get("schema_version") != SCHEMA:
            raise ValueError(f"is of schema {config.get('schema_version')!s:.20}; this package reads {SCHEMA}")
        spec = FeatureSpec.from_dict(_mapping(config, "features"))
        told = {name: dict(_mapping(config["scenarios"], name)) for name in _mapping(config, "scenarios")}
        taus = {name: _tau(figures.pop("tau")) for name, figures in told.items()}
        scenarios = scenarios_of(told.items(), where)
        encoders, trained_on, states = (_mapping(config, key) for key in ("encoders", "trained_on", "state"))
        if not all(isinstance(path, str) for path in encoders.values()):
            raise ValueError("names an encoder by something that is no path")
        manifests = trained_on.get("manifests")
        if not isinstance(manifests, list) or not all(isinstance(sha, str) for sha in manifests):
            raise ValueError("says not what it was trained on")
        entry = _entry(config, folder, trust)
        where = folder / WEIGHTS
        arrays = read_arrays(where)
        deciders = {}
        for i, (name, scenario) in enumerate(scenarios.items()):
            router: Any = None
            if entry.name == REFERENCE:
                router = _network(folder / NETWORKS / name, spec, entry.blocks, scenario)
            else:
                router = entry.make(0)
                if entry.own:
                    router.load(folder / OWN_FOLDER / str(i))
                else:
                    router.restore(State({str(i): states[name]}, arrays).part(str(i)))
            deciders[name] = Decider(router, scenario, taus[name])
        known = _known(arrays, deciders)
    except InputError:
        raise
    except OSError as error:
        raise InputError.at(where, error.strerror or "cannot be read", _AGAIN) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, MemoryError, OverflowError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError.at(where, f"cannot be loaded: {reason[:300]}", _AGAIN) from None
    return SavedRouter(entry.name, entry.blocks, spec, deciders, encoders, trained_on, known)


def _known(arrays: Mapping[str, Any], deciders: Mapping[str, Decider]) -> KnownQueries | None:
    """The queries that a router of words knows, weighed as under its first scenario: n-grams are those of all."""
    router = next(iter(deciders.values())).router
    state = State({_KNOWN: {}}, arrays).part(_KNOWN)
    if not state.arrays or not hasattr(router, "words_known"):
        return None
    from rsd_bench.routers.known_queries import KnownQueries  # scipy is wanted only here

    return KnownQueries.of_state(state, router.words_known)


def published_config(folder: Path) -> bytes:
    """config.json for others: without the folders that encoders were found at here."""
    config = read_settings(folder / CONFIG) | {"encoders": {}}
    return (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode()


def _network(folder: Path, spec: FeatureSpec, blocks: tuple[str, ...], scenario: Scenario) -> Any:
    """The reference router of one scenario. InputError where it is not there, or is another."""
    if not folder.is_dir():
        raise InputError.at(folder, "is missing", _AGAIN)
    from rsd_bench.routers.network import ReferenceRouter  # torch is wanted only here

    router = ReferenceRouter.from_pretrained(folder)
    if (router.spec, router.blocks, router.scenario) != (spec, blocks, asdict(scenario)):
        raise InputError.at(folder, "is of other features or another scenario than its checkpoint says", _AGAIN)
    return router


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    if not isinstance(found, Mapping):
        raise ValueError(f"says no {key}")
    return found


def _tau(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= TAU_ALL_CLOUD:
        raise ValueError(f"tau is {value!r:.40}")
    return float(value)


def _entry(config: Mapping[str, Any], folder: Path, trust: bool) -> Entry:
    name = config.get("router")
    if isinstance(name, str) and name.endswith(".py"):
        if not trust:
            fix = f"read {OWN_FILE}; where you trust it: load_router(..., trust=True), or --trust"
            raise InputError.at(folder / OWN_FILE, "is code, which loading this router would run", fix)
        return router_entry(str(folder / OWN_FILE))
    known = {**ROUTERS, **CASCADES}
    if name not in known:
        raise ValueError(f"router {name!r:.60} is none of this package")
    entry, blocks = known[str(name)], config.get("blocks")
    if name == REFERENCE and blocks in [list(some) for n in (1, 2, 3) for some in combinations(BLOCKS, n)]:
        return replace(entry, blocks=tuple(blocks))  # it may have been trained without some
    if blocks != list(entry.blocks):
        raise ValueError(f"blocks are not those of {name}")
    return entry


def adapted_sentence(adapted: Mapping[str, Any]) -> str:
    """What a card says of a router whose thresholds were adapted."""
    dataset, queries = markdown_text(str(adapted["dataset"])), f"{adapted['labelled']} of {adapted['queries']} queries"
    return f"Its thresholds were adapted to {dataset}, by the outcomes of {queries} (`rsd-bench router adapt`)."


def _card(saved: SavedRouter, entry: Entry) -> str:
    """README.md."""
    pair = saved.trained_on["pair"]
    small, large, dataset = (markdown_text(str(x)) for x in (pair["small"], pair["large"], saved.trained_on["dataset"]))
    rows = (f"| {markdown_code(name)} | {of.scenario.described} | {of.tau:g} |" for name, of in saved.deciders.items())
    reads = ", ".join(saved.blocks) or "nothing of the query"
    about = f"""\
Which of two models answers a query: `{saved.name}` of rsd_bench, trained on {dataset}, track
{markdown_text(str(saved.trained_on["track"]))} ({saved.trained_on["train_queries"]} training,
{saved.trained_on["validation_queries"]} validation queries). It reads: {reads}."""
    if saved.known is not None:
        about += (
            "\nTo say which training queries a question is like, it holds their ids and hashed n-grams, and no text."
        )
    if isinstance(before := saved.trained_on.get("onboarded_from"), Mapping):
        about += f" What it knew before is of {markdown_text(str(before.get('dataset')))}, another pair of models."
    if isinstance(adapted := saved.trained_on.get(ADAPTED_TO), Mapping):
        about += f"\n\n{adapted_sentence(adapted)}"
    table = "\n".join(["| scenario | asks | tau |", "|---|---|---:|", *rows])
    return framed(f"{markdown_text(entry.title)}: {small} or {large}", about, table)

"""Whose decisions are perturbed: a checkpoint, or a router by name that is trained for each fold of all queries.

A checkpoint decides the test queries of the track that it was trained on. Where that track is cross-fitted it has
learned from all of them, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.config import FOLDS, IN_DOMAIN
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.open import is_hub_id
from rsd_bench.dataset.splits import fold_of, turns
from rsd_bench.features.blocks import NGRAMS, Features
from rsd_bench.features.feature_table import read_features
from rsd_bench.features.perturb import IMAGE_KINDS, QUESTION_KINDS
from rsd_bench.features.vector_cache import encoder_folders
from rsd_bench.metrics.arrays import IntArray
from rsd_bench.routers.pipeline import RouterPipeline, deciders_of, open_checkpoint, pipeline_of
from rsd_bench.routers.registry import Entry, router_entry
from rsd_bench.routers.saved_router import Decider, SavedRouter
from rsd_bench.studies.cross_validation import every_query
from rsd_bench.types import InputError, Scenario


@dataclass(frozen=True)
class Subject:
    """A router to be perturbed: one or more trained ones that each decide some rows, and how their features are made.

    trained: (router, positions in Benchmark.queries). track: of whose models. note: what is to be known of these rows.
    """

    name: str
    pipeline: RouterPipeline
    trained: tuple[tuple[Any, IntArray], ...]
    scenarios: Mapping[str, Scenario]
    track: str
    note: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of perturbation that it can see."""
        blocks = set(self.pipeline.blocks)
        of_image = IMAGE_KINDS if blocks & {"image", "statistics"} else ()
        return (*of_image, *(QUESTION_KINDS if blocks & {"text", NGRAMS, "statistics"} else ()))


def subject_of(router: str, benchmark: Benchmark, store: Path | None, trust: bool = False, **encoders: Any) -> Subject:
    """A checkpoint (a folder or Hub id), else a router by name or of a file. InputError.

    store: features that a router by name is trained on; default: the dataset's own. encoders: as `load_router`.
    """
    if Path(router).is_dir() or (is_hub_id(router) and not router.endswith(".py")):
        return checkpoint_subject(router, benchmark, trust, **encoders)
    entry, features = router_entry(router), read_features(benchmark, store)
    found_at = encoder_folders(store or benchmark.folder, features.spec.encoders)
    return cross_validated(entry, benchmark, features, found_at, **encoders)


def checkpoint_subject(place: str, benchmark: Benchmark, trust: bool, **encoders: Any) -> Subject:
    """A checkpoint, on queries that it has not learned from where there are any. InputError."""
    router = open_checkpoint(place, trust)
    deciders = deciders_of(router)
    if any(getattr(of.router, "tiers", 2) > 2 for of in deciders.values()):
        raise InputError.at(place, "chooses among more than two models", "name a router of two")
    track = router.trained_on.get("track")
    own = not set(router.trained_on.get("manifests", ())).isdisjoint(benchmark.accepted_manifests)
    if not own:
        track, note = IN_DOMAIN, "was trained on another dataset"
    elif track not in benchmark.tracks or benchmark.track(track).count > 2:
        raise InputError.at(place, f"was trained on track {track!r}, which has no pair here", "train it again")
    elif benchmark.track(track).cross_fitted:
        note = f"was trained on all queries of {track}, these among them"
    else:
        note = f"decides the test queries of {track}"
    scenarios = {name: of.scenario for name, of in deciders.items()}
    name, trained = Path(place).name, ((router, benchmark.rows(track, "test")),)
    return Subject(name, pipeline_of(router, **encoders), trained, scenarios, track, f"`{name}` {note}.")


def cross_validated(
    entry: Entry, benchmark: Benchmark, features: Features, found_at: Mapping[str, str], **encoders: Any
) -> Subject:
    """A router by name, trained under every scenario for each fold of all queries."""
    data = {name: every_query(benchmark, features, scenario) for name, scenario in benchmark.scenarios.items()}
    groups = next(iter(data.values())).groups.tolist()
    trained = []
    for train, validation, test in turns(fold_of(groups, FOLDS, 0)):
        deciders = {}
        for name, of in data.items():
            held_out = of.take(validation)
            router = entry.make(0).fit(of.take(train), held_out)
            deciders[name] = Decider(router, of.scenario, router.threshold(held_out))
        saved = SavedRouter(entry.name, entry.blocks, features.spec, deciders, found_at)
        trained.append((saved, test))
    pipeline = pipeline_of(trained[0][0], **encoders)
    note = f"`{entry.name}` is cross-validated: no router decides a group that it has learned from."
    return Subject(entry.name, pipeline, tuple(trained), benchmark.scenarios, IN_DOMAIN, note)

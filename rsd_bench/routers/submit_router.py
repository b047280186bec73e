"""Turn routers into submissions: a registered one trained on every track, or checkpoints that were trained before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.pipeline import deciders_of, open_checkpoint, p_of
from rsd_bench.routers.registry import Entry
from rsd_bench.routers.track_training import TrainedPredictions, train_and_predict
from rsd_bench.submission.canonical_form import prediction_rows
from rsd_bench.submission.new_submission import new_submission
from rsd_bench.submission.submission import CASCADE, Declaration, Threshold
from rsd_bench.submission.thresholds import as_written, by_query
from rsd_bench.types import InputError

_DECIMALS = 6  # of a published probability: hides the last bits, in which machines differ


def submit_trained(
    folder: Path,
    entry: Entry,
    benchmark: Benchmark,
    features: Features,
    declared: Declaration | None = None,
    *,
    seed: int = 0,
    tracks: Sequence[str] | None = None,
    repeats: int | None = None,
) -> Path:
    """Train a router on tracks and scenarios and write its submission to `folder` (its name: the slug).

    tracks, repeats: as for `train_and_predict`.

    Where `declared` leaves name or authors out, they are those of a router of the package; a router of the user's own
    is nobody's until stated.
    """
    declared = declared or Declaration()
    trained = train_and_predict(benchmark, features, entry.make, seed, tracks, repeats)
    origin = "" if entry.own else " of rsd_bench"
    whole = replace(
        declared,
        name=declared.name or entry.title,
        authors=declared.authors or (("not stated",) if entry.own else ("rsd_bench",)),
        description=f"`{entry.name}`{origin}, seed {seed}, on {features.spec.described}",
        kind=CASCADE if entry.cascade else declared.kind,
    )
    return _written(folder, trained, benchmark, whole)


def submit_checkpoints(
    folder: Path,
    checkpoints: Sequence[Path],
    benchmark: Benchmark,
    features: Features,
    declared: Declaration,
    *,
    trust: bool = False,
) -> Path:
    """Predict the test part of the track of each checkpoint and write one submission.

    InputError where two checkpoints answer the same track and scenario, a track lacks a scenario, a checkpoint was
    trained on another dataset, or its track is cross-fitted: one router cannot decide queries that it learned from.
    """
    said: dict[tuple[str, str], TrainedPredictions] = {}
    seen: dict[tuple[str, str], Path] = {}
    for path in checkpoints:
        router = open_checkpoint(path, trust)
        track = router.trained_on.get("track")
        manifests = set(router.trained_on.get("manifests", ()))
        if manifests.isdisjoint(benchmark.accepted_manifests):
            what = (
                f"was trained on another dataset ({', '.join(sha[:12] for sha in sorted(manifests)) or 'not stated'})"
            )
            raise InputError.at(path, what, "its test queries may be training queries there; train it on this dataset")
        if track not in benchmark.tracks:
            raise InputError.at(path, f"was trained on track {track!r}, which this dataset lacks", "train it again")
        if benchmark.track(track).cross_fitted:
            what = f"was trained on {track!r}, which is cross-fitted: a router for each fold decides it"
            raise InputError.at(path, what, "train them: rsd-bench router submit NAME")
        rows = benchmark.rows(track, "test")
        for scenario, decider in deciders_of(router).items():
            if scenario not in benchmark.scenarios:
                known = ", ".join(benchmark.scenarios)
                fix = f"train it for {known}, or give the file that it was trained with: --scenarios"
                raise InputError.at(path, f"was trained for {scenario!r}, which is none of the scenarios", fix)
            if benchmark.scenarios[scenario] != decider.scenario:
                what = f"was trained for a scenario {scenario!r} of other figures"
                raise InputError.at(path, what, "train it again")
            if (track, scenario) in seen:
                where = f"{path} and {seen[track, scenario]}"
                raise InputError.at(where, f"both answer {track}, {scenario}", "name one of them")
            seen[track, scenario] = path
            p = p_of(router, features.take(rows), scenario)
            said[track, scenario] = TrainedPredictions((0,), p[None, :, None], np.full((1, 1, 1), decider.tau))
    return _written(folder, said, benchmark, declared)


def _written(
    folder: Path, said: Mapping[tuple[str, str], TrainedPredictions], benchmark: Benchmark, declared: Declaration
) -> Path:
    tau: dict[str, dict[str, Threshold]] = {}
    for (track, scenario), trained in said.items():
        tau.setdefault(scenario, {})[track] = as_written(trained.thresholds)
    entries = {key: (trained.repeats, _rounded(trained, benchmark, key[0])) for key, trained in said.items()}
    return new_submission(folder, prediction_rows(benchmark, entries), benchmark, replace(declared, tau=tau))


def _rounded(trained: TrainedPredictions, benchmark: Benchmark, track: str) -> FloatArray:
    """The probabilities, rounded where that leaves the decision as the router made it."""
    tau = by_query(trained.thresholds, benchmark, track, trained.repeats)
    rounded = np.round(trained.p, _DECIMALS)
    return np.where((rounded >= tau) == (trained.p >= tau), rounded, trained.p)

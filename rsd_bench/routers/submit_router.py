"""Turn routers into submissions: a registered one trained on every track, or checkpoints that were trained before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.registry import Entry
from rsd_bench.routers.track_training import TrainedPredictions, train_and_predict
from rsd_bench.submission.new_submission import new_submission
from rsd_bench.submission.submission import ALL_SCENARIOS, COLUMNS, Declaration, tau_of
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
) -> Path:
    """Train a router on tracks and scenarios and write its submission to `folder` (its name: the slug).

    Where `declared` leaves name or authors out, they are those of a router of the package; a router of the user's own
    is nobody's until stated.
    """
    declared = declared or Declaration()
    trained = train_and_predict(benchmark, features, entry.make, seed, tracks and list(dict.fromkeys(tracks)))
    origin = "" if entry.own else " of rsd_bench"
    whole = replace(
        declared,
        tau=trained.tau,
        name=declared.name or entry.title,
        authors=declared.authors or (("not stated",) if entry.own else ("rsd_bench",)),
        description=f"`{entry.name}`{origin}, seed {seed}, on {features.spec.described}",
    )
    return new_submission(folder, _rounded(trained), benchmark, whole)


def submit_checkpoints(
    folder: Path,
    checkpoints: Sequence[Path],
    benchmark: Benchmark,
    features: Features,
    declared: Declaration,
) -> Path:
    """Predict the test part of the track of each checkpoint and write one submission.

    InputError where two checkpoints answer the same track and scenario, a track lacks a scenario, or a checkpoint was
    trained on another dataset.
    """
    from rsd_bench.routers.network import ReferenceRouter  # torch is wanted only here

    tau: dict[str, dict[str, float]] = {}
    tables: list[pd.DataFrame] = []
    seen: dict[tuple[str, str], Path] = {}
    for path in checkpoints:
        router = ReferenceRouter.from_pretrained(path)
        track, scenario = router.trained_on.get("track"), router.scenario["name"]
        known = set(router.trained_on.get("manifests", ()))
        if known.isdisjoint(benchmark.accepted_manifests):
            what = f"was trained on another dataset ({', '.join(sha[:12] for sha in sorted(known)) or 'not stated'})"
            raise InputError.at(path, what, "its test queries may be training queries there; train it on this dataset")
        if track not in benchmark.tracks:
            raise InputError.at(path, f"was trained on track {track!r}, which this dataset lacks", "train it again")
        if scenario not in benchmark.scenarios:
            fix = (
                f"train it for {', '.join(benchmark.scenarios)}, or give the file that it was trained with: --scenarios"
            )
            raise InputError.at(path, f"was trained for {scenario!r}, which is none of the scenarios", fix)
        if asdict(benchmark.scenarios[scenario]) != router.scenario:
            raise InputError.at(path, f"was trained for a scenario {scenario!r} of other figures", "train it again")
        if (track, scenario) in seen:
            where = f"{path} and {seen[track, scenario]}"
            raise InputError.at(where, f"both answer {track}, {scenario}", "name one of them")
        seen[track, scenario] = path
        tau.setdefault(scenario, {})[track] = router.tau
        part = benchmark.part(track, "test")
        rows = (track, part.query_ids, scenario, router.predict_p_edge(features.take(part.rows)))
        tables.append(pd.DataFrame(dict(zip(COLUMNS, rows, strict=True))))
    trained = TrainedPredictions(pd.concat(tables, ignore_index=True), tau)
    return new_submission(folder, _rounded(trained), benchmark, replace(declared, tau=tau))


def _rounded(trained: TrainedPredictions) -> pd.DataFrame:
    """The predictions, probabilities rounded where that leaves the decision as the router made it."""
    exact = trained.predictions["p_edge"].to_numpy(np.float64)
    rounded = np.round(exact, _DECIMALS)
    for (track, scenario), rows in trained.predictions.reset_index(drop=True).groupby(["track", "scenario"]):
        at = rows.index.to_numpy()
        for name in trained.tau if scenario == ALL_SCENARIOS else (scenario,):
            tau = tau_of(trained.tau, str(track), str(name))
            flipped = at[(rounded[at] >= tau) != (exact[at] >= tau)]
            rounded[flipped] = exact[flipped]
    return trained.predictions.assign(p_edge=rounded)

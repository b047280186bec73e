"""Onboard a model: from a router of other models and few outcomes of the new one to a router for it.

What makes a query hard for one model makes it hard for others: a router of words carries that over, and outcomes of the
new model say what is different about it (`NgramGain.onboarded`). What it is worth: `studies/new_models.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.blocks import Features
from rsd_bench.folders import new_folder
from rsd_bench.routers.pipeline import open_checkpoint
from rsd_bench.routers.registry import router_entry
from rsd_bench.routers.saved_router import Decider, SavedRouter, is_checkpoint, write_router
from rsd_bench.types import InputError


@dataclass(frozen=True)
class Onboarded:
    """What `onboard_router` did: for which models, from how many queries of which track; tau by scenario."""

    dataset: str
    track: str
    models: tuple[str, ...]
    queries: int
    tau: dict[str, float]


def onboard_router(checkpoint: Path, out: Path, benchmark: Benchmark, features: Features, *, track: str) -> Onboarded:
    """Write a checkpoint for the models of a track, learned from all its outcomes, whole or not at all.

    InputError for an unknown track, and where the router does not say what models solve, or of another number of them.
    """
    from rsd_bench.routers.track_training import data_at  # pandas: not wanted to load a router

    if track not in benchmark.tracks:
        raise InputError.at(track, "is no track", f"use {', '.join(benchmark.tracks)}")
    saved = open_checkpoint(checkpoint)
    if not isinstance(saved, SavedRouter) or not all(hasattr(of.router, "onboarded") for of in saved.deciders.values()):
        fix = "onboard one of words: rsd-bench router train ngram-gain"
        raise InputError.at(checkpoint, "does not say what each model solves", fix)
    rows = np.union1d(benchmark.rows(track, "train"), benchmark.rows(track, "validation"))
    deciders = {}
    for name, of in saved.deciders.items():
        saved.predict_p_edge(features.take(rows[:1]), name)  # says where features are of another kind
        data = data_at(benchmark, features, track, rows, of.scenario)
        try:
            made: Any = of.router.onboarded(data)
        except ValueError as error:
            raise InputError.at(checkpoint, str(error), "name a track of as many models") from None
        deciders[name] = Decider(made, of.scenario, made.threshold())
    manifest, tiers = benchmark.manifest, benchmark.track(track).tiers
    pair = asdict(manifest.pair) if not tiers else {"small": tiers[0], "large": tiers[-1]}
    models = tiers or tuple(pair.values())
    taus = {name: of.tau for name, of in deciders.items()}
    told = Onboarded(f"{manifest.name} {manifest.version}", track, models, len(rows), taus)
    before = {key: saved.trained_on.get(key) for key in ("pair", "dataset")}
    trained_on: dict[str, Any] = {
        "dataset": told.dataset,
        "manifests": [],  # no submission: it may have seen whatever would test it
        "pair": pair,
        "track": track,
        "train_queries": len(rows),
        "validation_queries": 0,
        "onboarded_from": before,
    }
    with new_folder(out, may_replace=is_checkpoint) as folder:
        write_router(folder, replace(saved, deciders=deciders, trained_on=trained_on), router_entry(saved.name))
    return told

"""Train the reference router on a track into a checkpoint folder, under one scenario or under each.

DIR/model.safetensors, config.json, README.md, training.json, training.svg      under one scenario
DIR/networks/NAME/    such a folder a scenario, beside the files of saved_router.py, under each
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsd_bench.config import SPLITS, scenario_named
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.devices import find_device
from rsd_bench.features.feature_table import Features
from rsd_bench.folders import new_folder
from rsd_bench.routers.model_card import model_card
from rsd_bench.routers.reference_training import Settings, Trained, train_reference
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.saved_router import (
    NETWORKS,
    REFERENCE,
    Decider,
    SavedRouter,
    is_checkpoint,
    notes_of,
    require_track,
    write_router,
)
from rsd_bench.routers.track_training import training_data
from rsd_bench.routers.training_report import PICTURE, REPORT, TrainingReport, draw_training, report_of
from rsd_bench.types import Scenario

WEIGHTS = "model.safetensors"


def train_checkpoint(
    out: Path,
    benchmark: Benchmark,
    features: Features,
    *,
    scenario: str | None,
    track: str,
    settings: Settings,
    encoders: Mapping[str, str] | None = None,
    device: str = "auto",
    progress: bool = True,
) -> TrainingReport:
    """Train, write folder `out` whole or not at all, and return the training report. scenario None: the first.

    encoders: kind -> the folder that the features' encoder was found at. InputError for an unknown track or scenario,
    and where `out` holds something else.
    """
    require_track(benchmark, track)
    asked = (
        next(iter(benchmark.scenarios.values())) if scenario is None else scenario_named(scenario, benchmark.scenarios)
    )
    with new_folder(out, may_replace=is_checkpoint) as folder:
        return _trained_into(folder, benchmark, features, asked, track, settings, encoders, device, progress)[1]


def train_for_all(
    out: Path,
    benchmark: Benchmark,
    features: Features,
    *,
    track: str,
    settings: Settings,
    encoders: Mapping[str, str] | None = None,
    device: str = "auto",
    progress: bool = True,
) -> tuple[SavedRouter, dict[str, TrainingReport]]:
    """Train a network under each scenario into one checkpoint, and return it with a report by scenario.

    Arguments and errors as `train_checkpoint`.
    """
    require_track(benchmark, track)
    entry = replace(ROUTERS[REFERENCE], blocks=settings.blocks)
    deciders: dict[str, Decider] = {}
    reports: dict[str, TrainingReport] = {}
    with new_folder(out, may_replace=is_checkpoint) as folder:
        for name, scenario in benchmark.scenarios.items():
            (place := folder / NETWORKS / name).mkdir(parents=True)
            trained, reports[name] = _trained_into(
                place, benchmark, features, scenario, track, settings, None, device, progress
            )
            deciders[name] = Decider(trained.router, scenario, trained.router.tau)
        notes = notes_of(benchmark, track) | {"seed": settings.seed}
        saved = SavedRouter(REFERENCE, entry.blocks, features.spec, deciders, encoders or {}, notes)
        write_router(folder, saved, entry)
    return saved, reports


def _trained_into(
    folder: Path,
    benchmark: Benchmark,
    features: Features,
    scenario: Scenario,
    track: str,
    settings: Settings,
    encoders: Mapping[str, str] | None,
    device: str,
    progress: bool,
) -> tuple[Trained, TrainingReport]:
    """Train under one scenario and write what there is to keep into an empty folder."""
    train, validation = (training_data(benchmark, features, track, split, scenario) for split in SPLITS[:2])
    place = find_device(device)
    notes = notes_of(benchmark, track) | ({"device": place.described} if place.ahead else {})
    options: dict[str, Any] = {"encoders": encoders, "device": place.name, "progress": progress}
    trained = train_reference(train, validation, settings, trained_on=notes, **options)
    report = report_of(trained, validation)
    trained.router.save_pretrained(folder)
    (folder / WEIGHTS).chmod(0o644)  # safetensors writes for the owner alone
    (folder / "README.md").write_text(model_card(trained.router, report), "utf-8", newline="\n")
    (folder / REPORT).write_text(json.dumps(report.to_dict(), indent=1) + "\n", "utf-8", newline="\n")
    draw_training(folder / PICTURE, trained, validation)
    return trained, report

"""Train the reference router on one track and scenario into a checkpoint folder: weights, config, report, picture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rsd_bench.config import SPLITS, scenario_named
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.devices import find_device
from rsd_bench.features.feature_table import Features
from rsd_bench.folders import new_folder
from rsd_bench.routers.model_card import model_card
from rsd_bench.routers.reference_training import Settings, train_reference
from rsd_bench.routers.track_training import training_data
from rsd_bench.routers.training_report import PICTURE, REPORT, TrainingReport, draw_training, report_of
from rsd_bench.types import InputError

WEIGHTS = "model.safetensors"


def train_checkpoint(
    out: Path,
    benchmark: Benchmark,
    features: Features,
    *,
    scenario: str | None,
    track: str,
    settings: Settings,
    device: str = "auto",
    progress: bool = True,
) -> TrainingReport:
    """Train, write folder `out` whole or not at all, and return the training report. scenario None: the first.

    InputError for an unknown track or scenario, and where `out` holds something else.
    """
    if track not in benchmark.tracks:
        raise InputError.at(track, "is no track", f"use {', '.join(benchmark.tracks)}")
    asked = (
        next(iter(benchmark.scenarios.values())) if scenario is None else scenario_named(scenario, benchmark.scenarios)
    )
    train, validation = (training_data(benchmark, features, track, split, asked) for split in SPLITS[:2])
    manifest, place = benchmark.manifest, find_device(device)
    trained_on = {
        "dataset": f"{manifest.name} {manifest.version}",
        "manifests": list(benchmark.accepted_manifests),
        "pair": asdict(manifest.pair),
        "track": track,
        "train_queries": len(train),
        "validation_queries": len(validation),
        **({"device": place.described} if place.ahead else {}),
    }
    with new_folder(out, may_replace=lambda old: (old / REPORT).is_file()) as folder:
        trained = train_reference(
            train, validation, settings, trained_on=trained_on, device=place.name, progress=progress
        )
        report = report_of(trained, validation)
        trained.router.save_pretrained(folder)
        (folder / WEIGHTS).chmod(0o644)  # safetensors writes for the owner alone
        (folder / "README.md").write_text(model_card(trained.router, report), "utf-8", newline="\n")
        (folder / REPORT).write_text(json.dumps(report.to_dict(), indent=1) + "\n", "utf-8", newline="\n")
        draw_training(folder / PICTURE, trained, validation)
    return report

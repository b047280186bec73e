"""The recipe of other modalities: questions about sounds and videos that nobody may publish."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, Records, call_cli

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.check_dataset import check_dataset

DOMAINS = {
    "audiobench": ("audio", ["audio_sound", "audio_music", "audio_mixed", "audio_speech"]),
    "tempcompass": (
        "video",
        ["video_action", "video_direction", "video_speed", "video_attribute_change", "video_order"],
    ),
}


def built(store: Path, out: Path) -> Path:
    build_dataset(read_recipe(ROOT / "recipes" / "rsd-av.toml"), store, out)
    assert check_dataset(out) == []
    rows = pd.concat(pd.read_parquet(path) for path in (out / "pairs").iterdir())
    assert rows["image"].isna().all() and rows["question"].notna().all()
    assert rows.groupby("source")["modality"].agg(set).to_dict() == {"audiobench": {"audio"}, "tempcompass": {"video"}}
    benchmark = open_benchmark(out)
    assert set(benchmark.part("about-videos", "test").queries["source"]) == {"tempcompass"}
    assert benchmark.manifest.pair_of("tempcompass").large == "gemini"
    return out


def test_it_is_built_from_small_stand_ins(tmp_path: Path) -> None:
    recipe, folders = read_recipe(ROOT / "recipes" / "rsd-av.toml"), []
    for source, (modality, domains) in DOMAINS.items():
        pair = recipe.pair_of(source)
        records = Records(tmp_path / source, source, n=180, models=(pair.small, pair.large))
        for i, query in enumerate(records.queries):
            del query["image"]
            query |= {"domain": domains[i // 2 % len(domains)], "modality": modality, "media_available": False}
            query["question"] = f"What is heard or seen in part {i} of {source}?"
        folders.append(records.write())
    run = call_cli("data", "import", "records", *folders, "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr
    built(tmp_path / "store", tmp_path / "d")


@pytest.mark.heavy
def test_it_is_built_from_the_records(records: Path, tmp_path: Path) -> None:
    run = call_cli("data", "import", "records", *(records / name for name in DOMAINS), "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr
    manifest = open_benchmark(built(tmp_path / "store", tmp_path / "d")).manifest
    assert {name: entry.queries for name, entry in manifest.sources.items()} == {"audiobench": 557, "tempcompass": 5535}

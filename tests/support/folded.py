"""A dataset of cross-fitted tracks, one of them of three tiers, and submissions of random probabilities to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Records

from rsd_bench.config import FIXED_TEST
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.tier_outcomes import TierFigures
from rsd_bench.dataset.tracks import FOLD, Track

FOLDED = """name = "folded-rsd"
pair = { small = "tiny", large = "huge" }
"""
MODELS = ("tiny", "middle", "huge")


@pytest.fixture(scope="session")
def folded_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 queries of a cross-fitted track. Read only."""
    from rsd_bench.build.build_dataset import build_dataset
    from rsd_bench.build.recipe import read_recipe
    from rsd_bench.config import load_aliases
    from rsd_bench.sources.records_folder import open_records
    from rsd_bench.sources.store.import_sources import import_source

    root = tmp_path_factory.mktemp("folded")
    problems: list[Any] = []
    source = open_records(Records(root / "toy", n=200, models=MODELS).write(), problems.append)
    import_source(source, root / "store", load_aliases(), problems)
    (root / "recipe.toml").write_text(FOLDED)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "dataset")
    return root / "dataset"


@pytest.fixture(scope="session")
def folded(folded_dataset: Path) -> Benchmark:
    """The same dataset with two tracks more: `three-tiers` is cross-fitted, `fixed` is not. Read only."""
    opened = open_benchmark(folded_dataset)
    tracks = (Track(name="three-tiers", tiers=MODELS), Track(name="fixed", protocol=FIXED_TEST))
    queries, rng = opened.queries, np.random.default_rng(0)
    parts = {"three-tiers": FOLD, "fixed": queries["split"]}
    shape = (len(queries), len(MODELS))
    basis = np.full(len(queries), "profile:paper-bounds", object)
    figures = TierFigures(rng.integers(0, 11, shape).astype(float), np.tile([1.0, 3.0, 7.0], (len(queries), 1)), basis)
    manifest = replace(opened.manifest, tracks=(*opened.manifest.tracks, *tracks))
    return replace(opened, manifest=manifest, queries=queries.assign(**parts), tiers={MODELS: figures})


def rows_of(
    benchmark: Benchmark,
    repeats: Mapping[str, Sequence[int]],
    scenarios: Sequence[str] = ("*",),
    seed: int = 0,
) -> pd.DataFrame:
    """Random probabilities for these tracks, each in these repeats; a column that no row needs is not there."""
    rng, tables = np.random.default_rng(seed), []
    for track, dealt in repeats.items():
        ids, tiers = benchmark.part(track, "test").query_ids, benchmark.track(track).count
        names = ("p_edge",) if tiers == 2 else tuple(f"p_{k}" for k in range(1, tiers))
        for scenario in scenarios:
            for repeat in dealt:
                given = {name: rng.random(len(ids)).round(6) for name in names}
                told = {"track": track, "query_id": ids, "scenario": scenario}
                tables.append(pd.DataFrame(told | ({"repeat": repeat} if dealt != (0,) else {}) | given))
    return pd.concat(tables, ignore_index=True)

"""A small full edition whose answers tell whether they are right: what a cascade must find."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import RECIPE, Records

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import load_aliases
from rsd_bench.features.encode import encode_dataset
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source

KNOWS, DOUBTS = "It is clearly the red one.", "I cannot see it, perhaps it is the red one."


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A full edition whose small model's answers tell whether they are right, and its n-grams."""
    root = tmp_path_factory.mktemp("answered")
    records = Records(root / "toy", n=60)
    for i, response in enumerate(records.responses):
        right = response["model"] == "huge" or i % 3 == 0
        response["response"], response["score"] = (KNOWS, 10.0) if right else (DOUBTS, 0.0)
    problems: list = []
    import_source(open_records(records.write(), problems.append), root / "store", load_aliases(), problems)
    recipe = RECIPE.replace('"fixed-test"', '"cross-fitted"').replace("chart-to-photo", "photos")
    (root / "recipe.toml").write_text(recipe)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "dataset")
    encode_dataset(root / "dataset", root / "features", None, None)
    return root / "dataset", root / "features"

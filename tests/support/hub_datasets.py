"""Datasets to publish: an open source beside one that may not be re-hosted, and the same with one label turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import RECIPE, Records

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import load_aliases
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import Policy, import_source

CLOSED_SENTENCE = "A sentence that nobody may re-host"


def imported(root: Path, records: list[Records]) -> Path:
    """The store below `root`, with these sources."""
    problems: list[Any] = []
    for source in records:
        import_source(
            open_records(source.write(), problems.append),
            root / "store",
            load_aliases(),
            problems,
            Policy(replace=True),
        )
    return root / "store"


def build(root: Path, records: list[Records], name: str = "dataset") -> Path:
    imported(root, records)
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / name)
    return root / name


def two_sources(root: Path) -> list[Records]:
    """An open source and one that may not be re-hosted, each with 60 queries."""
    free, closed = Records(root / "free", source="free"), Records(root / "closed", source="closed")
    closed.info |= {"redistributable": False, "license": "none stated"}
    for i, query in enumerate(closed.queries):
        query |= {"question": f"{CLOSED_SENTENCE} {i}?", "reference_answer": f"closed reference {i}"}
    for i, row in enumerate(closed.responses):
        row["response"] = f"closed answer {i}"
    return [free, closed]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("push")


@pytest.fixture(scope="module")
def records(root: Path) -> list[Records]:
    return two_sources(root)


@pytest.fixture(scope="module")
def dataset(root: Path, records: list[Records]) -> Path:
    """Read only, as is `changed`."""
    return build(root, records)


@pytest.fixture(scope="module")
def changed(root: Path, records: list[Records], dataset: Path) -> tuple[Path, str]:
    """The dataset with the small model's score of one query lowered to 0, so that labels turn; and the query's id."""
    rows = {r["query_id"]: r for r in records[0].responses if r["model"] == "tiny"}
    large = {r["query_id"]: r["score"] for r in records[0].responses if r["model"] == "huge"}
    query_id = next(i for i, row in sorted(rows.items()) if row["score"] >= large[i] > 2)
    before, rows[query_id]["score"] = rows[query_id]["score"], 0.0
    folder = build(root, records, "changed")
    rows[query_id]["score"] = before
    return folder, query_id

"""The README counts what is embedded and stays short, so that the first page cannot rot.

Its code is run by test_docs_blocks.py; tests/cli/test_demo.py runs the demo that it shows.
"""

from __future__ import annotations

import pyarrow.dataset as arrow
from conftest import LITE, ROOT

from rsd_bench.dataset.manifest import read_manifest

README = (ROOT / "README.md").read_text("utf-8")


def test_queries_and_models_are_counted() -> None:
    models = {*arrow.dataset(LITE / "outcomes").to_table(columns=["model"])["model"].to_pylist()}
    assert f"{read_manifest(LITE).queries:,} queries with the real answers of {len(models)} models" in README


def test_readme_stays_short() -> None:
    assert len(README.splitlines()) < 250

"""Versions of a benchmark that look alike and are not have put 36.85 beside 72.57 for one model (mteb#5228). A diff
names every row and label that differs, and says how big a version that calls for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import RECIPE, Records, run_cli
from toy_builds import list_files_again

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import load_aliases
from rsd_bench.hub.dataset_diff import DatasetDiff, diff_with_published
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.types import InputError


def built(root: Path, change: Callable[[Records], None] = lambda records: None) -> Path:
    records = Records(root / "toy", n=60)
    change(records)
    import_source(open_records(records.write(), print), root / "store", load_aliases(), [])
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "built")
    return root / "built"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("old"))


def differs(tmp_path: Path, old: Path, change: Callable[[Records], None]) -> DatasetDiff:
    return diff_with_published(built(tmp_path, change), str(old))


def test_the_same_build_differs_in_nothing(tmp_path: Path, old: Path) -> None:
    same = differs(tmp_path, old, lambda records: None)
    assert (same.kind, same.next_version, same.files) == ("none", None, [])


def test_a_word_on_the_card_is_a_patch(tmp_path: Path, old: Path) -> None:
    new = Path(shutil.copytree(old, tmp_path / "new"))
    (new / "README.md").write_text((new / "README.md").read_text("utf-8") + "\nA word more.\n", "utf-8")
    list_files_again(new)
    found = diff_with_published(new, str(old))
    assert (found.kind, found.next_version, found.files) == ("patch", "v1.0.1", ["README.md"])


def test_another_model_is_minor(tmp_path: Path, old: Path) -> None:
    def more(records: Records) -> None:
        records.responses.append({**records.responses[0], "model": "middle"})

    found = differs(tmp_path, old, more)
    assert (found.kind, found.next_version) == ("minor", "v1.1.0")
    assert found.tables["outcomes"].added == ["toy/0 | middle"]
    assert found.tables["pairs"].kind == "patch"


def test_a_query_that_went_is_major_and_one_that_came_is_named(tmp_path: Path, old: Path) -> None:
    def other(records: Records) -> None:
        for rows in (records.queries, records.responses):
            for row in rows:
                row["query_id"] = row["query_id"].replace("toy/59", "toy/60")

    found = differs(tmp_path, old, other)
    assert found.kind == "major"
    assert (found.tables["pairs"].removed, found.tables["pairs"].added) == (["toy/59"], ["toy/60"])
    assert found.tables["pairs"].changed == {}


def test_a_score_that_changes_names_labels_and_scores(tmp_path: Path, old: Path) -> None:
    def worse(records: Records) -> None:
        by_model = {(r["query_id"], r["model"]): r for r in records.responses}
        by_model["toy/7", "tiny"]["score"], by_model["toy/7", "huge"]["score"] = 0.5, 10.0
        by_model["toy/8", "tiny"]["score"] = 10.0

    found = differs(tmp_path, old, worse)
    before = {r["query_id"] + r["model"]: r["score"] for r in Records(tmp_path / "toy", n=60).responses}
    assert found.scores["toy/7"] == [("small", before["toy/7tiny"], 0.5), ("large", before["toy/7huge"], 10.0)]
    for mes, ids in found.flipped.items():
        expected = []
        for query_id, (small, large) in {"toy/7": (0.5, 10.0), "toy/8": (10.0, before["toy/8huge"])}.items():
            s, l = before[f"{query_id}tiny"], before[f"{query_id}huge"]  # noqa: E741
            if (s >= mes or s >= l) != (small >= mes or small >= large):
                expected.append(query_id)
        assert sorted(ids) == expected
    assert any(found.flipped.values())
    text = found.to_text()
    assert "toy/7: small" in text
    assert "change  major, next version v2.0.0" in text


def test_an_image_counts_by_its_hash_and_text_by_its_words(tmp_path: Path, old: Path) -> None:
    def other(records: Records) -> None:
        records.images["images/5.png"] = records.images["images/6.png"]
        records.queries[9]["question"] = "Another question?"

    changed = differs(tmp_path, old, other).tables["pairs"].changed
    assert "image_sha256" in changed["toy/5"]
    assert "question" in changed["toy/9"]


def test_what_is_no_dataset_is_refused(tmp_path: Path, old: Path) -> None:
    for new, published in ((tmp_path, old), (old, tmp_path)):
        with pytest.raises(InputError, match="is not a dataset folder"):
            diff_with_published(new, str(published))
    run = run_cli("data", "diff", old, "no/such/place")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr

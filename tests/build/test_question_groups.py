"""Equal questions and equal pictures stand in one group, and `data check` finds those that do not.

Guards against test questions that stand word for word in the training rows, and pictures that were saved twice.
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from conftest import Records, call_cli
from PIL import Image
from toy_builds import imported, rewrite

from rsd_bench.config import STANDING_GROUPS
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import read_manifest

RECIPE = 'name = "asked"\npair = { small = "tiny", large = "huge" }\n'


def build(records: Records, folder: Path) -> Path:
    assert imported(records.write(), folder / "store").returncode == 0
    (folder / "recipe.toml").write_text(RECIPE)
    run = call_cli("data", "build", folder / "recipe.toml", "--store", folder / "store", "--out", folder / "d")
    assert run.returncode == 0, run.stderr
    return folder / "d"


def groups(folder: Path) -> dict[str, str]:
    rows = pd.concat(pd.read_parquet(p, columns=["query_id", "group_id"]) for p in (folder / "pairs").iterdir())
    return dict(zip(rows["query_id"], rows["group_id"], strict=True))


def test_queries_that_ask_the_same_stand_in_one_group(tmp_path: Path, toy_records: Records) -> None:
    toy_records.queries[0]["question"] = "What is  the SUM?"
    toy_records.queries[30]["question"] = "what is the\nsum?"
    for query in toy_records.queries[40:]:
        query["question"] = "Describe the image."
    folder = build(toy_records, tmp_path)
    of = groups(folder)
    assert of["toy/0"] == of["toy/1"] == of["toy/30"] == of["toy/31"]
    assert len(set(of.values())) == 20, "a text of ten groups joins them"
    assert len({query["group"] for query in toy_records.queries[40:]}) == 10 <= STANDING_GROUPS


def test_a_prompt_of_many_groups_is_standing(tmp_path: Path, toy_records: Records) -> None:
    for query in toy_records.queries[20:]:
        query["question"] = "Describe the image."
    folder = build(toy_records, tmp_path)
    assert read_manifest(folder).standing == 40
    assert len(set(groups(folder).values())) == 30
    assert check_dataset(folder) == []


@pytest.mark.parametrize("standing", [0, 40])
def test_check_finds_a_question_across_a_split(tmp_path: Path, toy_records: Records, standing: int) -> None:
    for query in toy_records.queries[60 - standing :]:
        query["question"] = "Describe the image."
    folder = build(toy_records, tmp_path)

    def ask(rows: list[dict], at: int) -> None:
        rows[at]["question"] = "Where  is it?" if at else "where is IT?"

    rewrite(folder, "pairs", lambda rows: ask(rows, 0), split="train")
    rewrite(folder, "pairs", lambda rows: ask(rows, 1), split="test")
    found = [str(problem) for problem in check_dataset(folder) if "this question stands on both sides" in problem.what]
    assert len(found) == 2 and {"train", "test"} == {Path(line.split(":")[0]).name.split("-")[0] for line in found}


def test_check_finds_a_picture_that_was_saved_again(tmp_path: Path, toy_records: Records) -> None:
    with Image.open(io.BytesIO(toy_records.images["images/0.png"])) as image:
        again = io.BytesIO()
        image.save(again, "BMP")
    for name in ("images/20.png", "images/40.png", "images/50.png", "images/58.png"):
        toy_records.images[name] = again.getvalue()  # one file: these are joined by their bytes
    toy_records.queries[0]["group"] = "toy/alone"
    folder = build(toy_records, tmp_path)
    of = groups(folder)
    assert of["toy/20"] == of["toy/58"] != of["toy/0"]
    found = [str(problem) for problem in check_dataset(folder)]
    assert found and all("its picture, decoded, stands on both sides of a split or fold" in line for line in found)

"""The embedded edition is what the real records give, labels included, and holds no sentence of theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from conftest import ROOT

from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import manifest_sha256

SOURCES = ("dynamath", "visonlyqa", "mllm_bench")


def test_lite_is_what_the_records_give(rsd_open: Path) -> None:
    lite = ROOT / "rsd_bench" / "editions" / "rsd-open-lite"
    ours, theirs = (json.loads((f / "manifest.json").read_text()) for f in (lite, rsd_open / "lite"))
    assert ours == theirs
    assert ours["derived_from"] == manifest_sha256(rsd_open / "full")
    for name in ours["files"]:
        assert (lite / name).read_bytes() == (rsd_open / "lite" / name).read_bytes()


def test_rsd_open_is_sound_and_its_labels_are_those_of_the_records(rsd_open: Path, records: Path) -> None:
    assert check_dataset(rsd_open / "full") == []
    names = {
        "dynamath": ("Qwen2-7B", "claude3.5"),
        "visonlyqa": ("Qwen2-VL-7B-Instruct", "claude-3-5-sonnet-20240620"),
        "mllm_bench": ("qwen/qwen-2-vl-7b-instruct", "claude-3-5-sonnet-20240620"),
    }
    score: dict[tuple[str, str], float] = {}
    scored = 0
    for source in names:
        for line in (records / source / "responses.jsonl").open():
            row = json.loads(line)
            scored += row["score"] is not None
            if row["model"] in names[source]:
                score[row["query_id"], "sl"[names[source].index(row["model"])]] = row["score"]
    ids = {query_id for query_id, _ in score}
    assert len(ids) == 2986
    table = pd.concat(
        pd.read_parquet(p, columns=["label_mes_5", "label_mes_8"]) for p in (rsd_open / "full/pairs").iterdir()
    )
    for mes in (5, 8):
        edge = sum(score[i, "s"] >= mes or score[i, "s"] >= score[i, "l"] for i in ids)
        assert int(table[f"label_mes_{mes}"].sum()) == edge
    outcomes = pd.concat(pd.read_parquet(p, columns=["score"]) for p in (rsd_open / "full/outcomes").iterdir())
    assert int(outcomes["score"].notna().sum()) == scored


def test_lite_holds_no_sentence_of_the_sources(records: Path) -> None:
    lite = ROOT / "rsd_bench" / "editions" / "rsd-open-lite"
    held = set()
    for path in lite.rglob("*.parquet"):
        table = pd.read_parquet(path)
        if path.parent.name == "features":  # vectors of images and questions
            assert all(len(vector) == 384 for name in ("image", "text") for vector in table[name])
            continue
        assert not {"image", "question", "reference_answer", "response"} & set(table.columns)
        for name in table.columns.drop("statistics", errors="ignore"):
            held |= {value for value in table[name].dropna().unique() if isinstance(value, str)}
    named = {row["license"] for row in json.loads((lite / "manifest.json").read_text())["sources"].values()}
    for source in SOURCES:
        for row in map(json.loads, (records / source / "responses.jsonl").open()):
            named.add(row["judge"])
        for row in map(json.loads, (records / source / "queries.jsonl").open()):
            assert row["question"] not in held
    assert {text for text in held if text.count(" ") > 2} <= named
    assert sum(p.stat().st_size for p in lite.rglob("*") if p.is_file()) < 10e6

"""The embedded edition is what the real records give, labels included, and holds no sentence of theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from conftest import ROOT, RSD_OPEN

from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import manifest_sha256


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
        "visonlyqa": ("Qwen2-VL-7B-Instruct", "claude-3-5-sonnet-20240620"),
        "mllm_bench": ("qwen/qwen-2-vl-7b-instruct", "claude-3-5-sonnet-20240620"),
        "dental_vision": ("z-ai/glm-4.6v", "google/gemini-3.1-pro-preview"),
        "vision_checkup": ("Qwen 2.5 VL 7B", "GPT-4.1"),
        "business_charts": ("claude-sonnet-4.5 (bedrock)", "gpt-5"),
        "kitchen_json": ("qwen/qwen3-vl-8b-instruct", "openai/gpt-4.1-mini"),
    }
    score: dict[tuple[str, str], float] = {}
    for source in names:
        for line in (records / source / "responses.jsonl").open():
            row = json.loads(line)
            if row["model"] in names[source] and row["score"] is not None:
                score[row["query_id"], "sl"[names[source].index(row["model"])]] = row["score"]
    ids = {query_id for query_id, _ in score if (query_id, "s") in score and (query_id, "l") in score}
    table = pd.concat(
        pd.read_parquet(p, columns=["query_id", "source", "label_mes_5", "label_mes_8"])
        for p in (rsd_open / "full/pairs").iterdir()
    )
    ours = table[table["source"].isin(names)]
    assert set(ours["query_id"]) == ids and len(ids) == 1903 and len(table) == 3851
    for mes in (5, 8):
        edge = sum(score[i, "s"] >= mes or score[i, "s"] >= score[i, "l"] for i in ids)
        assert int(ours[f"label_mes_{mes}"].sum()) == edge


def test_dynamath_is_scored_over_its_ten_variants(records: Path) -> None:
    share = {}
    for row in map(json.loads, (records / "dynamath" / "variants.jsonl").open()):
        share[row["group"], row["model"]] = sum(row["scores"]) / 10
    group = {row["query_id"]: row["group"] for row in map(json.loads, (records / "dynamath" / "queries.jsonl").open())}
    rows = pd.concat(pd.read_parquet(p) for p in (ROOT / "rsd_bench/editions/rsd-open-lite/pairs").iterdir())
    rows = rows[rows["source"] == "dynamath"]
    assert len(rows) == len(group) == 1503
    for query_id, small, large in zip(rows["query_id"], rows["small_score"], rows["large_score"], strict=True):
        assert small == round(share[group[query_id], "Qwen2-7B"], 6)
        assert large == round(share[group[query_id], "claude3.5"], 6)


def test_lite_holds_no_sentence_of_the_sources(records: Path) -> None:
    lite = ROOT / "rsd_bench" / "editions" / "rsd-open-lite"
    held = set()
    for path in lite.rglob("*.parquet"):
        table = pd.read_parquet(path)
        if path.parent.name == "features":  # vectors of images and questions
            assert all(len(vector) == 384 for name in ("image", "text") for vector in table[name].dropna())
            continue
        assert not {"image", "question", "reference_answer", "response"} & set(table.columns)
        for name in table.columns.drop("statistics", errors="ignore"):
            held |= {value for value in table[name].dropna().unique() if isinstance(value, str)}
    named = {row["license"] for row in json.loads((lite / "manifest.json").read_text())["sources"].values()}
    for source in RSD_OPEN:
        for row in map(json.loads, (records / source / "responses.jsonl").open()):
            named |= {row.get("judge"), row["model"]}
        for row in map(json.loads, (records / source / "queries.jsonl").open()):
            assert row["question"] not in held
    assert {text for text in held if text.count(" ") > 2} <= named
    assert sum(p.stat().st_size for p in lite.rglob("*") if p.is_file()) <= 12e6

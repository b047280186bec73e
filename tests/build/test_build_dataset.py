"""From records to a loaded dataset: imported rightly or refused whole, reproducible, checked, labelled.

Guards against failed calls that became answers, rows guessed at, splits that leak, and cards that disagree with files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import RECIPE, ROOT, Records, call_cli, run_cli

import rsd_bench as rsd
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import file_entries, manifest_sha256, to_bytes

SOURCES = ("dynamath", "visonlyqa", "mllm_bench")


def imported(folder: Path, store: Path, *more: object):
    return run_cli("data", "import", "records", folder, "--out", store, *more)


def built(store: Path, recipe: Path, out: Path, *more: object) -> str:
    run = run_cli("data", "build", recipe, "--store", store, "--out", out, *more)
    assert run.returncode == 0, run.stderr
    return manifest_sha256(out)


def responses(store: Path, source: str = "toy") -> pd.DataFrame:
    return pd.read_parquet(store / "sources" / source / "responses.parquet")


def test_windows_line_ends_bom_and_graded_scores_import_rightly(tmp_path: Path) -> None:
    records = Records(tmp_path / "elsewhere", source="other", models=("new-a", "new-b"))
    records.responses[0]["score"] = 3.3
    records.responses[1] |= {"score": None, "response": None}
    records.responses[2]["response"] = ["one\u2028two"]
    run = imported(records.write(newline="\r\n", bom=True), tmp_path / "store")
    assert run.returncode == 0, run.stderr
    table = responses(tmp_path / "store", "other")
    assert list(table["score"][:1]) == [3.3]
    assert (table["status"][1], pd.isna(table["score"][1])) == ("unscored", True)
    assert table["response"][2] == "one\u2028two"
    assert set(table["model"]) == {"new-a", "new-b"}


def test_every_problem_is_listed_and_nothing_is_stored(tmp_path: Path, toy_records: Records) -> None:
    toy_records.queries[7]["query_id"] = toy_records.queries[6]["query_id"]
    toy_records.queries[9]["image"] = "../../etc/passwd"
    toy_records.responses[0]["score"] = 11
    toy_records.responses[1]["score"] = "7"
    toy_records.responses[2]["score"] = True
    toy_records.responses[3]["score"] = float("nan")
    toy_records.responses[4]["query_id"] = "toy/none"
    toy_records.responses[6] = dict(toy_records.responses[5])
    toy_records.responses[8]["status"] = "error"
    for name in ("images/20.png", "images/21.png"):
        del toy_records.images[name]
    toy_records.images["images/22.png"] = toy_records.images["images/22.png"][:200]
    run = imported(toy_records.write(), tmp_path / "store")
    assert run.returncode == 1
    folder = toy_records.folder
    for where, what in (
        (f"{folder}/queries.jsonl:8", "stands at"),
        (f"{folder}/queries.jsonl:10", "outside the folder"),
        (f"{folder}/queries.jsonl:21", "No such file"),
        (f"{folder}/queries.jsonl:22", "No such file"),
        (f"{folder}/queries.jsonl:23", "not an image"),
        (f"{folder}/responses.jsonl:1", "11 is greater than the maximum of 10"),
        (f"{folder}/responses.jsonl:2", "'7' is not of type"),
        (f"{folder}/responses.jsonl:3", "True is not of type"),
        (f"{folder}/responses.jsonl:4", "NaN is not JSON"),
        (f"{folder}/responses.jsonl:5", "is no query of toy"),
        (f"{folder}/responses.jsonl:7", "stands at"),
        (f"{folder}/responses.jsonl:9", "status 'error' with score"),
    ):
        assert any(line.startswith(f"error: {where}: ") and what in line for line in run.stderr.splitlines()), where
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "store" / "sources" / "toy").exists()
    as_json = json.loads(imported(folder, tmp_path / "store", "--json").stdout)
    assert len(as_json["problems"]) == len(run.stderr.splitlines()) - 1


@pytest.mark.parametrize("name", ["queries.jsonl", "responses.jsonl", "source.json"])
def test_empty_and_missing_files_are_refused(tmp_path: Path, toy_records: Records, name: str) -> None:
    (toy_records.write() / name).write_bytes(b"")
    empty = imported(toy_records.folder, tmp_path / "store")
    (toy_records.folder / name).unlink()
    missing = imported(toy_records.folder, tmp_path / "store")
    assert (empty.returncode, missing.returncode) == (1, 1)
    assert name in empty.stderr
    assert name in missing.stderr


def test_aliases_of_one_model_in_one_source_clash(tmp_path: Path, toy_records: Records) -> None:
    models = tmp_path / "models.toml"
    models.write_text('[models]\n"one" = ["toy:tiny", "huge"]\n')
    run = imported(toy_records.write(), tmp_path / "store", "--models", models)
    assert run.returncode == 1
    assert "outcome of 'one' (alias 'huge')" in run.stderr
    models.write_text('[models]\n"one" = ["toy:tiny"]\n"two" = ["other:huge"]\n')
    assert imported(toy_records.folder, tmp_path / "store", "--models", models).returncode == 0
    assert set(responses(tmp_path / "store")["model"]) == {"one", "huge"}


def test_builds_are_equal_and_survive_kill(tmp_path: Path, toy_records: Records) -> None:
    toy_records.responses[3]["score"] = None
    del toy_records.responses[60]
    imported(toy_records.write(), tmp_path / "store")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    first = built(tmp_path / "store", recipe, tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["queries"] == 58
    assert manifest["missing"] == [
        {"query_id": "toy/0", "reason": "no outcome of huge"},
        {"query_id": "toy/3", "reason": "tiny: unscored"},
    ]
    out = tmp_path / "b"
    command = [sys.executable, "-m", "rsd_bench", "data", "build", recipe, "--store", tmp_path / "store", "--out", out]
    for delay in (0.6, 0.9, 1.2, 1.5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not out.exists() or manifest_sha256(out) == first
    assert built(tmp_path / "store", recipe, out) == first
    assert built(tmp_path / "store", recipe, out) == first
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    refused = run_cli("data", "build", recipe, "--store", tmp_path / "store", "--out", tmp_path / "mine")
    assert refused.returncode == 1
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_latency_is_clocked_only_where_both_sides_are(tmp_path: Path) -> None:
    for source, sides in (("both", ("tiny", "huge")), ("one", ("huge",))):
        records = Records(tmp_path / source, source=source)
        for row in records.responses:
            if row["model"] in sides:
                row["latency_s"] = 1.5 if row["model"] == "tiny" else 9.25
        imported(records.write(), tmp_path / "store")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    built(tmp_path / "store", tmp_path / "recipe.toml", tmp_path / "d")
    pairs = pd.concat(pd.read_parquet(p) for p in (tmp_path / "d" / "pairs").iterdir())
    found = pairs.groupby("source")[["small_latency_s", "large_latency_s", "latency_basis"]].agg(["min", "max"])
    assert found.loc["both"].tolist() == [1.5, 1.5, 9.25, 9.25, "reported", "reported"]
    assert found.loc["one"].tolist() == [0.8, 0.8, 6.4, 6.4, "profile:paper-bounds", "profile:paper-bounds"]


def test_recipe_problems_are_all_listed(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "Bad Name"\npair = { small = "a", large = "a" }\nsorces = []\nversion = "one"\n'
        'latency_profile = "none"\n'
    )
    run = run_cli("data", "build", recipe, "--out", tmp_path / "d")
    assert run.returncode == 1
    for what in (
        "name is 'Bad Name'",
        "names 'a' twice",
        "key 'sorces' is unknown",
        "version is 'one'",
        "latency_profile: none: no such latency profile",
    ):
        assert what in run.stderr


def rewrite(folder: Path, table: str, change) -> None:
    """Change a shard and fix the manifest's hashes, so that only the content can give it away."""
    shard = sorted((folder / table).glob("test-*.parquet"))[0]
    data = pq.read_table(shard)
    rows = data.to_pylist()
    change(rows)
    pq.write_table(data.from_pylist(rows, data.schema), shard)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_bytes(to_bytes(manifest | {"files": file_entries(folder)}))


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        ("pairs", lambda rows: rows[0].update(label_mes_5=1 - rows[0]["label_mes_5"]), "label_mes_5 does not follow"),
        ("pairs", lambda rows: rows[0].update(small_score=99.0), "small_score is not in [0, 10]"),
        ("pairs", lambda rows: rows[0].update(group_id="another"), "stands in the wrong split"),
        ("pairs", lambda rows: rows[0]["image"].update(bytes=b"x"), "image bytes do not match"),
        ("pairs", lambda rows: rows.append(dict(rows[0])), "query_id stands twice"),
        ("pairs", lambda rows: rows.pop(), "in pairs or splits, not in both"),
        ("splits", lambda rows: rows[0].update(split="train"), "has another split than in pairs"),
        ("splits", lambda rows: rows[0].update({"chart-to-photo": "train"}), "wrong part in track chart-to-photo"),
        ("outcomes", lambda rows: rows[0].update(score=0.123), "is not that of pairs"),
        ("outcomes", lambda rows: rows[0].update(status="error"), "status and score disagree"),
    ],
)
def test_check_finds_each_change(tmp_path: Path, toy_dataset: Path, table: str, change, says: str) -> None:
    folder = tmp_path / "d"
    shutil.copytree(toy_dataset, folder)
    assert check_dataset(folder) == []
    rewrite(folder, table, change)
    assert says in "\n".join(map(str, check_dataset(folder)))


def test_check_finds_changed_missing_and_foreign_files(tmp_path: Path, toy_dataset: Path) -> None:
    folder = tmp_path / "d"
    shutil.copytree(toy_dataset, folder)
    (folder / "README.md").write_text((folder / "README.md").read_text() + "more")
    (folder / "notes.txt").write_text("x")
    shard = next((folder / "outcomes").glob("train-*"))
    shard.unlink()
    found = json.loads(run_cli("data", "check", folder, "--json").stdout)
    what = {Path(p["where"]).name: p["what"] for p in found["problems"]}
    assert what[shard.name] == "is missing"
    assert what["notes.txt"] == "is not in the manifest"
    assert "README.md" in what


def test_load_gives_any_mes_pair_split_and_track(toy_dataset: Path) -> None:
    parts = rsd.load(toy_dataset, mes=6.5)
    for part in parts.values():
        scores = part.select_columns(["small_score", "large_score"]).with_format("numpy")[:]
        assert part["label"][:] == rsd.label(scores["small_score"], scores["large_score"], 6.5).tolist()
    swapped = rsd.load(toy_dataset, scenario="high_quality", small="huge", large="tiny", split="test")
    assert swapped["small_score"][:] == parts["test"]["large_score"][:]
    assert swapped["small_model"][0] == "huge"
    photo = rsd.load(toy_dataset, track="chart-to-photo", split="test")
    assert set(photo["domain"][:]) == {"photo"}
    for wrong in ({"mes": 11}, {"split": "dev"}, {"track": "moon"}, {"small": "none"}, {"mes": 1, "scenario": "x"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            rsd.load(toy_dataset, **wrong)
    with pytest.raises(rsd.InputError, match="neither a folder nor a Hub id"):
        rsd.load("/no/such/folder")


def test_load_refuses_what_it_would_have_to_ignore(toy_dataset: Path) -> None:
    """A revision of a folder and a pair of one model were taken without a word."""
    for path in (toy_dataset, None):
        with pytest.raises(ValueError, match="revision: "):
            rsd.load(path, revision="v1.0.0")
    with pytest.raises(ValueError, match="revision: 'b' is not that of org/name@a"):
        rsd.load("org/name@a", revision="b")
    with pytest.raises(ValueError, match="small, large: both are"):
        rsd.load(small="gemini-1.5-pro", large="gemini-1.5-pro")


def test_a_damaged_shard_is_named(tmp_path: Path, toy_dataset: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(toy_dataset, copy)
    shard = next((copy / "outcomes").glob("train-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-20])
    assert any(p.where == str(shard) and "rows is None" in p.what for p in check_dataset(copy))


def test_load_reads_the_folder_it_is_given_and_no_other_of_that_name(tmp_path: Path) -> None:
    for n in (60, 90):
        root = tmp_path / str(n)
        imported(Records(root / "toy", n=n).write(), root / "store")
        (root / "recipe.toml").write_text(RECIPE)
        built(root / "store", root / "recipe.toml", root / "dataset")
        assert sum(map(len, rsd.load(root / "dataset", mes=6).values())) == n


def test_plain_load_dataset_works_offline(toy_dataset: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    train = load_dataset(str(toy_dataset), "mes-6", split="train", cache_dir=str(tmp_path))
    row = train[0]
    assert row["image"].size == (24, 16)
    assert row["question"].startswith("How many")
    assert train.features["label_mes_6"].names == ["cloud", "edge"]
    assert "label_mes_5" not in train.features
    assert row["label_mes_6"] == int(row["small_score"] >= 6 or row["small_score"] >= row["large_score"])
    with pytest.raises(ValueError, match="mes-10"):
        load_dataset(str(toy_dataset), "mes-65", cache_dir=str(tmp_path))


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


def test_two_inputs_of_one_source_id_are_refused(tmp_path: Path) -> None:
    """The second took the place of the first, and both were reported as stored."""
    parts = [Records(tmp_path / part, n=6).write() for part in ("part1", "part2")]
    run = call_cli("data", "import", "records", *parts, "--out", tmp_path / "store")
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {parts[1]}: is source 'toy', as {parts[0]} is -> ")
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("completion_tokens", "1e23", "completion_tokens: 1e+23 is greater than the maximum"),
        ("latency_s", "1e400", "1e400 is too large a number"),
        ("latency_s", "1e12", "latency_s: 1000000000000.0 is greater than the maximum"),
    ],
)
def test_numbers_beyond_reason_are_faults_of_their_line(tmp_path: Path, field: str, value: str, told: str) -> None:
    """1e23 tokens ended in an OverflowError, and 1e400 seconds were read as infinity."""
    records = Records(tmp_path / "toy", n=6)
    records.responses[2][field] = "VALUE"
    path = records.write() / "responses.jsonl"
    path.write_text(path.read_text().replace('"VALUE"', value))
    run = call_cli("data", "import", "records", records.folder, "--out", tmp_path / "store")
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {path}:3: {told}")


@pytest.fixture
def toy_store(tmp_path: Path, toy_records: Records) -> Path:
    assert call_cli("data", "import", "records", toy_records.write(), "--out", tmp_path / "store").returncode == 0
    return tmp_path / "store"


def refused_build(store: Path, recipe: str = RECIPE) -> str:
    """The one line that a build ends with."""
    (store.parent / "recipe.toml").write_text(recipe)
    run = call_cli("data", "build", store.parent / "recipe.toml", "--store", store, "--out", store.parent / "d")
    assert run.returncode == 1
    (line,) = (line for line in run.stderr.splitlines() if line.startswith("error"))
    return line


@pytest.mark.parametrize(
    "name", ["queries.parquet", "responses.parquet", "judgments.parquet", "source.json", "audit.json"]
)
def test_a_damaged_file_of_a_store_is_named(toy_store: Path, name: str) -> None:
    """A truncated file was "a bug in rsd-bench, please report it", or a KeyError with its traceback."""
    path = toy_store / "sources" / "toy" / name
    path.write_bytes(path.read_bytes()[:-20] if path.exists() else b"{}")
    line = refused_build(toy_store)
    assert line.startswith(f"error: {path}: is damaged: ")
    assert line.endswith(
        "-> run `rsd-bench judge audit` again" if name == "audit.json" else "-> import the source again"
    )


def test_a_damaged_image_of_a_store_is_named(toy_store: Path) -> None:
    """Changed bytes went into a dataset under the hash of the bytes that were imported."""
    path = next(p for p in sorted(toy_store.glob("images/*/*")) if not p.suffix)
    path.write_bytes(path.read_bytes() + b"x")
    assert refused_build(toy_store) == (
        f"error: {path}: is damaged: its bytes are not those of its name -> import the source again"
    )


def test_a_named_track_that_lacks_a_part_is_refused(tmp_path: Path, toy_records: Records) -> None:
    """It was left out without a word. The tracks that nobody named may be."""
    for query in toy_records.queries:
        query["domain"] = "math" if query["domain"] == "math" else "chart"
    toy_records.queries[0] |= {"domain": "photo", "group": "alone"}
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    line = refused_build(tmp_path / "store")
    assert line.startswith("error: toy-rsd: track 'chart-to-photo' has no test query")
    (tmp_path / "recipe.toml").write_text(RECIPE.split("[[tracks]]")[0])
    built(tmp_path / "store", tmp_path / "recipe.toml", tmp_path / "d")
    assert "leave-photo-out" not in json.loads((tmp_path / "d" / "manifest.json").read_text())["tracks"]


def test_a_domain_that_no_source_has_is_refused(toy_store: Path) -> None:
    """A misspelt domain of [domains] left the true one as a group of its own."""
    line = refused_build(toy_store, RECIPE + '[domains]\nmath = ["maths"]\n')
    assert line == "error: toy-rsd: [domains]: no source has domain 'maths' -> use chart, math, photo"

"""Publishing in several commits left a card that disagreed with its files (datasets#7600, #7777): what a push sends is
one commit and a tag, or nothing. A licence that forbids re-hosting must hold for every byte that is sent.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import RECIPE, ROOT, Records
from hub_client import Client, environment
from hub_server import READ, Fault, LoopbackHub

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import load_aliases
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store import import_source

CLOSED_SENTENCE = "A sentence that nobody may re-host"


def build(root: Path, records: list[Records], name: str = "dataset") -> Path:
    problems: list[Any] = []
    for source in records:
        import_source(open_records(source.write(), problems.append), root / "store", load_aliases(), problems)
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


def test_nothing_is_sent_unless_asked_for(hub: LoopbackHub, client: Client, dataset: Path) -> None:
    told = client.json("data", "push", dataset, "org/toy")
    assert told["dry_run"] is True
    assert "pairs/train-00000-of-00001.parquet" in told["public"]["send"]
    assert hub.repos == {}
    assert not hub.requests("^(POST|PUT)")
    shown = client.run("data", "push", dataset, "org/toy")["out"]
    assert "withheld  images and texts of closed" in shown
    assert "nothing was sent" in shown


LOAD = """
import hashlib
from datasets import load_dataset, get_dataset_config_names
def plain(row):
    return {k: hashlib.sha256(v["bytes"]).hexdigest() if k == "image" and v else v for k, v in row.items()}
out = {}
for config in get_dataset_config_names("org/toy"):
    for revision in ("main", "v1.0.0"):
        whole = load_dataset("org/toy", config, revision=revision)
        streams = load_dataset("org/toy", config, revision=revision, streaming=True)
        for split in whole:
            rows = whole[split]
            if "image" in rows.features:
                rows = rows.cast_column("image", __import__("datasets").Image(decode=False))
            told = [plain(row) for row in rows]
            if revision == "v1.0.0" or config == "mes-6":
                assert told == [plain(row) for row in streams[split].decode(False)], (config, split)
            assert out.setdefault(f"{config}/{split}", told) == told
"""


def test_what_is_loaded_is_what_was_pushed(hub: LoopbackHub, client: Client, dataset: Path) -> None:
    assert client.push(dataset, "--version", "v1.0.0")["code"] == 0
    repo = hub.repo("org/toy")
    assert [c.title for c in repo.commits.values()] == ["initial commit", "toy-rsd v1.0.0"]
    assert repo.refs["refs/tags/v1.0.0"] == repo.refs["refs/heads/main"]
    loaded = client.python(LOAD)
    assert {key.split("/")[0] for key in loaded} == {"pairs", "outcomes", "splits", *(f"mes-{i}" for i in range(1, 11))}
    for split in ("train", "validation", "test"):
        local = pd.read_parquet(next((dataset / "pairs").glob(f"{split}-*"))).to_dict("records")
        for config, column in (("pairs", "label_mes_3"), ("mes-6", "label_mes_6")):
            for row, sent in zip(local, loaded[f"{config}/{split}"], strict=True):
                free = row["source"] == "free"
                assert sent["image"] == (row["image_sha256"] if free else None)
                assert sent["question"] == (row["question"] if free else None)
                for name in ("query_id", "domain", "small_score", "large_score", "statistics", column, "image_sha256"):
                    assert sent[name] == row[name]
    again = client.push(dataset, "--version", "v1.0.0")
    assert again["already_published"] is True
    assert again["public"]["send"] == []
    assert len(repo.commits) == 2
    assert len(hub.requests("PUT /lfs")) == len(list(dataset.rglob("*.parquet")))


def test_no_byte_of_a_closed_source_is_sent(
    hub: LoopbackHub, client: Client, dataset: Path, records: list[Records]
) -> None:
    assert client.push(dataset)["withheld"] == ["closed"]
    sent = hub.files("org/toy")
    held = "\n".join(json.dumps(pd.read_parquet(io.BytesIO(data)).astype(str).to_dict("list"))
                     for path, data in sent.items() if path.endswith(".parquet"))  # fmt: skip
    assert "How many things are in picture 1?" in held
    assert "closed/1" in held
    for text in (CLOSED_SENTENCE, "closed reference", "closed answer"):
        assert text not in held
        assert not any(text.encode() in data for data in sent.values())
    pictures = set()
    for path, data in sent.items():
        if path.startswith("pairs/"):
            images = pq.read_table(io.BytesIO(data), columns=["image"]).column(0).to_pylist()
            pictures |= {hashlib.sha256(image["bytes"]).hexdigest() for image in images if image}
    assert pictures == {hashlib.sha256(data).hexdigest() for data in records[0].images.values()}
    card = sent["README.md"].decode()
    assert "Images and texts of `closed` are left out** (60 queries)" in card


def test_one_changed_label_sends_the_shards_concerned(
    hub: LoopbackHub, client: Client, dataset: Path, changed: tuple[Path, str]
) -> None:
    client.push(dataset)
    new, query_id = changed
    difference = client.json("data", "diff", new, "org/toy@v1.0.0")
    assert difference["change"] == "major"
    assert difference["next_version"] == "v2.0.0"
    assert difference["labels_flipped"]["6"] in ([query_id], [])
    assert {i for ids in difference["labels_flipped"].values() for i in ids} == {query_id}
    assert list(difference["scores_changed"]) == [query_id]
    assert difference["scores_changed"][query_id][0]["new"] == 0.0
    assert list(difference["tables"]["outcomes"]["changed"]) == [f"{query_id} | tiny"]
    assert difference["tables"]["splits"]["changed"] == {}
    assert query_id in client.run("data", "diff", new, "org/toy")["out"]
    hub.log.clear()
    told = client.push(changed[0], "--version", "v2.0.0")
    shards = [path for path in told["public"]["send"] if path.endswith(".parquet")]
    split = shards[0].split("/")[1].split("-")[0]
    assert shards == [f"{table}/{split}-00000-of-00001.parquet" for table in ("outcomes", "pairs")]
    assert len(hub.requests("PUT /lfs")) == 2
    assert hub.files("org/toy", "v1.0.0")["manifest.json"] != hub.files("org/toy", "v2.0.0")["manifest.json"]


def whole(hub: LoopbackHub, version: str) -> bool:
    """Whether main is exactly one version: every file is what that version's manifest says."""
    files = hub.files("org/toy")
    manifest = json.loads(files["manifest.json"])
    told = {path: entry["sha256"] for path, entry in manifest["files"].items()}
    held = {p: hashlib.sha256(d).hexdigest() for p, d in files.items() if p not in ("manifest.json", ".gitattributes")}
    return manifest["version"] == version and told == held


FAULTS = {
    "race": [Fault("POST .*/commit/main")],
    "commit answers 500": [Fault("POST .*/commit/main", status=500)],
    "commit answers 429": [Fault("POST .*/commit/main", status=429)],
    "commit is cut": [Fault("POST .*/commit/main", cut=100)],
    "answer of the commit is lost": [Fault("POST .*/commit/main", lost=True)],
    "upload refused": [Fault("PUT /lfs", status=403, times=9)],
    "tag answers 500": [Fault("POST .*/tag/", status=500)],
    "tree answers 500 for good": [Fault("GET .*/tree/", status=501, times=9)],
}


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_main_is_one_version_and_a_rerun_succeeds(
    hub: LoopbackHub, client: Client, dataset: Path, changed: tuple[Path, str], name: str
) -> None:
    client.push(dataset)
    hub.faults = [Fault(**vars(fault)) for fault in FAULTS[name]]
    if name == "race":
        hub.faults[0].do = lambda: hub.write("org/toy", "NOTICE", b"somebody else was here")
    told = client.push(changed[0], "--version", "v2.0.0")
    assert told["code"] == 1
    (problem,) = told["problems"]
    assert problem["fix"]
    if name == "race":
        assert "412" in problem["what"]
        assert hub.files("org/toy").pop("NOTICE") == b"somebody else was here"
        assert json.loads(hub.files("org/toy")["manifest.json"])["version"] == "1.0.0"
    else:
        assert whole(hub, "2.0.0" if name in ("answer of the commit is lost", "tag answers 500") else "1.0.0")
    assert "v2.0.0" not in str(hub.repo("org/toy").refs)
    hub.faults = []
    assert client.push(changed[0], "--version", "v2.0.0")["code"] == 0
    files = hub.files("org/toy", "v2.0.0")
    assert files.pop("NOTICE", b"").startswith(b"somebody" if name == "race" else b"")
    assert json.loads(files["manifest.json"])["version"] == "2.0.0"
    assert hub.repo("org/toy").refs["refs/tags/v2.0.0"] == hub.repo("org/toy").refs["refs/heads/main"]


def test_the_client_gets_over_what_passes(hub: LoopbackHub, client: Client, dataset: Path) -> None:
    hub.faults = [Fault("PUT /lfs", status=500), Fault("PUT /lfs", cut=1000), Fault("POST .*/batch", status=429)]
    assert client.push(dataset)["code"] == 0
    assert whole(hub, "1.0.0")
    assert not any(fault.times for fault in hub.faults)


def test_killed_during_the_upload_and_pushed_again(
    hub: LoopbackHub, client: Client, dataset: Path, changed: tuple[Path, str]
) -> None:
    client.push(dataset)
    hub.faults = [Fault("PUT /lfs", slow=5.0)]
    hub.log.clear()
    command = [sys.executable, "-m", "rsd_bench", "data", "push", str(changed[0]), "org/toy", "--no-dry-run"]
    command += ["--version", "v2.0.0"]
    process = subprocess.Popen(
        command, env=environment(hub, dataset.parent / "home"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + 60
    while hub.faults[0].times and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert whole(hub, "1.0.0")
    assert not hub.requests("commit/main")
    stored = {path.name for path in hub.lfs.iterdir()}
    hub.faults = []
    hub.log.clear()
    assert client.push(changed[0], "--version", "v2.0.0")["code"] == 0
    assert whole(hub, "2.0.0")
    assert not {told.rpartition("/")[2] for told in hub.requests("PUT /lfs")} & stored
    assert not [p for p in dataset.parent.iterdir() if ".publish." in p.name]


def test_tokens_ids_and_versions_are_checked(hub: LoopbackHub, client: Client, dataset: Path, tmp_path: Path) -> None:
    for token, status in ((READ, "403"), ("", "401")):
        told = client.push(dataset, token=token)
        assert told["code"] == 1
        assert status in told["problems"][0]["what"]
    assert hub.repos == {}
    assert "is no Hub id" in client.push(dataset, repo="a/b/c")["problems"][0]["what"]
    assert "is no version" in client.push(dataset, "--version", "first")["problems"][0]["what"]
    assert client.push(dataset, "--version", "v1.2.0")["code"] == 0
    assert "later than v1.1.9" in client.push(dataset, "--version", "v1.1.9")["problems"][0]["what"]
    fetched = client.python("import rsd_bench.dataset.open as o; out = str(o.dataset_folder('org/toy'))")
    assert check_dataset(Path(fetched)) == []
    assert "is a published copy" in client.push(Path(fetched))["problems"][0]["what"]


def test_a_card_that_the_hub_finds_fault_with_is_told_in_one_line(
    hub: LoopbackHub, client: Client, dataset: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE + '[card]\nlicense = "my-licence"\n')
    build_dataset(read_recipe(recipe), dataset.parent / "store", tmp_path / "d")
    (problem,) = client.push(tmp_path / "d")["problems"]
    assert "license" in problem["what"]
    assert problem["fix"] == "fix the recipe's [card]"
    assert set(hub.files("org/toy")) == {".gitattributes"}


def test_a_version_never_changes(hub: LoopbackHub, client: Client, dataset: Path, changed: tuple[Path, str]) -> None:
    client.push(dataset)
    told = client.push(changed[0], "--version", "v1.0.0")
    assert "v1.0.0 is published with other content" in told["problems"][0]["what"]
    assert whole(hub, "1.0.0")


def test_files_that_went_are_removed_and_those_of_others_stay(hub: LoopbackHub, client: Client, dataset: Path) -> None:
    client.push(dataset)
    hub.write("org/toy", "pairs/train-00000-of-00002.parquet", b"PAR1 of an older layout")
    hub.write("org/toy", "discussion/plot.png", b"png")
    told = client.push(dataset, "--version", "v1.0.1")
    assert told["public"]["delete"] == ["pairs/train-00000-of-00002.parquet"]
    assert "discussion/plot.png" in hub.files("org/toy")
    assert "pairs/train-00000-of-00002.parquet" not in hub.files("org/toy")


def test_private_outcomes_go_to_a_gated_repository(
    hub: LoopbackHub, client: Client, dataset: Path, tmp_path: Path
) -> None:
    assert client.push(dataset, "--private-outcomes", "org/toy-test")["code"] == 0
    private = hub.repo("org/toy-test")
    assert (private.private, private.gated) == (True, "manual")
    public = hub.files("org/toy")
    pairs = pd.read_parquet(io.BytesIO(public["pairs/test-00000-of-00001.parquet"]))
    hidden = ["small_score", "large_score", *(f"label_mes_{mes}" for mes in range(1, 11))]
    assert pairs[hidden].isna().all(axis=None)
    outcomes = pd.read_parquet(io.BytesIO(public["outcomes/test-00000-of-00001.parquet"]))
    assert set(outcomes["status"]) == {"private"}
    assert outcomes[["response", "score", "judge", "output_tokens"]].isna().all(axis=None)
    truth = pd.read_parquet(next((dataset / "outcomes").glob("test-*")))
    secret = pd.read_parquet(io.BytesIO(hub.files("org/toy-test")["outcomes/test-00000-of-00001.parquet"]))
    assert secret["score"].equals(truth["score"])
    assert secret["response"].isna().sum() > 0, "a closed source stays closed among scorers"
    train = pd.read_parquet(io.BytesIO(public["pairs/train-00000-of-00001.parquet"]))
    assert train[hidden].notna().all(axis=None)
    assert "`org/toy-test`" in public["README.md"].decode()
    code = """import rsd_bench as rsd
d = rsd.load("org/toy", mes=6.5)
out = [d["test"]["label"][:], d["train"]["label"][:]]"""
    test, train_labels = client.python(code)
    assert set(test) == {None}
    assert set(train_labels) == {0, 1}
    difference = client.json("data", "diff", dataset, "org/toy")
    assert difference["change"] == "none"
    client.python("from huggingface_hub import HfApi; HfApi().create_repo('org/open', repo_type='dataset')")
    told = client.push(dataset, "--private-outcomes", "org/open", "--version", "v1.0.1")
    assert "is open to everybody" in told["problems"][0]["what"]


def test_a_model_is_published_with_card_and_results_in_one_commit(
    hub: LoopbackHub, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "router").mkdir()
    (tmp_path / "router" / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    (tmp_path / "router" / "config.json").write_text("{}")
    code = f"""
from pathlib import Path
from rsd_bench.hub.eval_results import eval_result_files, read_result
from rsd_bench.hub.push import publish_model
files = eval_result_files(read_result(Path({str(ROOT / "leaderboard")!r}), "statistics-logistic"), "org/toy")
card = "---\\nlicense: apache-2.0\\n---\\n# Router\\n"
out = publish_model(Path({str(tmp_path / "router")!r}), "org/router", card, files, message="Router")
"""
    commit = client.python(code)
    repo = hub.repo("org/router", "model")
    assert [c.title for c in repo.commits.values()] == ["initial commit", "Router"]
    assert commit == repo.refs["refs/heads/main"]
    files = hub.files("org/router", kind="model")
    assert {"README.md", "config.json", "model.safetensors", ".eval_results/toy.yaml"} <= files.keys()


def test_a_router_is_pushed_and_loads_from_there(hub: LoopbackHub, tmp_path: Path) -> None:
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.features.feature_table import read_features
    from rsd_bench.routers.checkpoint import train_checkpoint
    from rsd_bench.routers.network import ReferenceRouter
    from rsd_bench.routers.reference_training import Settings

    benchmark = open_benchmark(dataset_folder())
    features, settings = read_features(benchmark), Settings(epochs=1)
    options = {"scenario": "low_energy", "track": "chart-to-photo", "settings": settings, "progress": False}
    train_checkpoint(tmp_path / "router", benchmark, features, **options)
    arguments = ("router", "push", tmp_path / "router", "org/my-router")
    results = ("--slug", "reference", "--dataset", "org/rsd-open", "--board", ROOT / "leaderboard")
    with Client(hub, tmp_path / "home") as own:  # torch would stay in the memory that other tests measure
        assert own.json(*arguments)["dry_run"] is True and hub.log == []
        told = own.json(*arguments, *results, "--no-dry-run")
        code = """
import rsd_bench as rsd
router = rsd.ReferenceRouter.from_pretrained("org/my-router")
out = [router.scenario["name"], router.tau]"""
        loaded = own.python(code)
    files = hub.files("org/my-router", kind="model")
    local = {path.name: path.read_bytes() for path in (tmp_path / "router").iterdir()}
    assert told["commit"] and {name: files[name] for name in local} == local
    assert ".eval_results/rsd-open.yaml" in files and "[More Information Needed]" not in local["README.md"].decode()
    assert loaded == ["low_energy", ReferenceRouter.from_pretrained(tmp_path / "router").tau]


def test_a_folder_with_problems_is_not_pushed(hub: LoopbackHub, client: Client, dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "broken")
    (tmp_path / "broken" / "README.md").write_text("no card")
    told = client.push(tmp_path / "broken")
    assert told["code"] == 1
    assert any("README.md" in problem["where"] for problem in told["problems"])
    assert hub.log == []


def test_publication_is_sound_and_reproducible(dataset: Path, tmp_path: Path) -> None:
    from rsd_bench.hub.publication import Version, write_publication

    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        write_publication(dataset, folder, "org/toy", Version(1, 0, 0))
        assert check_dataset(folder) == []
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert first == second
    assert read_manifest(folders[0])["withheld"] == ["closed"]


@pytest.mark.parametrize("more", [["--dry-run"], ["--no-dry-run"]])
def test_private_outcomes_never_go_to_the_public_repository(
    hub: LoopbackHub, client: Client, dataset: Path, more: list[str]
) -> None:
    """One name for both would have published the private scores of the test split."""
    told = client.run("data", "push", dataset, "org/same", "--private-outcomes", "Org/Same", *more)
    assert told["code"] == 1
    assert "org/same would get the public files and the private outcomes -> name another repository" in told["err"]
    assert hub.repos == {}

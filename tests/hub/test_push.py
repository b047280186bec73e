"""Publishing in several commits left a card that disagreed with its files (datasets#7600, #7777): what a push sends is
one commit and a tag, or nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import RECIPE
from hub_client import Client, environment
from hub_datasets import changed, dataset, records, root  # noqa: F401 (fixtures)
from hub_server import READ, Fault, LoopbackHub

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.dataset.check_dataset import check_dataset


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

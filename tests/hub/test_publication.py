"""A licence that forbids re-hosting holds for every byte that is sent, and private outcomes go to scorers only."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import Records
from hub_client import Client
from hub_datasets import CLOSED_SENTENCE, dataset, records, root  # noqa: F401 (fixtures)
from hub_server import LoopbackHub

from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import read_manifest


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


@pytest.mark.parametrize("more", [["--dry-run"], ["--no-dry-run"]])
def test_private_outcomes_never_go_to_the_public_repository(
    hub: LoopbackHub, client: Client, dataset: Path, more: list[str]
) -> None:
    """One name for both would have published the private scores of the test split."""
    told = client.run("data", "push", dataset, "org/same", "--private-outcomes", "Org/Same", *more)
    assert told["code"] == 1
    assert "org/same would get the public files and the private outcomes -> name another repository" in told["err"]
    assert hub.repos == {}


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
    assert read_manifest(folders[0]).withheld == ("closed",)

"""Private outcomes over several pushes: a new key of the noise each time would give new noise to equal questions, whose
mean tells what it hides; and outcomes that were private went to everybody with the first push that forgot the option.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hub_client import Client
from hub_server import LoopbackHub
from private_builds import Row, build_live, ids_in_test

KEY = "noise.key"
PRIVATE = ("--private-outcomes", "org/toy-test")


def one_point_less(row: Row) -> bool:
    row["score"] = max(row["score"] - 1, 0.0)
    row["calls"] = [row["score"]] * 2 if row["calls"] else None
    return True


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_live(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    """The same but for its test outcomes."""
    return build_live(tmp_path_factory.mktemp("other"), one_point_less, ids_in_test(built))


def test_the_key_is_made_once(hub: LoopbackHub, client: Client, built: Path, other: Path) -> None:
    assert client.push(built, *PRIVATE)["code"] == 0
    key = hub.files("org/toy-test")[KEY]
    assert len(bytes.fromhex(key.decode())) == 32
    assert KEY not in hub.files("org/toy")
    assert client.push(other, *PRIVATE, "--version", "v2.0.0")["code"] == 0
    assert hub.files("org/toy-test")[KEY] == key
    moved = client.push(other, "--private-outcomes", "org/moved", "--version", "v2.0.1")
    assert moved["code"] == 0
    assert hub.files("org/moved")[KEY] == key, "where outcomes move, their key goes with them"
    private = json.loads(hub.files("org/moved")["manifest.json"])
    assert private["of_manifest"] == moved["manifest_sha256"]
    client.python(f"from huggingface_hub import HfApi; HfApi().delete_file({KEY!r}, 'org/moved', repo_type='dataset')")
    lost = client.push(built, "--private-outcomes", "org/moved", "--version", "v3.0.0")
    assert [problem["what"] for problem in lost["problems"]] == [f"has lost its {KEY}"]


def test_the_key_of_an_older_ledger_is_kept(hub: LoopbackHub, client: Client, built: Path) -> None:
    ledger = json.dumps({"key": "cd" * 32}) + "\n"
    client.python(f"""from huggingface_hub import HfApi
api, of = HfApi(), {{"repo_id": "org/toy-test", "repo_type": "dataset"}}
api.create_repo(**of, private=True)
api.upload_file(path_or_fileobj={ledger.encode()!r}, path_in_repo="ledger.jsonl", **of)
""")
    assert client.push(built, *PRIVATE)["code"] == 0
    held = hub.files("org/toy-test")
    assert held[KEY].decode() == "cd" * 32 + "\n"
    assert held["ledger.jsonl"].decode() == ledger


def test_private_outcomes_stay_private(hub: LoopbackHub, client: Client, built: Path) -> None:
    assert client.push(built, *PRIVATE)["code"] == 0
    before = hub.files("org/toy")
    told = client.push(built, "--version", "v1.0.1")
    (problem,) = told["problems"]
    assert problem["what"] == "keeps its test outcomes private, in org/toy-test"
    assert problem["fix"].startswith("give --private-outcomes org/toy-test")
    assert hub.files("org/toy") == before


def test_a_version_never_changes_on_either_side(hub: LoopbackHub, client: Client, built: Path, other: Path) -> None:
    """The public side looks the same whatever the outcomes are, and so cannot show that they are others."""
    assert client.push(built, *PRIVATE)["code"] == 0
    client.python("""from huggingface_hub import HfApi
HfApi().upload_file(path_or_fileobj=b"{}", path_in_repo="ledger.jsonl", repo_id="org/toy-test", repo_type="dataset")
""")
    again = client.push(built, *PRIVATE)
    assert (again["code"], again["already_published"]) == (0, True)
    assert "ledger.jsonl" in hub.files("org/toy-test")
    assert client.json("data", "diff", built, "org/toy")["change"] == "none"
    differs = client.json("data", "diff", other, "org/toy")
    assert (differs["change"], differs["files"]) == ("major", ["private test outcomes"])
    told = client.push(other, *PRIVATE)
    assert told["code"] == 1
    assert told["problems"][0]["where"] == "org/toy-test"
    assert told["problems"][0]["what"].startswith("v1.0.0 is published with other content")

"""A dataset is known by the hash of its manifest: read and written again, no byte of it may change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import LITE

from rsd_bench.dataset.manifest import FileEntry, Manifest, PrivateOutcomes, read_manifest, to_bytes
from rsd_bench.types import InputError


def test_a_manifest_is_written_as_it_was_read(toy_dataset: Path) -> None:
    for folder in (LITE, toy_dataset):
        assert to_bytes(read_manifest(folder).to_dict()) == (folder / "manifest.json").read_bytes()


def test_what_a_later_version_adds_is_kept_in_its_place() -> None:
    document = {"later": [1], **read_manifest(LITE).to_dict()}
    document["sources"]["dynamath"]["seeds"] = {"a": 1}
    assert to_bytes(Manifest.from_dict(document).to_dict()) == to_bytes(document)


def test_new_keys_follow_the_old_ones_and_files_are_last() -> None:
    old = read_manifest(LITE)
    secret = PrivateOutcomes("org/test", "0" * 64)
    new = replace(old, repository="org/x", withheld=("dynamath",), private_outcomes=secret, benchmark=False)
    keys = list(old.to_dict())
    added = ["repository", "withheld", "private_outcomes", "benchmark"]
    assert list(new.to_dict()) == [*keys[:-1], *added, "files"]
    assert Manifest.from_dict(new.to_dict()).to_dict() == new.to_dict()
    assert "files" not in replace(old, files={}).to_dict()
    assert replace(old, files={"a": FileEntry("0", 1)}).to_dict()["files"] == {"a": {"sha256": "0", "bytes": 1}}


@pytest.mark.parametrize(
    "broken", [{"pair": None}, {"pair": {"small": "a"}}, {"tracks": ["x"]}, {"sources": {"s": {}}}, {"missing": [1]}]
)
def test_a_document_of_another_form_is_no_manifest(tmp_path: Path, broken: dict[str, Any]) -> None:
    document = json.loads((LITE / "manifest.json").read_bytes()) | broken
    (tmp_path / "manifest.json").write_bytes(to_bytes(document))
    with pytest.raises(InputError, match="is not a dataset manifest"):
        read_manifest(tmp_path)

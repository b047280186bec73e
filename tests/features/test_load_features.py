"""`rsd.load_features`: whoever trains outside of the package had to copy its loaders to see what routers see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import rsd_bench as rsd
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.encode import encode_dataset
from rsd_bench.features.ngrams import count_ngrams
from rsd_bench.types import InputError


def test_features_of_the_embedded_dataset() -> None:
    features = rsd.load_features()
    assert isinstance(features, rsd.Features)
    ids = [row for split in ("train", "validation", "test") for row in rsd.load(split=split)["query_id"]]
    assert features.query_ids.tolist() == ids and len(features) == len(ids)
    blocks = features.blocks
    assert {name: block.shape for name, block in blocks.items()} == {
        "image": (len(ids), 384),
        "text": (len(ids), 384),
        "ngrams": (len(ids), 262_144),
        "statistics": (len(ids), 27),
    }
    assert all(block.dtype == np.float32 for block in blocks.values()) and sparse.issparse(blocks["ngrams"])
    for split in ("train", "validation", "test"):
        part, rows = rsd.load_features(split=split), rsd.load(split=split)
        assert part.query_ids.tolist() == list(rows["query_id"]) and part.domains.tolist() == list(rows["domain"])
        assert (part.blocks["text"] == blocks["text"][np.isin(ids, rows["query_id"])]).all()


def test_features_of_a_store(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no encoder features -> make them: rsd-bench features encode"):
        rsd.load_features(toy_dataset, store=tmp_path)
    encode_dataset(toy_dataset, tmp_path, None, None)
    features = rsd.load_features(toy_dataset, "test", store=tmp_path)
    questions = {row["query_id"]: row["question"] for row in read_table(toy_dataset, "pairs").to_pylist()}
    assert sorted(features.blocks) == ["ngrams", "statistics"]
    assert (features.ngrams != count_ngrams([questions[query_id] for query_id in features.query_ids])).nnz == 0


def test_a_dataset_without_features_has_what_it_says_itself(toy_dataset: Path, tmp_path: Path) -> None:
    encode_dataset(toy_dataset, tmp_path, None, None)
    own, stored = rsd.load_features(toy_dataset), rsd.load_features(toy_dataset, store=tmp_path)
    assert own.spec == stored.spec and sorted(own.blocks) == ["ngrams", "statistics"]
    assert (own.ngrams != stored.ngrams).nnz == 0 and own.query_ids.tolist() == stored.query_ids.tolist()
    assert (own.blocks["statistics"] == stored.blocks["statistics"]).all()
    with pytest.raises(InputError, match="have no image vectors -> encode the full edition: rsd-bench features encode"):
        own.matrix(("image",))


def test_rows_keep_their_ids() -> None:
    features = rsd.load_features(split="test")
    some = features.take(np.array([3, 1]))
    assert some.query_ids.tolist() == features.query_ids[[3, 1]].tolist()
    assert some.join(some.take(np.array([0]))).query_ids.tolist() == features.query_ids[[3, 1, 3]].tolist()
    assert some.only(("text",)).query_ids.tolist() == some.query_ids.tolist()
    assert rsd.Features({}, np.full(2, "", object), features.spec).query_ids.tolist() == ["", ""]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="split: 'tests' is none of train, validation, test"):
        rsd.load_features(split="tests")
    with pytest.raises(InputError, match="is neither a folder nor a Hub id"):
        rsd.load_features("no such place")


def test_it_loads_neither_torch_nor_datasets() -> None:
    script = "import sys, rsd_bench as rsd; rsd.load_features(); assert not {'torch', 'datasets'} & set(sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr

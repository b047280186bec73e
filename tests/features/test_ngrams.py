"""Counts of n-grams: what is stored is what was counted, on every machine, and nothing else is taken for it.

Guards against a hash that moves between versions (a router would read other words than it learned), against counts that
do not belong to their query, and against features that lack them and give a number all the same.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import call_cli

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import NGRAM_BUCKETS
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.blocks import NGRAMS, Features, FeatureSpec, NgramSpec
from rsd_bench.features.encode import encode_dataset
from rsd_bench.features.feature_table import read_features
from rsd_bench.features.ngrams import COLUMNS, bucket_of, count_ngrams, ngram_block, ngram_columns, ngrams_of
from rsd_bench.types import InputError


@pytest.fixture(scope="module")
def store(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of n-grams alone."""
    out = tmp_path_factory.mktemp("ngrams")
    encode_dataset(toy_dataset, out, None, None)
    return out


def test_words_signs_and_neighbours_of_the_folded_text() -> None:
    assert ngrams_of("Is x=1,5?") == [
        *("is", "x", "=", "1", ",", "5", "?"),
        *("is x", "x =", "= 1", "1 ,", ", 5", "5 ?"),
    ]
    assert ngrams_of("STRASSE") == ngrams_of("Straße") == ["strasse"]
    assert ngrams_of("日本 how_many") == ["日本", "how_many", "日本 how_many"]
    assert ngrams_of("") == ngrams_of(" \n") == []


def test_buckets_are_the_same_everywhere() -> None:
    """CRC-32 of 123456789 is the check value that every implementation publishes."""
    assert bucket_of("123456789") == 0xCBF43926 & (NGRAM_BUCKETS - 1)
    assert [bucket_of(word) for word in ("how", "how many", "日本", "\ud800")] == [118909, 150382, 249292, 42280]


def test_the_hash_spreads_as_one_at_random_would() -> None:
    words = {f"{a}{b}" for a in ("area", "graph", "x", "ist", "9") for b in range(8_000)}
    distinct = len({bucket_of(word) for word in words})
    expected = NGRAM_BUCKETS * (1 - (1 - 1 / NGRAM_BUCKETS) ** len(words))
    assert distinct > 0.98 * expected


def test_counts_of_each_question() -> None:
    counts = count_ngrams(["a a b", "", "b"])
    assert counts.shape == (3, NGRAM_BUCKETS) and counts.dtype == np.float32
    dense = {word: counts[:, [bucket_of(word)]].toarray().ravel().tolist() for word in ("a", "b", "a a", "a b")}
    assert dense == {"a": [2, 0, 0], "b": [1, 0, 1], "a a": [1, 0, 0], "a b": [1, 0, 0]}
    assert counts.indptr.tolist() == [0, 4, 4, 5]


def test_a_store_of_words_alone_is_read_as_it_was_counted(toy_dataset: Path, store: Path) -> None:
    benchmark = open_benchmark(toy_dataset)
    features = read_features(benchmark, store)
    rows = {row["query_id"]: row["question"] for row in read_table(toy_dataset, "pairs").to_pylist()}
    expected = count_ngrams([rows[query_id] for query_id in benchmark.queries["query_id"]])
    assert (features.ngrams != expected).nnz == 0 and features.ngrams.nnz > 300
    assert set(features.blocks) == {NGRAMS, "statistics"} and features.spec.image is features.spec.text is None
    assert features.known(("statistics",)).all()
    assert FeatureSpec.from_dict(json.loads(json.dumps(features.spec.to_dict()))) == features.spec


def test_written_twice_the_bytes_are_equal_and_hold_no_order(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    encode_dataset(toy_dataset, tmp_path, None, None)
    one, two = ({p.name: p.read_bytes() for p in (where / "features").iterdir()} for where in (store, tmp_path))
    assert one == two and len(one) == 4
    table = read_table(store, "features")
    assert table.column_names == ["query_id", *COLUMNS]
    assert all(row == sorted(row) for row in table.column("ngram_buckets").to_pylist())


def test_taking_and_joining(toy_dataset: Path, store: Path) -> None:
    features = read_features(open_benchmark(toy_dataset), store)
    rows = np.array([5, 3, 4, 0])
    joined = features.take(rows).join(features.take(np.array([1])))
    assert (joined.ngrams != features.ngrams[[5, 3, 4, 0, 1]]).nnz == 0
    assert joined.ngrams.format == "csr" and len(joined) == 5
    assert joined.matrix(("statistics",)).shape == (5, 27)
    with pytest.raises(ValueError, match=r"read features\.ngrams"):
        joined.matrix((NGRAMS,))
    with pytest.raises(InputError, match="features: have no image vectors -> encode"):
        joined.matrix()


def test_features_without_them_say_how_to_get_them() -> None:
    embedded = read_features(open_benchmark(dataset_folder()))
    blocks = {name: block for name, block in embedded.blocks.items() if name != NGRAMS}
    features = replace(embedded, blocks=blocks, spec=replace(embedded.spec, ngrams=None))
    assert NGRAMS in embedded.spec.to_dict() and NGRAMS not in features.spec.to_dict()
    with pytest.raises(InputError, match=r"^features: have no n-grams -> encode .* features encode DATA --out STORE"):
        _ = features.ngrams
    assert features.spec.difference(Features({}, features.domains, FeatureSpec(None, None)).spec) == "no image vectors"
    wanting = FeatureSpec(features.spec.image, features.spec.text, ngrams=NgramSpec())
    assert wanting.difference(features.spec) is None
    assert wanting.difference(features.spec, (NGRAMS,)) == "no n-grams"


def test_an_edition_carries_them_on(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    recipe = read_recipe(toy_dataset.parent / "recipe.toml")
    build_dataset(recipe, toy_dataset.parent / "store", tmp_path / "lite", lite=True, features=store)
    assert check_dataset(tmp_path / "lite") == []
    carried, before = (read_features(open_benchmark(toy_dataset), where) for where in (tmp_path / "lite", store))
    assert (carried.ngrams != before.ngrams).nnz == 0


def test_the_command_needs_no_encoder(toy_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    options = ("--image-encoder", "none", "--text-encoder", "none", "--out", tmp_path / "store")
    done = call_cli("features", "encode", toy_dataset, *options)
    assert done.returncode == 0 and done.stdout.startswith("n-grams   of 1 and 2 tokens, 262,144 buckets\n")
    assert read_features(open_benchmark(toy_dataset), tmp_path / "store").ngrams.nnz


def test_columns_hold_what_they_are_given() -> None:
    questions = ["How many?", "", "many many"]
    again, counted = ngram_block(pa.table(ngram_columns(questions))), count_ngrams(questions)
    assert (again != counted).nnz == 0 and again.indptr.tolist() == counted.indptr.tolist()


@pytest.mark.parametrize(
    ("buckets", "counts"),
    [
        ([[3, 3]], [[1, 1]]),
        ([[5, 3]], [[1, 1]]),
        ([[-1]], [[1]]),
        ([[NGRAM_BUCKETS]], [[1]]),
        ([[3]], [[0]]),
        ([[3]], [[-2]]),
        ([[3, 4]], [[1]]),
        ([[3], [4]], [[1, 1], []]),
        ([None], [[1]]),
        ([[None]], [[1]]),
        ([[3], None], [[1], None]),
    ],
)
def test_lists_that_are_no_counts_are_refused(
    toy_dataset: Path, store: Path, tmp_path: Path, buckets: list, counts: list
) -> None:
    lists = pa.list_(pa.int32())
    table = pa.table({name: pa.array(of, lists) for name, of in zip(COLUMNS, (buckets, counts), strict=True)})
    with pytest.raises(ValueError, match="n-grams"):
        ngram_block(table)
    folder = shutil.copytree(store, tmp_path / "store")
    shard = next((folder / "features").glob("test-*"))
    whole = pq.read_table(shard)
    rows = whole.to_pylist()
    for row, *of in zip(rows, buckets, counts, strict=False):
        row |= dict(zip(COLUMNS, of, strict=True))
    pq.write_table(pa.Table.from_pylist(rows, whole.schema), shard)
    with pytest.raises(InputError, match=r"n-grams .* -> encode the features again"):
        read_features(open_benchmark(toy_dataset), folder)


def test_other_types_and_other_versions_are_refused(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no lists of int32"):
        ngram_block(pa.table({name: pa.array([["a"]]) for name in COLUMNS}))
    folder = shutil.copytree(store, tmp_path / "store")
    spec = json.loads((folder / "features" / "spec.json").read_text())
    for changed in ({"version": 2}, {"buckets": 4_096}, {"orders": [1]}, {"hash": "murmur"}, {"orders": None}):
        (folder / "features" / "spec.json").write_text(json.dumps(spec | {NGRAMS: spec[NGRAMS] | changed}))
        with pytest.raises(InputError, match=r"spec\.json: cannot be read.* -> encode the features again"):
            read_features(open_benchmark(toy_dataset), folder)

"""Features of queries without an image, and of those with several.

Guards against a missing image that is learned from as if it were black, against NaN on the way to a decision, and
against figures of datasets in which every query has one image that move by a bit.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import png
from mixed_media import mixed_dataset

pytest.importorskip("torch")

import torch

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.encode import EncoderChoice, encode_dataset, run_here
from rsd_bench.features.encoders import load_encoder
from rsd_bench.features.feature_table import BLOCKS, Features, copy_features, read_features
from rsd_bench.features.statistics import OF_IMAGE, STATISTIC_NAMES, read_statistics
from rsd_bench.routers.interface import Inputs, TrainingData
from rsd_bench.routers.network import ReferenceRouter
from rsd_bench.routers.pipeline import RouterPipeline
from rsd_bench.routers.reference_training import Settings, train_reference
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.track_training import training_data
from rsd_bench.routers.training_report import report_of
from rsd_bench.types import InputError

QUICK = Settings(epochs=2, patience=2)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in which a third of the queries has no image, a third three. Read only."""
    return mixed_dataset(tmp_path_factory.mktemp("mixed"))


def choices(encoders: dict[str, Path]) -> tuple[EncoderChoice, EncoderChoice]:
    return EncoderChoice("image", str(encoders["image"])), EncoderChoice("text", str(encoders["text"]))


@pytest.fixture(scope="module")
def store(mixed: Path, tiny_encoders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its features."""
    out = tmp_path_factory.mktemp("features")
    encode_dataset(mixed, out, *choices(tiny_encoders), batch=7)
    return out


@pytest.fixture(scope="module")
def features(mixed: Path, store: Path) -> Features:
    return read_features(open_benchmark(mixed), store)


@pytest.fixture(scope="module")
def parts(mixed: Path, features: Features) -> tuple[TrainingData, TrainingData]:
    benchmark, scenario = open_benchmark(mixed), SCENARIOS["fast_response"]
    train, validation = (
        training_data(benchmark, features, "in-domain", split, scenario) for split in ("train", "validation")
    )
    return train, validation


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Queries in the order of the features."""
    rows = {row["query_id"]: row for row in read_table(folder, "pairs").to_pylist()}
    return [rows[query_id] for query_id in open_benchmark(folder).queries["query_id"]]


def test_absent_is_null_on_disk_and_zero_in_memory(mixed: Path, store: Path, features: Features) -> None:
    queries = rows_of(mixed)
    has_image = np.array([row["image"] is not None for row in queries])
    assert 0.3 < has_image.mean() < 0.7
    vectors = {row["query_id"]: row for row in read_table(store, "features").to_pylist()}
    assert [vectors[row["query_id"]]["image"] is not None for row in queries] == has_image.tolist()
    assert all(row["text"] is not None for row in vectors.values())
    assert (features.present["image"] == has_image).all()
    assert features.present["text"].all() and features.present["statistics"].all()
    image, statistics = features.blocks["image"], features.blocks["statistics"]
    assert (image[~has_image] == 0).all() and (image[has_image] != 0).any(axis=1).all()
    assert (statistics[~has_image][:, OF_IMAGE] == 0).all()
    assert (statistics[has_image][:, STATISTIC_NAMES.index("width")] > 0).all()
    assert (statistics[:, STATISTIC_NAMES.index("words")] > 0).all()
    assert np.isfinite(features.matrix()).all()


def test_several_images_have_the_mean_of_their_vectors(
    mixed: Path, features: Features, tiny_encoders: dict[str, Path]
) -> None:
    encoder = load_encoder("image", str(tiny_encoders["image"]))
    for i, row in enumerate(rows_of(mixed)[:30]):
        if images := row["images"] or [row["image"]] * (row["image"] is not None):
            alone = np.stack([encoder.encode([image["bytes"]])[0].astype(np.float64) for image in images])
            np.testing.assert_allclose(features.blocks["image"][i], alone.mean(axis=0), atol=4e-3)


def test_a_second_run_encodes_nothing_and_each_content_was_encoded_once(
    mixed: Path, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    seen: list[str] = []

    def counting(choice: EncoderChoice, encoder: Any, batches: Any) -> Any:
        for batch, vectors in run_here(choice, encoder, batches):
            seen.extend((choice.kind, key) for key in batch.keys)
            yield batch, vectors

    for expected in (True, False):
        seen.clear()
        encode_dataset(mixed, tmp_path, *choices(tiny_encoders), engine=counting)
        assert bool(seen) == expected and len(set(seen)) == len(seen)
    images = {image["bytes"] for row in rows_of(mixed) for image in (row["images"] or [row["image"]]) if image}
    encode_dataset(mixed, tmp_path / "again", *choices(tiny_encoders), engine=counting)
    assert sum(kind == "image" for kind, _ in seen) == len(images)


def test_an_edition_carries_nulls_on(mixed: Path, store: Path, features: Features, tmp_path: Path) -> None:
    recipe, lite = read_recipe(mixed.parent / "recipe.toml"), tmp_path / "lite"
    build_dataset(recipe, mixed.parent / "store", lite, lite=True, features=store)
    assert check_dataset(lite) == []
    carried = read_features(open_benchmark(lite))
    for name in BLOCKS:
        assert carried.blocks[name].tobytes() == features.blocks[name].tobytes()
        assert (carried.present[name] == features.present[name]).all()


def test_vectors_of_another_dataset_are_refused(mixed: Path, toy_dataset: Path, store: Path) -> None:
    with pytest.raises(InputError, match=r"image vectors of \d+ queries do not fit the dataset, the first of 'toy/"):
        read_features(open_benchmark(toy_dataset), store)


@pytest.mark.parametrize("change", ["numbers of none", "none of numbers"])
def test_statistics_and_images_agree(mixed: Path, tmp_path: Path, change: str) -> None:
    folder = shutil.copytree(mixed, tmp_path / "data")
    shard = next((folder / "pairs").glob("test-*"))
    table = pq.read_table(shard)
    rows = table.to_pylist()
    row = next(row for row in rows if (row["image_sha256"] is None) == (change == "numbers of none"))
    row["image_sha256"] = "a" * 64 if row["image_sha256"] is None else None
    pq.write_table(table.from_pylist(rows, table.schema), shard)
    with pytest.raises(InputError, match="statistics are missing or no numbers"):
        read_statistics(folder)


def test_taking_and_joining_keep_what_is_present(features: Features) -> None:
    rows = np.array([5, 3, 4, 0])
    taken = features.take(rows)
    assert (taken.present["image"] == features.present["image"][rows]).all()
    joined = taken.join(features.take(np.array([1])))
    assert joined.present["image"].tolist() == [*taken.present["image"], features.present["image"][1]]
    assert joined.known().shape == joined.matrix().shape
    assert (joined.matrix()[~joined.known()] == 0).all()


@pytest.mark.parametrize("name", list(ROUTERS))
def test_every_router_learns_and_decides_on_mixed_modalities(
    parts: tuple[TrainingData, TrainingData], name: str
) -> None:
    train, validation = parts
    if name == "reference":
        trained = train_reference(train, validation, QUICK)
        assert np.isfinite([figure for epoch in trained.history for figure in vars(epoch).values()]).all()
        assert all(np.isfinite(signature.figure) for signature in report_of(trained, validation).signatures)
        router: Any = trained.router
    else:
        router = ROUTERS[name].make(0).fit(train, validation)
        assert 0 <= router.threshold(validation) <= 1.01
    p = router.predict_p_edge(validation.features)
    assert np.isfinite(p).all() and 0 <= p.min() <= p.max() <= 1
    whole = replace(validation.features, present={})  # as if each had an image, a black one
    absent = ~validation.features.present["image"]
    if "image" in ROUTERS[name].blocks and name != "ngram+encoders":  # to which black is as far from all as absent
        assert (router.predict_p_edge(whole)[absent] != p[absent]).any()


@pytest.mark.parametrize("name", list(ROUTERS))
def test_a_router_that_never_lacked_an_image_decides_without_one(
    parts: tuple[TrainingData, TrainingData], name: str
) -> None:
    seen = [part.take(np.flatnonzero(part.features.present["image"])) for part in parts]
    lacking = parts[1].features.take(np.flatnonzero(~parts[1].features.present["image"]))
    router: Any = train_reference(*seen, QUICK).router if name == "reference" else ROUTERS[name].make(0).fit(*seen)
    p = router.predict_p_edge(lacking)
    assert np.isfinite(p).all() and 0 <= p.min() <= p.max() <= 1


def test_what_is_absent_is_no_figure_of_the_scaling(parts: tuple[TrainingData, TrainingData]) -> None:
    """Zeros of absent images were part of the mean and the deviation that every present one was scaled by."""
    train = parts[0].features
    there = train.present["image"]
    inputs, alone = Inputs.fit(train, ("image",)), train.blocks["image"][there].astype(np.float64)
    np.testing.assert_allclose(inputs.scaler.mean[:-1], alone.mean(axis=0), rtol=1e-9, atol=1e-12)
    scaled = inputs(train)
    np.testing.assert_allclose(scaled[there, :-1].mean(axis=0), 0, atol=1e-6)
    assert (scaled[~there, :-1] == 0).all()
    assert len(np.unique(scaled[:, -1])) == 2  # the column that tells them apart
    assert Inputs.fit(train, ("text",))(train).shape[1] == train.blocks["text"].shape[1]  # nothing absent, no column


def test_an_absent_token_is_not_attended_to(parts: tuple[TrainingData, TrainingData]) -> None:
    router = train_reference(*parts, QUICK).router
    features = parts[1].features
    there = features.present["image"]
    noise = features.blocks["image"] + np.where(there, 0, 9)[:, None].astype(np.float32)
    p = router.predict_p_edge(features)
    assert (router.predict_p_edge(replace(features, blocks={**features.blocks, "image": noise})) == p).all()
    lacking = features.take(np.flatnonzero(~there))
    with torch.inference_mode():
        scaled = dict(zip(BLOCKS, router.scale(lacking), strict=True))
        two = [router.project[name](scaled[name]) + router.modality[name] for name in ("text", "statistics")]
        alone = router.head(router.encoder(torch.stack(two, dim=1)).mean(dim=1)).squeeze(-1)
        torch.testing.assert_close(router.logits(lacking), alone, atol=1e-5, rtol=1e-5)
    only = train_reference(*parts, replace(QUICK, blocks=("image",))).router  # no token at all is left of some queries
    assert np.isfinite(only.predict_p_edge(features)).all()


def test_the_pipeline_sees_what_the_dataset_saw(
    mixed: Path,
    features: Features,
    parts: tuple[TrainingData, TrainingData],
    tiny_encoders: dict[str, Path],
    tmp_path: Path,
) -> None:
    trained = train_reference(*parts, QUICK).router
    trained.save_pretrained(tmp_path / "router")
    encoders = [load_encoder(kind, str(tiny_encoders[kind])) for kind in ("image", "text")]
    pipeline = RouterPipeline(ReferenceRouter.from_pretrained(tmp_path / "router"), *encoders)
    rows, expected = rows_of(mixed)[:12], trained.predict_p_edge(features)[:12]
    for i, row in enumerate(rows):
        images = [image["bytes"] for image in row["images"] or [row["image"]] if image]
        given = images if len(images) > 1 else images[0] if images else None
        made = pipeline.features([given], [row["question"]])
        assert made.present["image"].tolist() == [bool(images)]
        for name in BLOCKS:
            np.testing.assert_allclose(made.blocks[name][0], features.blocks[name][i], atol=4e-3)
        decision = pipeline.route(given, row["question"])
        assert decision.p_edge == pytest.approx(expected[i], abs=2e-3)
    several = pipeline.features([[png(1), png(2)], None, png(3)], ["a", "b", "c"])
    assert several.present["image"].tolist() == [True, False, True]
    np.testing.assert_array_equal(several.blocks["image"][1], 0)
    assert pipeline.route(image=None, question="Why?") == pipeline.route([], "Why?")
    (tmp_path / "a.png").write_bytes(png(1))
    assert pipeline.route([tmp_path / "a.png", png(2)], "?").p_edge == pipeline.route([png(1), png(2)], "?").p_edge
    with pytest.raises(InputError, match="absent"):
        pipeline.route([png(1), tmp_path / "absent.png"], "?")


def test_figures_of_datasets_that_lack_nothing_stay_to_the_bit() -> None:
    """v_stat, matrix and scaling of the embedded edition are what they were before anything could be absent."""
    benchmark = open_benchmark(dataset_folder())
    features = read_features(benchmark)
    assert all(there.all() for there in features.present.values())
    statistics = [row["statistics"] for row in rows_of(dataset_folder())]
    for name in ("width", "words", "contrast", "grey_entropy"):
        values = np.array([row[name] for row in statistics])
        values = np.log1p(values) if name in ("width", "words") else values
        assert (features.blocks["statistics"][:, STATISTIC_NAMES.index(name)] == values.astype(np.float32)).all()
    table = read_table(dataset_folder(), "features", ["query_id", "image"])
    flat = table.column("image").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
    assert features.blocks["image"].tobytes() == flat.astype(np.float32).tobytes()
    x = np.hstack([features.blocks[name] for name in BLOCKS]).astype(np.float64)
    train, deviation = x[:300], x[:300].std(axis=0)
    plain = (x - train.mean(axis=0)) / np.where(deviation > 1e-6, deviation, np.inf)
    inputs = Inputs.fit(features.take(np.arange(300)))
    assert inputs(features).tobytes() == plain.tobytes()


def test_the_embedded_features_are_written_as_they_are(tmp_path: Path) -> None:
    shutil.copytree(dataset_folder() / "pairs", tmp_path / "pairs")
    copy_features(dataset_folder(), tmp_path)
    made, held = (
        {path.name: path.read_bytes() for path in sorted((folder / "features").iterdir())}
        for folder in (tmp_path, dataset_folder())
    )
    assert json.loads(made["spec.json"]) == json.loads(held["spec.json"])
    assert made == held

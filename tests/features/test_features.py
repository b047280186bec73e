"""Guards against features that are not what they say: vectors made up for missing weights, a cache that misses what
changed (lm-eval#3881, lighteval#1364: keys without the prompt or the parameters), work lost or done twice."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import png, run_cli
from PIL import Image
from safetensors.torch import load_file, save_file

from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features import encode, encoders
from rsd_bench.features.encode import EncoderChoice, encode_dataset, run_here
from rsd_bench.features.encoders import load_encoder, open_rgb
from rsd_bench.features.feature_table import copy_features, read_features, read_spec
from rsd_bench.generate.queries import bring_queries
from rsd_bench.types import InputError


def choices(encoders: dict[str, Path], pooling: str = "mean") -> tuple[EncoderChoice, EncoderChoice]:
    return tuple(EncoderChoice(kind, str(encoders[kind]), None, pooling) for kind in ("image", "text"))  # type: ignore


def counting(seen: list[int]):
    def run(choice, encoder, batches):
        for batch, vectors in run_here(choice, encoder, batches):
            seen.append(len(batch.keys))
            yield batch, vectors

    return run


def test_every_query_gets_its_own_vectors(toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders), batch=7)
    benchmark = open_benchmark(toy_dataset)
    features = read_features(benchmark, tmp_path)
    assert features.blocks["image"].shape == features.blocks["text"].shape == (300, 16)
    from rsd_bench.dataset.tables import read_table

    rows = read_table(toy_dataset, "pairs", ["query_id", "image", "question"]).to_pylist()
    image, text = (load_encoder(kind, str(tiny_encoders[kind]), pooling="mean") for kind in ("image", "text"))
    for i in (0, 17, 299):
        row = next(row for row in rows if row["query_id"] == benchmark.queries["query_id"].iloc[i])
        alone = image.encode([row["image"]["bytes"]])[0], text.encode([row["question"]])[0]
        for ours, block in zip(alone, ("image", "text"), strict=True):
            np.testing.assert_allclose(features.blocks[block][i], ours.astype(np.float32), atol=2e-3)


def test_second_run_encodes_nothing_and_a_change_encodes_all(
    toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    seen: list[int] = []
    encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders), engine=counting(seen))
    assert sum(seen) == 600
    first = read_features(open_benchmark(toy_dataset), tmp_path)
    seen.clear()
    encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders), engine=counting(seen))
    assert not seen
    encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders, "cls"), engine=counting(seen))
    assert sum(seen) == 600
    second = read_features(open_benchmark(toy_dataset), tmp_path)
    assert first.spec.difference(second.spec) and not np.allclose(first.blocks["image"], second.blocks["image"])


def test_key_follows_weights_and_preprocessing_not_the_path(tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    moved = shutil.copytree(tiny_encoders["image"], tmp_path / "elsewhere")
    key = load_encoder("image", str(tiny_encoders["image"])).spec.key
    assert load_encoder("image", str(moved)).spec.key == key
    settings = json.loads((moved / "preprocessor_config.json").read_text())
    (moved / "preprocessor_config.json").write_text(json.dumps(settings | {"image_mean": [0.1, 0.1, 0.1]}))
    assert load_encoder("image", str(moved)).spec.key != key
    weights = load_file(tiny_encoders["image"] / "model.safetensors")
    weights["embeddings.cls_token"] += 1
    other = shutil.copytree(tiny_encoders["image"], tmp_path / "other")
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    assert load_encoder("image", str(other)).spec.key != key


def test_interrupted_run_keeps_what_it_finished(
    toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    def stops(choice, encoder, batches):
        for i, done in enumerate(run_here(choice, encoder, batches)):
            if i == 5:
                raise KeyboardInterrupt
            yield done

    with pytest.raises(KeyboardInterrupt):
        encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders), batch=10, engine=stops)
    assert not (tmp_path / "features").exists()
    seen: list[int] = []
    encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders), batch=10, engine=counting(seen))
    assert sum(seen) == 600 - 50


def test_missing_weights_are_refused(tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_encoders["image"], tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["embeddings.position_embeddings"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weights.*never made up"):
        load_encoder("image", str(broken))
    with pytest.raises(InputError, match="hf download"):
        load_encoder("image", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="hf download org/absent"):
        load_encoder("text", "org/absent")


@pytest.mark.parametrize("source", ["vit-small-14", "org/absent"])
def test_an_encoder_that_cannot_be_had_is_refused_at_once(source: str, tmp_path: Path) -> None:
    """Each file of a Hub that does not answer was tried for 23 seconds, four files one after another."""
    script = f"""
import time
from rsd_bench.features.encoders import load_encoder
from rsd_bench.types import InputError
start = time.perf_counter()
try:
    load_encoder("image", {source!r})
except InputError as error:
    print(error)
print(time.perf_counter() - start)
"""
    own = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}  # nobody listens there
    hidden = ("http_proxy", "https_proxy", "all_proxy")
    environment = {name: value for name, value in os.environ.items() if name.lower() not in hidden} | own
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    said, seconds = run.stdout.splitlines()
    assert said.startswith(f"{source}: cannot be loaded as image encoder: ") and "hf download" in said
    assert float(seconds) < 10


def test_damaged_cache_and_lite_are_refused(toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders))
    shard = next((tmp_path / "cache").rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(InputError, match="delete this file"):
        encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders))
    with pytest.raises(InputError, match="without images"):
        encode_dataset(dataset_folder(), tmp_path / "lite", *choices(tiny_encoders))


def test_lacking_features_name_the_query(toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    assert "image" not in read_features(open_benchmark(toy_dataset)).blocks
    encode_dataset(toy_dataset, tmp_path, *choices(tiny_encoders))
    next((tmp_path / "features").glob("test-*.parquet")).unlink()
    with pytest.raises(InputError, match=r"lacks features of \d+ queries"):
        read_features(open_benchmark(toy_dataset), tmp_path)
    (tmp_path / "lite" / "pairs").mkdir(parents=True)
    shutil.copy(next((toy_dataset / "pairs").glob("test-*.parquet")), tmp_path / "lite" / "pairs")
    with pytest.raises(InputError, match="lacks features"):
        copy_features(tmp_path, tmp_path / "lite")


def test_transparent_ground_is_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    assert open_rgb(out.getvalue()).getpixel((0, 0)) == (255, 255, 255)
    with pytest.raises(ValueError, match="not an image"):
        open_rgb(b"\x89PNG nothing")


def test_large_images_of_a_batch_do_not_wait_decoded_together(
    tiny_encoders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen photos of 100 megapixels in one batch were 6 GB of pixels."""
    encoder = choices(tiny_encoders)[0].load()
    images, together = [png(seed) for seed in range(5)], list[int]()
    whole, preprocess = encoder.encode(images), encoder._preprocess

    def counted(opened: list[Image.Image], **options: object) -> object:
        together.append(len(opened))
        return preprocess(opened, **options)

    monkeypatch.setattr(encoder, "_preprocess", counted)
    monkeypatch.setattr(encoders, "ENCODER_PIXELS", 24 * 16)
    assert np.array_equal(encoder.encode(images), whole)
    assert together == [2, 2, 1]


def test_a_batch_never_spans_row_groups_and_takes_each_content_once(toy_dataset: Path) -> None:
    shards = encode._shards(toy_dataset)
    keys = {shard: encode.keys_of(shard, "text") for shard in shards}
    batches = encode.plan(keys, [], "text", 16)
    planned = [key for batch in batches for key in batch.keys]
    assert sorted(planned) == sorted({key for shard in keys.values() for key in shard})
    for batch in batches:
        assert len(batch.contents("text")) == len(batch.keys) <= 16
    assert not encode.plan(keys, planned, "text", 16)


def test_command_encodes_and_names_the_encoders(
    toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    arguments = ["--image-encoder", tiny_encoders["image"], "--text-encoder", tiny_encoders["text"]]
    done = run_cli("features", "encode", toy_dataset, *arguments, "--image-name", "tiny", "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["spec"]["image"]["name"] == "tiny"
    assert read_spec(tmp_path).text.name == "text"
    done = run_cli(
        "features", "encode", toy_dataset, "--image-encoder", tmp_path / "no", *arguments[2:], "--out", tmp_path
    )
    assert done.returncode == 1 and done.stderr.startswith("error:") and "Traceback" not in done.stderr


def test_lite_carries_the_features_it_names() -> None:
    benchmark = open_benchmark(dataset_folder())
    features = read_features(benchmark)
    assert features.spec.to_dict() == benchmark.manifest.features
    assert features.spec.dimensions == {"image": 384, "text": 384, "statistics": 27}
    assert len(np.unique(features.blocks["text"], axis=0)) > 1_000


def test_an_encoder_of_the_hub_is_that_of_its_copy_in_a_folder(
    toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    # every Hub id, the documented defaults among them, ended in an AttributeError: transformers 5 keeps no commit
    for kind, folder in tiny_encoders.items():
        repo, commit = tmp_path / "home" / "hub" / f"models--org--{kind}", "a" * 40
        shutil.copytree(folder, repo / "snapshots" / commit)
        (repo / "refs").mkdir()
        (repo / "refs" / "main").write_text(commit)
    choices = ["--image-encoder", "org/image", "--text-encoder", "org/text"]
    command = [sys.executable, "-m", "rsd_bench", "features", "encode", str(toy_dataset), *choices, "--out", "store"]
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    spec = read_features(open_benchmark(toy_dataset), tmp_path / "store").spec
    assert (spec.image.name, spec.text.name) == ("org/image", "org/text")
    assert spec.image.key == load_encoder("image", str(tiny_encoders["image"])).spec.key
    assert spec.text.key == load_encoder("text", str(tiny_encoders["text"])).spec.key


def test_a_published_copy_without_content_is_refused(
    toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    """Images and texts of a withheld source are null: encoding and asking ended in a TypeError."""
    folder = shutil.copytree(toy_dataset, tmp_path / "published")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"withheld": ["toy"]}))
    told = r"without the images and questions of toy -> use the built folder"
    with pytest.raises(InputError, match=told):
        encode_dataset(folder, tmp_path / "features", *choices(tiny_encoders))
    with pytest.raises(InputError, match=told):
        bring_queries(str(folder), tmp_path / "store")

"""Checkpoints: what was saved is what decides, and nothing else is taken for it.

Guards against checkpoints that load with parts missing, features of another kind, and a checkpoint of another dataset.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import png, run_cli
from lite_routers import QUICK, checkpoint, lite  # noqa: F401 (fixtures)
from safetensors.torch import load_file, save_file

import rsd_bench as rsd
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.features.encode import EncoderChoice, encode_dataset
from rsd_bench.features.feature_table import Features, read_features
from rsd_bench.routers.checkpoint import train_checkpoint
from rsd_bench.routers.network import ReferenceRouter
from rsd_bench.routers.submit_router import submit_checkpoints
from rsd_bench.submission.submission import Declaration
from rsd_bench.types import InputError


def test_checkpoint_predicts_as_before_saving(lite: tuple[Benchmark, Features], checkpoint: Path) -> None:
    router = ReferenceRouter.from_pretrained(checkpoint)
    again = ReferenceRouter.from_pretrained(str(checkpoint))
    features = lite[1].take(np.arange(50))
    np.testing.assert_array_equal(router.predict_p_edge(features), again.predict_p_edge(features))
    assert router.trained_on["track"] == "chart-to-photo" and router.scenario["name"] == "fast_response"
    assert {path.name for path in checkpoint.iterdir()} >= {"config.json", "model.safetensors", "training.json"}
    assert not [p for p in checkpoint.iterdir() if p.suffix in (".bin", ".pt", ".pkl")]


def spoil(checkpoint: Path, to: Path, what: str) -> Path:
    folder = shutil.copytree(checkpoint, to / what.replace(" ", "-"))
    weights, config = folder / "model.safetensors", folder / "config.json"
    if what == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif what == "no weights":
        weights.unlink()
    elif what == "no config":
        config.unlink()
    elif what == "config no json":
        config.write_text("{")
    elif what == "config a list":
        config.write_text("[]")
    elif what == "another version":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"schema_version": 99}))
    elif what == "another width":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"hidden": 128}))
    else:
        tensors = load_file(weights)
        if what == "no scaler":
            tensors = {name: value for name, value in tensors.items() if not name.startswith("mean_")}
        elif what == "NaN":
            tensors["head.bias"] = tensors["head.bias"] * float("nan")
        save_file(tensors, weights)
    return folder


@pytest.mark.parametrize(
    "what",
    [
        "cut weights",
        "no weights",
        "no config",
        "config no json",
        "config a list",
        "another version",
        "another width",
        "no scaler",
        "NaN",
    ],
)
def test_spoilt_checkpoints_are_refused(checkpoint: Path, tmp_path: Path, what: str) -> None:
    with pytest.raises(InputError, match="train it again"):
        ReferenceRouter.from_pretrained(spoil(checkpoint, tmp_path, what))


def test_features_of_another_encoder_are_refused(lite: tuple[Benchmark, Features], checkpoint: Path) -> None:
    features = lite[1].take(np.arange(5))
    image = replace(features.spec.image, revision="sha256:other")
    other = Features(features.blocks, features.domains, replace(features.spec, image=image))
    with pytest.raises(InputError, match="do not fit this router: image features"):
        ReferenceRouter.from_pretrained(checkpoint).predict_p_edge(other)
    renamed = Features(
        features.blocks, features.domains, replace(features.spec, image=replace(features.spec.image, name="alias"))
    )
    ReferenceRouter.from_pretrained(checkpoint).predict_p_edge(renamed)


def test_predict_writes_a_submission_that_is_accepted(checkpoint: Path, tmp_path: Path) -> None:
    done = run_cli("router", "predict", checkpoint, "--out", tmp_path / "mine", "--author", "Ada")
    assert done.returncode == 0, done.stderr
    done = run_cli("submit", "check", tmp_path / "mine")
    assert done.returncode == 0, done.stdout + done.stderr


def test_checkpoints_that_do_not_belong_are_refused(
    lite: tuple[Benchmark, Features], checkpoint: Path, tmp_path: Path
) -> None:
    who = Declaration(name="x", authors=("x",))
    with pytest.raises(InputError, match="both answer chart-to-photo"):
        submit_checkpoints(tmp_path / "twice", [checkpoint, checkpoint], *lite, who)
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["trained_on"]["manifests"] = ["0" * 64]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="trained on another dataset"):
        submit_checkpoints(tmp_path / "alien", [folder], *lite, who)
    assert not (tmp_path / "alien").exists()
    benchmark, features = lite
    tracks = tuple(replace(track, protocol="cross-fitted") for track in benchmark.manifest.tracks)
    folded = replace(benchmark, manifest=replace(benchmark.manifest, tracks=tracks))
    with pytest.raises(InputError, match=r"'chart-to-photo', which is cross-fitted.*router submit"):
        submit_checkpoints(tmp_path / "folded", [checkpoint], folded, features, who)


def test_decision_is_edge_iff_p_reaches_tau(toy_dataset: Path, tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    choices = (EncoderChoice(kind, str(tiny_encoders[kind])) for kind in ("image", "text"))
    encode_dataset(toy_dataset, tmp_path / "store", *choices)
    benchmark = open_benchmark(toy_dataset)
    features = read_features(benchmark, tmp_path / "store")
    train_checkpoint(
        tmp_path / "router",
        benchmark,
        features,
        scenario="low_energy",
        track="in-domain",
        settings=QUICK,
        progress=False,
    )
    named = {f"{kind}_encoder": str(tiny_encoders[kind]) for kind in ("image", "text")}
    router = rsd.load_router(tmp_path / "router", **named)
    (tmp_path / "a.png").write_bytes(png(1))
    decision = router.route(tmp_path / "a.png", "How many things are in picture 1?")
    assert decision.model == ("edge" if decision.p_edge >= decision.tau else "cloud")
    assert decision.p_edge == router.route(png(1), "How many things are in picture 1?").p_edge
    with pytest.raises(InputError, match="opens"):
        router.route(b"no image", "?")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    with pytest.raises(InputError, match=r"eps\.png: is not an image that can be read: it is EPS; give"):
        router.route(tmp_path / "eps.png", "?")
    with pytest.raises(InputError, match="readable"):
        router.route(tmp_path / "absent.png", "?")
    with pytest.raises(InputError, match="do not fit"):
        rsd.load_router(checkpoint_with(tmp_path / "router", tmp_path, pooling="mean"), **named)
    report = run_cli(
        "router", "bench", tmp_path / "router", "--data", toy_dataset, "--image-encoder", tiny_encoders["image"],
        "--text-encoder", tiny_encoders["text"], "--calls", 5, "--out", tmp_path / "bench.json", "--json",
    )  # fmt: skip
    assert report.returncode == 0, report.stderr
    stages = json.loads(report.stdout)["stages"]
    assert set(stages) == {"image encoder", "text encoder", "statistics", "head", "all"}
    assert stages["all"]["1"]["p50_ms"] > stages["head"]["1"]["p50_ms"] > 0


def checkpoint_with(router: Path, root: Path, **changes: str) -> Path:
    folder = shutil.copytree(router, root / "changed")
    config = json.loads((folder / "config.json").read_text())
    config["features"]["image"] |= {"revision": "sha256:0"} | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder

"""`router train` without a scenario: the reference router knew the first one alone, and its checkpoint no encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import call_cli, png
from toy_store import store  # noqa: F401 (fixture)

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS
from rsd_bench.routers.network import ReferenceRouter
from rsd_bench.routers.saved_router import published_config
from rsd_bench.types import InputError

QUESTION = "How many things are in picture 3?"


@pytest.fixture(scope="module")
def for_all(toy_dataset: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the reference router for every scenario. Read only."""
    out = tmp_path_factory.mktemp("reference") / "all"
    done = call_cli(
        "router", "train", "--data", toy_dataset, "--features", store, "--epochs", 1, "--out", out, "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told["tau"]) == list(told["reports"]) == list(SCENARIOS) and told["router"] == "reference"
    return out


def test_one_checkpoint_decides_under_each_scenario(for_all: Path, tmp_path: Path) -> None:
    router = rsd.load_router(for_all)
    for name, scenario in SCENARIOS.items():
        decision = router.route(png(1), QUESTION, scenario=name)
        alone = for_all / "networks" / name
        assert (alone / "training.json").is_file() and (alone / "training.svg").is_file()
        network = ReferenceRouter.from_pretrained(alone)
        features = router.features([png(1)], [QUESTION])
        assert decision.p_edge == network.predict_p_edge(features)[0] and decision.tau == network.tau
        assert network.scenario["mes"] == scenario.mes and decision.scenario == name
    assert router.route(png(1), QUESTION).scenario == "fast_response"
    done = call_cli("router", "push", for_all, "org/all", "--json")
    published = published_config(for_all).decode()
    assert json.loads(published)["encoders"] == {} and json.loads((for_all / "config.json").read_text())["encoders"]
    nested = [json.loads(path.read_text()) for path in for_all.glob("networks/*/config.json")]
    assert len(nested) == 3 and all(config["encoders"] is None for config in nested)
    assert {"config.json", "README.md", "networks/low_energy/model.safetensors"} <= set(
        json.loads(done.stdout)["files"]
    )


def test_it_predicts_and_is_timed_as_others_are(for_all: Path, toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    data = ("--data", toy_dataset)
    done = call_cli("router", "bench", for_all, *data, "--calls", 5, "--out", tmp_path / "bench.json")
    assert done.returncode == 0 and "image encoder" in done.stdout, done.stderr
    out = ("--out", tmp_path / "mine", "--author", "Ada", "--latency", tmp_path / "bench.json")
    done = call_cli("router", "predict", for_all, *data, "--features", store, *out)
    assert done.returncode == 0, done.stderr
    assert list(json.loads((tmp_path / "mine" / "submission.json").read_text())["tau"]) == list(SCENARIOS)
    assert call_cli("submit", "check", tmp_path / "mine", *data).returncode == 0


def test_one_without_a_block_needs_no_encoder_of_it(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    data = ("--data", toy_dataset, "--features", store, "--epochs", 1, "--without", "image")
    for scenario in ((), ("--scenario", "low_energy")):
        done = call_cli("router", "train", *data, *scenario, "--out", tmp_path / "r")
        assert done.returncode == 0, done.stderr
        assert list(json.loads((tmp_path / "r" / "config.json").read_text())["encoders"]) == ["text"]
        router = rsd.load_router(tmp_path / "r")
        assert router.blocks == ("text", "statistics") and 0 <= router.route(png(1), QUESTION).p_edge <= 1


@pytest.mark.parametrize("what", ["no network", "another scenario", "other blocks", "no blocks", "weights cut"])
def test_damaged_ones_are_refused_by_name(for_all: Path, tmp_path: Path, what: str) -> None:
    folder = shutil.copytree(for_all, tmp_path / "spoilt")
    network, config = folder / "networks" / "low_energy", json.loads((folder / "config.json").read_text())
    if what == "no network":
        shutil.rmtree(network)
    elif what == "another scenario":
        shutil.rmtree(network)
        shutil.copytree(folder / "networks" / "high_quality", network)
    elif what == "weights cut":
        weights = network / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        config["blocks"] = ["image", "text"] if what == "other blocks" else []
        (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"-> train it again") as caught:
        rsd.load_router(folder)
    assert str(folder) in caught.value.problems[0].where

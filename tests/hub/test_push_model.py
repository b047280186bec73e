"""A router on the Hub: weights, card and results in one commit, and what is loaded from there is what was trained."""

from __future__ import annotations

from pathlib import Path

from conftest import ROOT
from hub_client import Client
from hub_server import LoopbackHub


def test_a_model_is_published_with_card_and_results_in_one_commit(
    hub: LoopbackHub, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "router").mkdir()
    (tmp_path / "router" / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    (tmp_path / "router" / "config.json").write_text("{}")
    code = f"""
from pathlib import Path
from rsd_bench.hub.eval_results import eval_result_files, read_result
from rsd_bench.hub.push import publish_model
files = eval_result_files(read_result(Path({str(ROOT / "leaderboard")!r}), "statistics-logistic"), "org/toy")
card = "---\\nlicense: apache-2.0\\n---\\n# Router\\n"
out = publish_model(Path({str(tmp_path / "router")!r}), "org/router", card, files, message="Router")
"""
    commit = client.python(code)
    repo = hub.repo("org/router", "model")
    assert [c.title for c in repo.commits.values()] == ["initial commit", "Router"]
    assert commit == repo.refs["refs/heads/main"]
    files = hub.files("org/router", kind="model")
    assert {"README.md", "config.json", "model.safetensors", ".eval_results/toy.yaml"} <= files.keys()


def test_a_router_is_pushed_and_loads_from_there(hub: LoopbackHub, tmp_path: Path) -> None:
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.features.feature_table import read_features
    from rsd_bench.routers.checkpoint import train_checkpoint
    from rsd_bench.routers.network import ReferenceRouter
    from rsd_bench.routers.reference_training import Settings

    benchmark = open_benchmark(dataset_folder())
    features, settings = read_features(benchmark), Settings(epochs=1)
    options = {"scenario": "low_energy", "track": "chart-to-photo", "settings": settings, "progress": False}
    train_checkpoint(tmp_path / "router", benchmark, features, **options)
    arguments = ("router", "push", tmp_path / "router", "org/my-router")
    results = ("--slug", "ngram-gain", "--dataset", "org/rsd-open", "--board", ROOT / "leaderboard")
    with Client(hub, tmp_path / "home") as own:  # torch would stay in the memory that other tests measure
        assert own.json(*arguments)["dry_run"] is True and hub.log == []
        told = own.json(*arguments, *results, "--no-dry-run")
        assert told.get("commit"), told
        code = """
import rsd_bench as rsd
router = rsd.ReferenceRouter.from_pretrained("org/my-router")
out = [router.scenario["name"], router.tau]"""
        loaded = own.python(code)
    files = hub.files("org/my-router", kind="model")
    local = {path.name: path.read_bytes() for path in (tmp_path / "router").iterdir()}
    assert told["commit"] and {name: files[name] for name in local} == local
    assert ".eval_results/rsd-open.yaml" in files and "[More Information Needed]" not in local["README.md"].decode()
    assert loaded == ["low_energy", ReferenceRouter.from_pretrained(tmp_path / "router").tau]


def test_a_router_of_words_comes_back_as_it_was_and_tells_no_path(
    hub: LoopbackHub, toy_dataset: Path, tmp_path: Path
) -> None:
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.features.encode import encode_dataset
    from rsd_bench.features.feature_table import read_features
    from rsd_bench.routers.registry import ROUTERS
    from rsd_bench.routers.saved_router import train_router

    encode_dataset(toy_dataset, tmp_path / "store", None, None)
    benchmark = open_benchmark(toy_dataset)
    features, folder = read_features(benchmark, tmp_path / "store"), tmp_path / "words"
    options = {"scenario": None, "track": "in-domain", "encoders": {"text": str(tmp_path)}}
    train_router(folder, ROUTERS["ngram-gain"], benchmark, features, **options)
    with Client(hub, tmp_path / "home") as own:
        told = own.json("router", "push", folder, "org/words", "--no-dry-run")
        code = f"""
import rsd_bench as rsd
here, there = (rsd.load_router(where) for where in ({str(folder)!r}, "org/words"))
questions = ["How many things are in picture 3?", "", "Why?"]
out = [[d.p_edge.hex() for d in router.route_many([None] * 3, questions)] for router in (here, there)]"""
        here, there = own.python(code)
    files = hub.files("org/words", kind="model")
    assert told["commit"] and here == there
    assert files["weights.npz"] == (folder / "weights.npz").read_bytes()
    assert str(tmp_path).encode() not in files["config.json"] and str(tmp_path) in (folder / "config.json").read_text()

"""Checkpoints of every router: what was trained is what decides in a fresh process, and nothing hostile is believed.

Guards against leaders of the board that nobody can deploy, against pickles, and against an archive of a few bytes that
unpacks to the memory of the machine.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import call_cli
from toy_store import store  # noqa: F401 (fixture)

pytest.importorskip("torch")

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.saved_router import read_saved, train_router
from rsd_bench.types import InputError

OTHERS = [name for name in ROUTERS if name != "reference"]


@pytest.fixture(scope="module")
def words(toy_dataset: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of `ngram-gain` under every scenario. Read only."""
    out = tmp_path_factory.mktemp("saved") / "words"
    benchmark = open_benchmark(toy_dataset)
    train_router(
        out, ROUTERS["ngram-gain"], benchmark, read_features(benchmark, store), scenario=None, track="in-domain"
    )
    return out


@pytest.mark.parametrize("name", OTHERS)
def test_every_router_is_saved_and_decides_bit_equal_in_a_fresh_process(
    toy_dataset: Path, store: Path, tmp_path: Path, name: str
) -> None:
    benchmark = open_benchmark(toy_dataset)
    features = read_features(benchmark, store)
    trained = train_router(tmp_path / "a", ROUTERS[name], benchmark, features, scenario=None, track="in-domain")
    assert list(trained.deciders) == list(SCENARIOS)
    script = f"""
import sys
from pathlib import Path
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers.saved_router import read_saved
saved = read_saved(Path({str(tmp_path / "a")!r}))
features = read_features(open_benchmark(Path({str(toy_dataset)!r})), Path({str(store)!r}))
for scenario, decider in saved.deciders.items():
    print(scenario, decider.tau.hex(), saved.predict_p_edge(features, scenario).tobytes().hex())
assert ("torch" in sys.modules) == {name.startswith("reference")}
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    for line, (scenario, decider) in zip(run.stdout.splitlines(), trained.deciders.items(), strict=True):
        p = decider.router.predict_p_edge(features)
        assert line == f"{scenario} {decider.tau.hex()} {p.tobytes().hex()}"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["README.md", "config.json", "weights.npz"]
    train_router(tmp_path / "b", ROUTERS[name], benchmark, features, scenario=None, track="in-domain")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_router_of_words_loads_no_encoder_and_no_torch(words: Path) -> None:
    script = f"""
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
import rsd_bench as rsd
router = rsd.load_router({str(words)!r})
decision = router.route(None, "How many things are in picture 3?")
print(decision.model, decision.p_edge.hex(), decision.expected_gain)
assert not {{"sklearn", "pandas"}} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    here = rsd.load_router(words).route(None, "How many things are in picture 3?")
    assert run.stdout.split() == [here.model, here.p_edge.hex(), str(here.expected_gain)]


def test_decisions_of_the_pipeline_are_those_of_the_dataset(toy_dataset: Path, store: Path, words: Path) -> None:
    benchmark = open_benchmark(toy_dataset)
    rows = {row["query_id"]: row["question"] for row in read_table(toy_dataset, "pairs").to_pylist()}
    questions = [rows[query_id] for query_id in benchmark.queries["query_id"]]
    router, features = rsd.load_router(words), read_features(benchmark, store)
    for scenario in SCENARIOS:
        p = read_saved(words).predict_p_edge(features, scenario)
        decisions = router.route_many([None] * len(questions), questions, scenario=scenario, batch=37)
        assert [decision.p_edge for decision in decisions] == p.tolist()
        assert decisions[5] == router.route(None, questions[5], scenario=scenario)
        assert all((d.model == "edge") == (d.p_edge >= d.tau) == (d.tier == 0) for d in decisions)
        assert all((d.expected_gain >= 0) == (d.tier == 0) for d in decisions if abs(d.expected_gain or 0) > 1e-6)


def test_arguments_of_route(words: Path) -> None:
    router = rsd.load_router(words)
    first = router.route(None, "How many?")
    assert first.scenario == "fast_response" and router.route(None, "How many?", tau=0).model == "edge"
    assert router.route(None, "How many?", tau=1.01).model == "cloud"
    for question in ("", "日本語 ?", "\ud800"):
        assert 0 <= router.route(None, question).p_edge <= 1
    with pytest.raises(ValueError, match=r"scenario: this router was trained for fast_response, .* not 'cheap'"):
        router.route(None, "?", scenario="cheap")
    with pytest.raises(ValueError, match="tau"):
        router.route(None, "?", tau=float("nan"))
    with pytest.raises(ValueError, match="question: must be a text, not NoneType"):
        router.route(None, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="questions: has 1 where images has 2"):
        router.route_many([None, None], ["?"])
    assert router.route_many([], []) == []


def test_the_words_that_moved_a_decision_add_up(words: Path) -> None:
    router = rsd.load_router(words)
    question = "How many many things?"
    decision, plain = router.route(None, question, explain=True), router.route(None, question)
    empty = router.route(None, "")
    assert plain.words == () and {word for word, _ in decision.words} >= {"how", "many", "how many", "?"}
    told = router.deciders["fast_response"].router.words(question)
    assert sum(points for _, points in told) == pytest.approx(decision.expected_gain - empty.expected_gain)
    assert [abs(points) for _, points in told] == sorted((abs(points) for _, points in told), reverse=True)


def spoil(folder: Path, to: Path, what: str) -> Path:
    """A copy that somebody broke, or made to harm."""
    copy = shutil.copytree(folder, to / "spoilt")
    config, weights = copy / "config.json", copy / "weights.npz"
    settings = json.loads(config.read_text("utf-8"))
    with np.load(weights) as held:
        arrays = dict(held)
    name = "0.weights"
    if what == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-200])
    elif what == "flipped weights":
        data = bytearray(weights.read_bytes())
        data[len(data) // 2] ^= 255
        weights.write_bytes(bytes(data))
    elif what in ("pickle", "pickle in a member"):
        harm = pickle.dumps(np.array([{"a": 1}], dtype=object))
        weights.write_bytes(harm)
        if what != "pickle":
            np.savez(weights, **{**arrays, name: np.array([{"a": 1}], dtype=object)})
    elif what == "bomb":
        with zipfile.ZipFile(weights, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.npy", bytes(50_000_000))
    elif what == "long header":
        out = io.BytesIO()
        np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": (10**13,)})
        with zipfile.ZipFile(weights, "w") as archive:
            archive.writestr(f"{name}.npy", out.getvalue() + bytes(80))
    elif what in ("no weights", "no config"):
        (weights if what == "no weights" else config).unlink()
    elif what in ("{", "[]", "[" * 100_000, "huge"):
        config.write_text("{" + " " * 5_000_000 + "}" if what == "huge" else what)
    else:
        changed = {
            "NaN": {name: arrays[name] * np.nan},
            "infinity": {name: arrays[name] * np.inf},
            "other shape": {name: arrays[name][:-1]},
            "text": {name: arrays[name].astype(str)},
            "three tiers": {"0.mean": np.zeros(3)},
            "buckets beyond": {"0.words.buckets": arrays["0.words.buckets"] + 2**18},
            "buckets fall": {"0.words.buckets": arrays["0.words.buckets"][::-1].copy()},
            "places beyond": {"known.places": arrays["known.places"].astype(np.int64) + 40_000},
            "places fall": {"known.places": arrays["known.places"][::-1].copy()},
            "ends beyond": {"known.ends": arrays["known.ends"] + 1},
            "no ends": {"known.ends": arrays["known.ends"][:0]},
            "no counts": {"known.counts": arrays["known.counts"] * 0},
            "ids cut": {"known.ids": arrays["known.ids"][:-1]},
            "ids no text": {"known.ids": arrays["known.ids"] | 0xF8},
        }.get(what, {})
        np.savez(weights, **{**arrays, **changed})
        settings |= {
            "other schema": {"schema_version": 9},
            "other router": {"router": "../../evil"},
            "the reference": {"router": "reference"},
            "a list": {"router": ["ngram-gain"]},
            "other blocks": {"blocks": ["image"]},
            "no features": {"features": {}},
            "no scenario": {"scenarios": {}},
            "tau": {"scenarios": {"fast_response": {**settings["scenarios"]["fast_response"], "tau": "x"}}},
            "weights of a scenario": {
                "scenarios": {"fast_response": {"mes": 6, "alpha": 2, "beta": 0, "gamma": 0, "tau": 1}}
            },
            "state": {"state": []},
            "rule": {"state": {**settings["state"], "fast_response": {"rule": {"mes": 99}, "words": {}}}},
            "manifests": {"trained_on": {"manifests": 3}},
        }.get(what, {})
        config.write_text(json.dumps(settings))
    return copy


@pytest.mark.parametrize(
    "what",
    [
        *("cut weights", "flipped weights", "pickle", "pickle in a member", "bomb", "long header", "no weights"),
        *("no config", "{", "[]", "[" * 100_000, "huge", "NaN", "infinity", "other shape", "text", "three tiers"),
        *("places beyond", "places fall", "ends beyond", "no ends", "no counts", "ids cut", "ids no text"),
        *("buckets beyond", "buckets fall", "other schema", "other router", "the reference", "a list", "other blocks"),
        *("no features", "no scenario", "tau", "weights of a scenario", "state", "rule", "manifests"),
    ],
    ids=lambda what: what[:20],
)
def test_damaged_and_hostile_checkpoints_are_refused_by_name(words: Path, tmp_path: Path, what: str) -> None:
    folder = spoil(words, tmp_path, what)
    with pytest.raises(InputError) as caught:
        rsd.load_router(folder)
    (problem,) = caught.value.problems if len(caught.value.problems) == 1 else caught.value.problems[:1]
    assert problem.where.startswith(str(folder)) and problem.what and problem.fix
    assert len(problem.what) < 500 and "\n" not in str(problem)


def test_trees_end_whatever_a_file_says(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    benchmark = open_benchmark(toy_dataset)
    options = {"scenario": "low_energy", "track": "in-domain"}
    train_router(tmp_path / "r", ROUTERS["boosted-trees"], benchmark, read_features(benchmark, store), **options)
    with np.load(tmp_path / "r" / "weights.npz") as held:
        arrays = dict(held)
    for name in ("left", "right"):
        loop = {**arrays, f"0.model.{name}": np.zeros_like(arrays[f"0.model.{name}"])}
        np.savez(tmp_path / "r" / "weights.npz", **loop)
        with pytest.raises(InputError, match="a node's child does not stand after it"):
            read_saved(tmp_path / "r")


OWN = """
import json
import numpy as np
TITLE = "Mine"
BLOCKS = ("ngrams",)
class Mine:
    def fit(self, train, validation):
        self.share = float(train.labels.mean())
        return self
    def predict_p_edge(self, features):
        return np.full(features.ngrams.shape[0], self.share)
    def threshold(self, validation): return 0.5
    def save(self, folder): (folder / "share.json").write_text(json.dumps(self.share))
    def load(self, folder): self.share = json.loads((folder / "share.json").read_text())
def make_router(seed): return Mine()
"""


def test_a_router_of_ones_own_saves_itself_and_runs_only_where_it_is_trusted(
    toy_dataset: Path, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    options = ("--data", toy_dataset, "--features", store, "--out", tmp_path / "router")
    done = call_cli("router", "train", tmp_path / "mine.py", *options)
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "router" / "router.py"
    copy.write_text(copy.read_text() + f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(InputError, match=r"router\.py: is code, which loading this router would run -> read router"):
        rsd.load_router(tmp_path / "router")
    assert not (tmp_path / "ran").exists()
    assert 0 <= rsd.load_router(tmp_path / "router", trust=True).route(None, "?").p_edge <= 1
    assert (tmp_path / "ran").exists()
    for method, without in (("save", "def save"), ("load", "def load")):
        (tmp_path / "lacking.py").write_text(OWN.replace(without, "def other"))
        done = call_cli("router", "train", tmp_path / "lacking.py", *options[:4], "--out", tmp_path / "x")
        assert done.returncode == 1 and f"its router has no {method}" in done.stderr
        assert not (tmp_path / "x").exists()


def test_the_commands_train_predict_and_push(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    data = ("--data", toy_dataset, "--features", store)
    done = call_cli("router", "train", "ngram-logistic", *data, "--out", tmp_path / "r", "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["tau"]) == set(SCENARIOS)
    done = call_cli("router", "predict", tmp_path / "r", *data, "--out", tmp_path / "mine", "--author", "Ada")
    assert done.returncode == 0, done.stderr
    done = call_cli("submit", "check", tmp_path / "mine", "--data", toy_dataset)
    assert done.returncode == 0, done.stdout + done.stderr
    done = call_cli("router", "push", tmp_path / "r", "org/words", "--json")
    assert json.loads(done.stdout)["files"] == ["README.md", "config.json", "weights.npz"]
    words = tmp_path / "words"
    done = call_cli(
        "features", "encode", toy_dataset, "--image-encoder", "none", "--text-encoder", "none", "--out", words
    )
    assert done.returncode == 0, done.stderr
    blind = ("--data", toy_dataset, "--features", words, "--out", tmp_path / "y")
    for arguments, said in (
        (("train", toy_dataset), "--data"),
        (("train", "ngram-gain", "--epochs", 3), "are of `reference` alone"),
        (("train", "image-logistic", *blind), "features: have no image vectors -> encode"),
    ):
        done = call_cli("router", *arguments)
        assert done.returncode and said in " ".join(done.stderr.split()), done.stderr

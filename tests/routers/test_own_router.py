"""Routers of a user's own file: what they decide is submitted as it is, what they do wrong is said of their file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import call_cli, png
from lite_routers import lite  # noqa: F401 (fixtures)

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.encode import encode_dataset
from rsd_bench.features.feature_table import Features
from rsd_bench.routers.registry import router_entry
from rsd_bench.routers.submit_router import submit_trained
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.submission.submission import Declaration
from rsd_bench.types import InputError


def test_a_router_of_ones_own(lite: tuple[Benchmark, Features], tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(
        "import numpy as np\n"
        "TITLE = 'Always one half'\n"
        "class Half:\n"
        "    def fit(self, train, validation): return self\n"
        "    def predict_p_edge(self, features): return np.full(len(features), 0.5)\n"
        "    def threshold(self, validation): return 0.5\n"
        "def make_router(seed): return Half()\n"
    )
    entry = router_entry(str(file))
    folder = submit_trained(tmp_path / "half", entry, *lite, tracks=["in-domain"])
    submission = open_submission(folder, lite[0])
    assert submission.meta.declared.tau["high_quality"]["in-domain"] == 0.5
    declared = submission.meta.declared
    assert declared.authors == ("not stated",) and "rsd_bench" not in declared.description
    who = Declaration(name="Mine", authors=("Ada Lovelace",))
    mine = open_submission(submit_trained(tmp_path / "mine", entry, *lite, who, tracks=["in-domain"]), lite[0])
    assert (mine.meta.declared.name, mine.meta.declared.authors) == ("Mine", ("Ada Lovelace",))
    with pytest.raises(InputError, match="leave-charts-out: is no track -> use in-domain"):
        submit_trained(tmp_path / "half", entry, *lite, tracks=["leave-charts-out"])
    for text, message in (("1/0", "cannot be run"), ("x = 1", "defines no make_router")):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            router_entry(str(file))
    with pytest.raises(InputError, match="is no router"):
        router_entry("no-such-router")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("threshold = None", "its router has no threshold"),
        ("def threshold(self, validation): return 'half'", "threshold gives 'half'"),
        ("def threshold(self, validation): return 2", "threshold gives 2"),
        ("def fit(self, train, validation): 1 / 0", "fit fails: ZeroDivisionError"),
        ("def predict_p_edge(self, features): return np.full(3, 0.5)", "of shape"),
        ("def predict_p_edge(self, features): return ['x'] * len(features)", "not {asked} numbers"),
        ("def predict_p_edge(self, features): return np.full(len(features), np.nan)", "outside"),
        ("def predict_p_edge(self, features): return np.full(len(features), 1.5)", "outside"),
    ],
)
def test_what_a_router_of_ones_own_does_wrong_is_said_of_its_file(
    lite: tuple[Benchmark, Features], tmp_path: Path, method: str, message: str
) -> None:
    """A traceback, or a number from predictions of another length, would be the package's word for a user's slip."""
    file = tmp_path / "wrong.py"
    file.write_text(
        "import numpy as np\n"
        "class Wrong:\n"
        "    def fit(self, train, validation): return self\n"
        "    def predict_p_edge(self, features): return np.full(len(features), 0.5)\n"
        "    def threshold(self, validation): return 0.5\n"
        f"    {method}\n"
        "def make_router(seed): return Wrong()\n"
    )
    asked = len(next(lite[0].lessons("in-domain")).test)
    with pytest.raises(InputError, match=message.format(asked=asked)) as caught:
        submit_trained(tmp_path / "wrong", router_entry(str(file)), *lite, tracks=["in-domain"])
    line = file.read_text().splitlines().index(f"    {method}") + 1
    raised = "1 / 0" in method
    assert caught.value.problems[0].where == (f"{file}:{line}" if raised else str(file))
    assert not (tmp_path / "wrong").exists()


BUGGY = """import numpy as np
from sums_beside_it import share

TITLE = "Buggy"
BLOCKS = ("statistics", "ngrams")

class Buggy:
    def fit(self, train, validation):
        assert sorted(train.features.blocks) == sorted(validation.features.blocks) == ["ngrams", "statistics"]
        return self
    def predict_p_edge(self, features):
        return np.array([share(row) for row in features.blocks["statistics"]])
    def threshold(self, validation): return 0.5

def make_router(seed): return Buggy()
"""


def test_a_bug_in_the_file_is_shown_with_line_and_its_own_traceback(lite: tuple[Benchmark, Features], tmp_path: Path):
    """`error: buggy.py: predict_p_edge fails: KeyError(...)` left a user of 300 lines to guess where."""
    (tmp_path / "sums_beside_it.py").write_text("def share(row):\n    table = {}\n    return table['absent']\n")
    (tmp_path / "buggy.py").write_text(BUGGY)
    out = ("--track", "in-domain", "--repeats", 1, "--out", tmp_path / "made")
    done = call_cli("router", "submit", tmp_path / "buggy.py", *out)
    first, *lines = done.stderr.splitlines()
    beside = tmp_path / "sums_beside_it.py"
    assert done.returncode == 1 and first.startswith(f"error: {beside}:3: predict_p_edge fails: KeyError: 'absent'")
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "KeyError: 'absent'"
    files = [line.split('"')[1] for line in lines if line.startswith("  File ")]
    assert set(files) == {str(tmp_path / "buggy.py"), str(beside)} and f'File "{tmp_path / "buggy.py"}", line 12' in (
        done.stderr
    )
    done = call_cli("router", "submit", tmp_path / "buggy.py", *out, "--json")
    told = json.loads(done.stdout)
    assert told["problems"][0]["where"] == f"{beside}:3" and told["traceback"] == lines


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = 1\nx +* 2\n", 2, "cannot be run: SyntaxError"),
        ("def f():\n    f()\nf()\n", 2, "cannot be run: RecursionError"),
        ("import sys\nsys.exit(0)\n", 2, "cannot be run: SystemExit"),
        ("def make_router(seed):\n    return open('no such file')\n", 2, "make_router fails: FileNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_run_says_in_which_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    """A file that ends Python ended the command, with exit code 0."""
    (tmp_path / "own.py").write_text(text)
    done = call_cli("router", "submit", tmp_path / "own.py", "--out", tmp_path / "made")
    assert done.returncode == 1 and done.stderr.startswith(f"error: {tmp_path / 'own.py'}:{line}: {what}")
    assert len(done.stderr.splitlines()) < 20


def test_blocks_that_a_file_reads_are_those_it_is_given(lite: tuple[Benchmark, Features], tmp_path: Path) -> None:
    entry = router_entry(str(_written(tmp_path, BUGGY.replace('"statistics", "ngrams"', '"image",'))))
    rows = lite[1].take(np.arange(5))
    blind = Features({"statistics": rows.blocks["statistics"]}, rows.domains, replace(rows.spec, image=None))
    with pytest.raises(InputError, match="have no image vectors -> encode the full edition"):
        entry.make(0).predict_p_edge(blind)
    assert entry.blocks == ("image",)
    with pytest.raises(InputError, match="BLOCKS names no blocks"):
        router_entry(str(_written(tmp_path, 'BLOCKS = ("smell",)\ndef make_router(seed): return None\n')))


def test_a_file_that_names_no_blocks_is_deployed_with_those_it_learned_from(toy_dataset: Path, tmp_path: Path) -> None:
    """Of a store without encoders it was trained, and failed by an assertion of ours when it was asked."""
    encode_dataset(toy_dataset, tmp_path / "store", None, None)
    methods = "    def save(self, folder): pass\n    def load(self, folder): pass\n\ndef make_router"
    text = "".join(line for line in BUGGY.splitlines(True) if "BLOCKS" not in line and "assert" not in line)
    own = _written(tmp_path, text.replace("def make_router", methods))
    data = ("--data", toy_dataset, "--features", tmp_path / "store")
    done = call_cli("router", "train", own, *data, "--out", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    router = rsd.load_router(tmp_path / "r", trust=True)
    assert router.blocks == ("statistics",) and router.route(png(1), "How many?").p_edge == 0.5


def _written(folder: Path, text: str) -> Path:
    (folder / "half_beside_it.py").write_text("def share(row):\n    return 0.5\n")
    (folder / "own.py").write_text(text.replace("sums_beside_it", "half_beside_it"))  # loaded once a process
    return folder / "own.py"


THIRD = """from __future__ import annotations
import pickle
from dataclasses import dataclass
import numpy as np
from helper_beside_it import VALUE

@dataclass
class Third:
    value: float = VALUE
    def fit(self, train, validation):
        pickle.dumps(self)
        return self
    def predict_p_edge(self, features): return np.full(len(features), self.value)
    def threshold(self, validation): return self.value

def make_router(seed): return Third()
"""


def test_a_submission_decides_as_its_router_does(tmp_path: Path, lite: tuple[Benchmark, Features]) -> None:
    # p was rounded and tau was not: where tau is one of the router's own p, CA 1.000 became 0.000. The file is also
    # one that was refused as broken: dataclasses, pickle and a helper beside it look for their module by name
    (tmp_path / "helper_beside_it.py").write_text("VALUE = 1 / 3\n")
    (tmp_path / "third.py").write_text(THIRD)
    folder = submit_trained(
        tmp_path / "third", router_entry(str(tmp_path / "third.py")), *lite, tracks=["in-domain"] * 2
    )
    submission = open_submission(folder, lite[0])
    for scenario in SCENARIOS:
        assert (submission.entries["in-domain", scenario].choice == 0).all()


def test_a_tensor_with_its_gradient_is_a_fault_of_the_file(tmp_path: Path, lite: tuple[Benchmark, Features]) -> None:
    import torch

    own = tmp_path / "own.py"
    own.write_text(
        "import torch\n"
        "class Own:\n"
        "    def fit(self, train, validation): return self\n"
        "    def predict_p_edge(self, features): return torch.full((len(features),), 0.5, requires_grad=True)\n"
        "    def threshold(self, validation): return 0.5\n"
        "def make_router(seed): return Own()\n"
    )
    with pytest.raises(InputError, match="predict_p_edge fails"):
        submit_trained(tmp_path / "wrong", router_entry(str(own)), *lite, tracks=["in-domain"])
    with pytest.raises(ValueError, match="route_small"):
        rsd.score_routing(torch.ones(2, requires_grad=True), small=[1, 2], large=[3, 4], scenario="fast_response")

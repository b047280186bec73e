"""A pull request is data.

Guards against CI that ran code of the pull request with secrets, and that broke on file names with spaces.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import run_cli
from test_submission import make, probabilities

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark


@pytest.fixture(scope="module")
def data(toy_dataset: Path) -> Benchmark:
    return open_benchmark(toy_dataset)


class Repository:
    """A git repository with a base commit; `propose` commits and runs `submit ci`."""

    def __init__(self, root: Path, dataset: Path) -> None:
        self.root, self.dataset = root, dataset
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        (root / "README.md").write_text("base\n")
        self.commit("base")

    def git(self, *arguments: str) -> str:
        identity = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | identity).stdout

    def commit(self, message: str = "propose") -> None:
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "-m", message, "--allow-empty")

    def propose(self, base: str = "HEAD~1", *more: object) -> tuple[int, str]:
        self.commit()
        self.git("checkout", "-q", "--detach", base)  # the proposal is not in the work tree
        run = run_cli(
            "submit",
            "ci",
            "HEAD",
            "main",
            "--repository",
            self.root,
            "--data",
            self.dataset,
            "--n-boot",
            50,
            *more,
        )
        self.git("checkout", "-q", "main")
        assert "Traceback" not in run.stderr
        return run.returncode, run.stdout + run.stderr


@pytest.fixture
def repository(tmp_path: Path, toy_dataset: Path) -> Repository:
    return Repository(tmp_path / "repository", toy_dataset)


def test_a_sound_proposal_gets_a_table(repository: Repository, data: Benchmark) -> None:
    make(repository.root / "submissions" / "mine", data, name="Mine | <b>")
    code, said = repository.propose()
    assert code == 0, said
    assert "Mine &#124; &lt;b&gt;" in said
    assert said.count("| in-domain |") == len(SCENARIOS)


def test_json_for_scripts(repository: Repository, data: Benchmark) -> None:
    make(repository.root / "submissions" / "mine", data)
    code, said = repository.propose("HEAD~1", "--json")
    report = json.loads(said)
    assert code == 0 and report["ok"] and report["result"]["slug"] == "mine"


def test_problems_are_named_as_the_author_knows_them(repository: Repository, data: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", data, probabilities(data))
    meta = json.loads((folder / "submission.json").read_text()) | {"slug": "other"}
    (folder / "submission.json").write_text(json.dumps(meta))
    code, said = repository.propose()
    assert code == 1
    assert "submissions/mine/submission.json" in said
    assert "/tmp" not in said.replace(str(repository.root), "")


OTHER_FILES = [
    "run.py",
    ".github/workflows/x.yml",
    "submissions/x.py",
    "submissions/mine/model.pkl",
    "submissions/mine/a/b.csv",
    "submissions/mi ne/predictions.csv",
    "submissions/Mine/predictions.csv",
    "submissions/mine/$(touch hacked)",
    "submissions/mine/-rf",
    "leaderboard/leaderboard.md",
    ".gitattributes",
    "submissions/mine/.gitattributes",
    "submissions/mine/a\nb",
    "submissions/mine/ü.csv",
    "README.md",
]


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files_are_refused(repository: Repository, data: Benchmark, name: str) -> None:
    make(repository.root / "submissions" / "mine", data)
    path = repository.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("print('hacked')")
    code, said = repository.propose()
    assert code == 1
    assert "is no file of a submission" in said or "does not belong there" in said


def test_nothing_of_the_proposal_runs(repository: Repository, data: Benchmark, tmp_path: Path) -> None:
    # filters, attributes and hooks are the ways that git itself would run or change what is proposed
    folder = make(repository.root / "submissions" / "mine", data)
    (folder / "README.md").write_text("x")
    witness = tmp_path / "hacked"
    repository.git("config", "filter.bad.smudge", f"touch {witness}")
    hook = repository.root / ".git" / "hooks" / "post-checkout"
    (repository.root / ".git" / "info").mkdir(exist_ok=True)
    (repository.root / ".git" / "info" / "attributes").write_text("* diff=bad\n")
    repository.git("config", "diff.bad.textconv", f"touch {witness}; cat")
    repository.commit()
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {witness}\n")
    hook.chmod(0o755)
    run = run_cli(
        "submit", "ci", "HEAD~1", "HEAD", "--repository", repository.root, "--data", repository.dataset, "--n-boot", 50
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert not witness.exists()


def test_links_modes_and_submodules_are_refused(repository: Repository, data: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", data)
    (folder / "README.md").symlink_to("/etc/passwd")
    code, said = repository.propose()
    assert code == 1 and "120000" in said
    (folder / "README.md").unlink()
    (folder / "submission.json").chmod(0o755)
    code, said = repository.propose("HEAD~2")
    assert code == 1 and "100755" in said


def test_one_submission_at_a_time(repository: Repository, data: Benchmark) -> None:
    for slug in ("mine", "yours"):
        make(repository.root / "submissions" / slug, data)
    code, said = repository.propose()
    assert code == 1 and "one at a time" in said


def test_nothing_proposed_and_removal(repository: Repository, data: Benchmark) -> None:
    code, said = repository.propose()
    assert code == 1 and "is unchanged" in said
    folder = make(repository.root / "submissions" / "mine", data)
    repository.commit()
    for file in folder.iterdir():
        file.unlink()
    code, said = repository.propose()
    assert code == 1 and "is removed" in said


def test_tau_after_the_fact_is_refused(repository: Repository, data: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", data)
    repository.commit()
    path = folder / "submission.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {"description": "better words"}))
    code, said = repository.propose()
    assert code == 0, said
    path.write_text(json.dumps(meta | {"tau": dict.fromkeys(SCENARIOS, 0.2)}))
    code, said = repository.propose()
    assert code == 1 and "changes tau after it was scored" in said


@pytest.mark.parametrize(
    "names", [("nowhere", "main"), ("main", "--upload-pack=touch"), ("main", "$(id)"), ("", "main")]
)
def test_commits_that_are_none(repository: Repository, names: tuple[str, str]) -> None:
    run = run_cli("submit", "ci", "--repository", repository.root, "--data", repository.dataset, "--", *names)
    assert run.returncode == 1
    assert "Refused" in run.stdout

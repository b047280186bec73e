"""A pull request is data.

Guards against CI that ran code of the pull request with secrets, and that broke on file names with spaces.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import ROOT, call_cli, run_cli
from sound_submissions import make, probabilities

from rsd_bench.board.comment import Report
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.proposal import Replaced
from rsd_bench.types import Problem


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
        run = call_cli(
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


def test_a_sound_proposal_gets_a_table(repository: Repository, toy_benchmark: Benchmark) -> None:
    make(repository.root / "submissions" / "mine", toy_benchmark, name="Mine | <b>")
    code, said = repository.propose()
    assert code == 0, said
    assert "Mine &#124; &lt;b&gt;" in said
    assert said.count("| in-domain |") == len(SCENARIOS)


def test_json_for_scripts(repository: Repository, toy_benchmark: Benchmark) -> None:
    make(repository.root / "submissions" / "mine", toy_benchmark)
    code, said = repository.propose("HEAD~1", "--json")
    report = json.loads(said)
    assert code == 0 and report["ok"] and report["result"]["slug"] == "mine"


def test_problems_are_named_as_the_author_knows_them(repository: Repository, toy_benchmark: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", toy_benchmark, probabilities(toy_benchmark))
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
def test_other_files_are_refused(repository: Repository, toy_benchmark: Benchmark, name: str) -> None:
    make(repository.root / "submissions" / "mine", toy_benchmark)
    path = repository.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("print('hacked')")
    code, said = repository.propose()
    assert code == 1
    assert "is no file of a submission" in said or "does not belong there" in said


def test_nothing_of_the_proposal_runs(repository: Repository, toy_benchmark: Benchmark, tmp_path: Path) -> None:
    # filters, attributes and hooks are the ways that git itself would run or change what is proposed
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
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


def test_links_modes_and_submodules_are_refused(repository: Repository, toy_benchmark: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
    (folder / "README.md").symlink_to("/etc/passwd")
    code, said = repository.propose()
    assert code == 1 and "120000" in said
    (folder / "README.md").unlink()
    (folder / "submission.json").chmod(0o755)
    code, said = repository.propose("HEAD~2")
    assert code == 1 and "100755" in said


def test_one_submission_at_a_time(repository: Repository, toy_benchmark: Benchmark) -> None:
    for slug in ("mine", "yours"):
        make(repository.root / "submissions" / slug, toy_benchmark)
    code, said = repository.propose()
    assert code == 1 and "one at a time" in said


def test_nothing_proposed_and_removal(repository: Repository, toy_benchmark: Benchmark) -> None:
    code, said = repository.propose()
    assert code == 1 and "is unchanged" in said
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
    repository.commit()
    for file in folder.iterdir():
        file.unlink()
    code, said = repository.propose()
    assert code == 1 and "is removed" in said


def test_tau_after_the_fact_is_refused(repository: Repository, toy_benchmark: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
    repository.commit()
    path = folder / "submission.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {"description": "better words"}))
    code, said = repository.propose()
    assert code == 0, said
    path.write_text(json.dumps(meta | {"tau": dict.fromkeys(SCENARIOS, 0.2)}))
    code, said = repository.propose()
    assert code == 1 and "changes tau after it was scored" in said


def describe(folder: Path, **changes: object) -> None:
    path = folder / "submission.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


HEADING = "replaces the submission mine by Ada, Bob."


def test_the_words_of_a_scored_submission_may_be_mended(repository: Repository, toy_benchmark: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", toy_benchmark, authors=["Ada", "Bob"])
    code, said = repository.propose()
    assert code == 0 and "replaces" not in said
    latency = {"seconds": 0.016, "hardware": "another name of it"}
    describe(
        folder, name="Mine", authors=["Eve"], url="https://mine.example", description="a typo", router_latency=latency
    )
    (folder / "README.md").write_text("words")
    code, said = repository.propose()
    assert code == 0, said
    assert said.startswith(f"This {HEADING}\n\n**Mine** is in order")
    code, said = repository.propose("HEAD~3", "--json")  # the same files, where the base branch has none of them
    report = json.loads(said)
    assert code == 0 and report["replaces"] is None
    (folder / "README.md").write_text("other words")
    report = json.loads(repository.propose("HEAD~1", "--json")[1])
    assert list(report)[1] == "replaces" and report["replaces"] == {"slug": "mine", "authors": ["Eve"]}


CHANGES = {
    "changes its predictions after they were scored": lambda f, toy_benchmark: make(
        f, toy_benchmark, probabilities(toy_benchmark, seed=1)
    ),
    "changes tau after it was scored": lambda f, toy_benchmark: describe(f, tau=dict.fromkeys(SCENARIOS, 0.2)),
    "changes kind after it was scored": lambda f, toy_benchmark: describe(f, kind="cascade"),
    "changes router latency after it was scored": lambda f, toy_benchmark: describe(
        f, router_latency={"seconds": 0.0, "hardware": "a test machine"}
    ),
}


@pytest.mark.parametrize("says", CHANGES)
def test_what_decides_the_scores_of_a_scored_submission_stands(
    repository: Repository, toy_benchmark: Benchmark, says: str
) -> None:
    # other predictions at an equal tau were in order: the table of one's own, or another's, router was tuned by it
    folder = make(repository.root / "submissions" / "mine", toy_benchmark, authors=["Ada", "Bob"])
    repository.commit()
    before = (folder / "submission.json").read_text()
    if "predictions" in says:
        shutil.rmtree(folder)
    CHANGES[says](folder, toy_benchmark)
    if "predictions" in says:
        (folder / "submission.json").write_text(before)
    code, said = repository.propose()
    assert code == 1 and says in said, said
    assert said.startswith(f"This {HEADING}") and "under another slug" in said
    assert "RCS" not in said, "no score to tune by"
    report = json.loads(repository.propose("HEAD~2", "--json")[1])
    assert report["replaces"] == {"slug": "mine", "authors": ["Ada", "Bob"]} and report["result"] is None
    folder.rename(folder.with_name("mine-2"))
    describe(folder.with_name("mine-2"), slug="mine-2")
    repository.git("checkout", "-q", "HEAD~1", "--", "submissions/mine")
    code, said = repository.propose("HEAD~1")
    assert code == 0, said


def test_another_format_of_the_predictions_is_a_change(repository: Repository, toy_benchmark: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
    repository.commit()
    pd.read_parquet(folder / "predictions.parquet").to_csv(folder / "predictions.csv", index=False)
    (folder / "predictions.parquet").unlink()
    code, said = repository.propose()
    assert code == 1 and "changes its predictions" in said


def test_what_the_base_branch_could_not_score_may_be_mended(repository: Repository, toy_benchmark: Benchmark) -> None:
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
    meta = (folder / "submission.json").read_text()
    (folder / "submission.json").write_text("{")
    repository.commit()
    (folder / "submission.json").write_text(meta)
    code, said = repository.propose()
    assert code == 0 and "replaces" not in said


def test_a_submission_of_an_older_schema_is_replaced_by_one_that_is_made_anew(
    repository: Repository, toy_benchmark: Benchmark
) -> None:
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
    describe(folder, schema_version=1)
    repository.commit()
    make(folder, toy_benchmark, probabilities(toy_benchmark, seed=1), tau=dict.fromkeys(SCENARIOS, 0.2))
    code, said = repository.propose("HEAD~1", "--json")
    assert code == 0, said
    assert json.loads(said)["replaces"]["slug"] == "mine"


def test_any_folder_of_the_clone_will_do(repository: Repository, toy_benchmark: Benchmark) -> None:
    # below the root, git listed nothing under the submission's path, and the answer was "is removed"
    make(repository.root / "submissions" / "mine", toy_benchmark)
    repository.git("config", "diff.relative", "true")
    repository.commit()
    below = repository.root / "submissions"
    run = run_cli("submit", "ci", "HEAD~1", "HEAD", "--repository", below, "--data", repository.dataset, "--n-boot", 50)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("character", ["|", "$", "<", "x"])
def test_a_comment_is_short_enough_to_be_posted(character: str) -> None:
    # `|` is six characters once escaped: a comment of 65,537 is not posted, and the verdict was skipped with it
    text = character * 5000
    for report in (
        Report(tuple(Problem(text, text, text) for _ in range(200))),
        Report((Problem(text, text),) * 50, replaces=Replaced("mine", (text,) * 2000)),
    ):
        said = report.to_markdown()
        assert len(said) <= 60_000
        assert (len(text) < len(said) < 60_000 and "Cut here, too long" in said) == (character in "|$<"), len(said)
        rows = [line for line in said.splitlines() if line.startswith("| ")]
        assert rows and all(line.endswith(" |") for line in rows), "no row is cut within"
    assert "Cut here" not in Report((Problem("a", "b"),)).to_markdown()


def steps_of(job: str) -> tuple[dict[str, Any], list[str]]:
    """A job of the submission workflow, and its scripts."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "submission.yml").read_text("utf-8"))
    found = workflow["jobs"][job]
    return found, [step["run"] for step in found["steps"] if "run" in step]


@pytest.mark.parametrize(
    ("checked", "commented", "verdict", "code"),
    [
        ("success", "success", "passed", 0),
        ("success", "success", "failed", 1),
        ("success", "success", "", 1),
        ("success", "failure", "passed", 1),
        ("success", "skipped", "passed", 1),
        ("success", "cancelled", "passed", 1),
        ("failure", "skipped", "", 1),
        ("failure", "success", "passed", 1),
    ],
)
def test_only_success_everywhere_is_a_verdict(checked: str, commented: str, verdict: str, code: int) -> None:
    # a comment that could not be posted skipped the verdict, and a skipped check is a passed one
    job, (script,) = steps_of("verdict")
    assert job["if"] == "always()" and set(job["needs"]) == {"check", "comment"}
    values = {
        "${{ needs.check.result }}": checked,
        "${{ needs.comment.result }}": commented,
        "${{ needs.check.outputs.verdict }}": verdict,
    }
    env = {name: values[value] for name, value in job["steps"][0]["env"].items()}
    assert subprocess.run(["bash", "-e", "-c", script], env=os.environ | env).returncode == code


@pytest.mark.parametrize(
    ("command", "says"), [("kill -9 $$", "without a verdict"), ("echo Refused; exit 1", "Refused")]
)
def test_a_crash_is_told_too(tmp_path: Path, command: str, says: str) -> None:
    # an empty comment cannot be posted
    script = next(script for script in steps_of("check")[1] if "submit ci" in script)
    (tmp_path / "rsd-bench").write_text(f"#!/bin/bash\n{command}\n")
    (tmp_path / "rsd-bench").chmod(0o755)
    files = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    env = os.environ | files | {"BASE": "a", "HEAD": "b", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=env, check=True, capture_output=True)
    assert says in (tmp_path / "out" / "comment.md").read_text()
    assert (tmp_path / "output").read_text() == "verdict=failed\n"


@pytest.mark.parametrize(
    "names", [("nowhere", "main"), ("main", "--upload-pack=touch"), ("main", "$(id)"), ("", "main")]
)
def test_commits_that_are_none(repository: Repository, names: tuple[str, str]) -> None:
    run = run_cli("submit", "ci", "--repository", repository.root, "--data", repository.dataset, "--", *names)
    assert run.returncode == 1
    assert "Refused" in run.stdout

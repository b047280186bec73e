"""`rsd-bench router` refuses in one line, and asks for torch only where it is wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import WITHOUT_TORCH, call_cli

pytest.importorskip("torch")


def test_commands_refuse_in_one_line(tmp_path: Path) -> None:
    for arguments, code in (
        (("router", "train", "--track", "nowhere", "--out", tmp_path / "x"), 1),
        (("router", "train", "--scenario", "nothing", "--out", tmp_path / "x"), 1),
        (("router", "train", "--without", "smell", "--out", tmp_path / "x"), 2),
        (("router", "train", "--threshold", "guess", "--out", tmp_path / "x"), 2),
        (("router", "predict", tmp_path / "absent", "--out", tmp_path / "y"), 1),
        (("router", "bench", tmp_path / "absent"), 1),
        (("router", "push", "absent", "org/name"), 1),
        (("router", "submit", "absent.py", "--out", tmp_path / "z"), 1),
        (("router", "submit", "knn", "--track", "", "--out", tmp_path / "z"), 1),
        (("router", "sweep", "--mes", "4..99", "--out", tmp_path / "z"), 2),
        (("router", "tracks", tmp_path / "absent", "--out", tmp_path / "z"), 1),
        (("router", "submit", "no-such", "--out", tmp_path / "z"), 1),
    ):
        done = call_cli(*arguments)
        assert done.returncode == code, (arguments, done.stderr)
        (said,) = (line for line in done.stderr.splitlines() if line.lower().startswith("error: "))
        assert said and not any(tmp_path.iterdir())


def test_routers_that_read_no_encoder_need_no_encoder_features(tmp_path: Path, toy_dataset: Path) -> None:
    # both stopped at "holds no encoder features" on a dataset fresh from `data build`
    for name in ("domain-constant", "ngram-gain"):
        out = tmp_path / name
        run = call_cli("router", "submit", name, "--data", toy_dataset, "--track", "in-domain", "--out", out)
        assert run.returncode == 0, run.stderr
        assert call_cli("submit", "check", out, "--data", toy_dataset).returncode == 0
    run = call_cli("router", "submit", "knn", "--data", toy_dataset, "--out", tmp_path / "knn")
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "have no image vectors -> encode the full edition: rsd-bench features encode" in run.stderr


@pytest.mark.parametrize(
    ("command", "works"), [(["submit", "domain-constant", "--track", "in-domain"], True), (["train"], False)]
)
def test_without_torch_what_needs_none_works_and_the_rest_says_so(
    tmp_path: Path, command: list[str], works: bool
) -> None:
    script = f"{WITHOUT_TORCH}\nfrom rsd_bench.cli.main import main; main()"
    arguments = ["router", *command, "--out", str(tmp_path / "made")]
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120)
    assert (run.returncode == 0) is works, run.stderr
    if not works:
        assert run.stderr.startswith("error: rsd-bench: this command needs torch -> pip install torch")
        assert run.stderr.count("\n") == 1

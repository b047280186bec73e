"""The examples: from two endpoints to a dataset that is sound, and a compose file that fits its settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytest.importorskip("starlette")

import yaml
from serving import FakeTier

from rsd_bench.serve.settings import read_settings


@pytest.mark.heavy
def test_traffic_becomes_a_dataset(tmp_path: Path) -> None:
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        command = [sys.executable, ROOT / "examples" / "serve" / "serve_pair.py", "--out", tmp_path]
        command += ["--edge", edge.flag, "--cloud", cloud.flag]
        run = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr
    assert run.stdout.count(" p 0.9000 ") + run.stdout.count(" p 0.1000 ") == 60
    assert ": queries  60" in run.stdout and ": outcomes  120" in run.stdout
    assert (tmp_path / "dataset" / "manifest.json").is_file()


def test_the_compose_file_names_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Docker: its settings are read, its mounts and models are those of the settings."""
    monkeypatch.setenv("RSD_SERVE_KEY", "x")
    folder = ROOT / "examples" / "serve"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    settings = read_settings(folder / "serve.toml", {})
    mounts = dict(mount.split(":")[:2] for mount in services["router"]["volumes"])
    assert mounts["./serve.toml"] in (folder / "Dockerfile").read_text() and (folder / "serve.toml").is_file()
    assert settings.router[0].startswith(mounts["./routers"]) and settings.log.startswith(mounts["served"])
    assert services["router"]["environment"] == [settings.api_key_env]
    for name, endpoint in settings.endpoints().items():
        assert endpoint.model in services[name]["command"] and endpoint.base_url == f"http://{name}:8000/v1"
    build = services["router"]["build"]
    assert (folder / build["context"] / build["dockerfile"]).is_file()

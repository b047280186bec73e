"""`rsd-bench serve` as a user starts it: a router's checkpoint, two models, one line that says where, and a clean end.

Guards against a server that starts with half of its settings wrong, or drops answers that are under way when it is told
to stop.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest
from conftest import call_cli, png

pytest.importorskip("starlette")
pytest.importorskip("torch")

from openai import OpenAI
from serving import FakeTier

from rsd_bench.config import SCENARIOS
from rsd_bench.features.encoders import load_encoder
from rsd_bench.features.feature_table import FeatureSpec
from rsd_bench.routers.network import ReferenceRouter, RouterConfig


@pytest.fixture(scope="module")
def router(tiny_encoders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the reference router, its weights random."""
    spec = FeatureSpec(*(load_encoder(kind, str(tiny_encoders[kind])).spec for kind in ("image", "text")))
    folder = tmp_path_factory.mktemp("served") / "router"
    scenario = asdict(SCENARIOS["low_energy"])
    ReferenceRouter(RouterConfig(features=spec.to_dict(), scenario=scenario)).save_pretrained(folder)
    return folder


def test_a_checkpoint_answers_and_stops_when_told(router: Path, tiny_encoders: dict[str, Path], tmp_path: Path) -> None:
    encoders = [part for kind, at in tiny_encoders.items() for part in (f"--{kind}-encoder", str(at))]
    url = f"data:image/png;base64,{base64.b64encode(png(1)).decode()}"
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        command = [sys.executable, "-m", "rsd_bench", "serve", "--router", str(router), "--port", "0", *encoders]
        command += ["--edge", edge.flag, "--cloud", cloud.flag, "--log", str(tmp_path / "store")]
        environment = os.environ | {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as run:
            try:
                line = run.stdout.readline()
                assert line.endswith("/v1   edge small, cloud large\n"), line or run.stderr.read()
                client = OpenAI(api_key="none", base_url=line.split()[0], max_retries=0, timeout=60)
                assert [one.id for one in client.models.list()] == ["rsd/low_energy", "small", "large"]
                content = [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": "How many things are in picture 1?"},
                ]

                def ask() -> object:
                    messages = [{"role": "user", "content": content}]
                    return client.chat.completions.with_raw_response.create(model="rsd/low_energy", messages=messages)

                raw = ask()
                p, tier = float(raw.headers["x-rsd-p-edge"]), raw.headers["x-rsd-tier"]
                assert "x-rsd-router" not in raw.headers and 0 <= p <= 1 and tier in ("edge", "cloud")
                edge.delay = cloud.delay = 1.0
                late: list[object] = []
                thread = threading.Thread(target=lambda: late.append(ask()))
                asked = len(edge.seen) + len(cloud.seen)
                thread.start()
                while len(edge.seen) + len(cloud.seen) == asked and thread.is_alive():
                    pass
                run.send_signal(signal.SIGTERM)
                thread.join(20)
                assert late and late[0].headers["x-rsd-tier"] == tier, "an answer under way was dropped"
                assert run.wait(20) in (0, -signal.SIGTERM)
                assert "Traceback" not in run.stderr.read()
            finally:
                run.kill()


def test_every_fault_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    made = call_cli("serve", "--edge", "a@http://x/v1?key=secret", "--cloud", "nothing", "--router", tmp_path / "no")
    assert made.returncode == 1 and made.stderr.splitlines() == [
        "error: endpoint of a: the base URL holds more than a place -> put the key into an environment variable and "
        "name it with --key-env ID=VARIABLE",
        "error: endpoint: is not ID@BASE_URL -> for example my-model@http://localhost:8000/v1",
        "2 problems",
    ]
    good = ("serve", "--edge", "a@http://x/v1", "--cloud", "b@http://y/v1", "--router", tmp_path / "no")
    assert call_cli(*good).stderr.startswith(f"error: {tmp_path / 'no'}")
    for more, what in (
        (("--host", "0.0.0.0"), "error: --host: 0.0.0.0 can be reached by others"),
        (("--api-key-env", "NO_SUCH_KEY"), "error: --api-key-env: variable NO_SUCH_KEY is not set"),
        (("--shadow", "0.5"), "error: --shadow: asks for answers that nothing keeps"),
        (("--log-share", "2"), "error: --log-share: is 2 -> give a share from 0 to 1"),
        (("--edge-timeout", "nan"), "error: --edge-timeout: is nan -> give seconds above 0"),
        (("--config", tmp_path / "absent.toml"), f"error: {tmp_path / 'absent.toml'}"),
    ):
        made = call_cli(*good, *more)
        assert made.returncode == 1 and made.stderr.startswith(what), made.stderr
        assert made.stderr.count("\n") == 1

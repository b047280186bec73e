"""docs/serving.md holds: its settings are read as they stand, its options and figures are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import ROOT, call_cli

pytest.importorskip("starlette")

from rsd_bench import config
from rsd_bench.serve import app, counts, deciding, listening, sending, settings, tiers, upstream

PAGE = (ROOT / "docs" / "serving.md").read_text("utf-8")


def test_the_settings_of_the_page_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    (tmp_path / "serve.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.S)[1])
    read = settings.read_settings(tmp_path / "serve.toml", {})
    assert read.edge_timeout == 10 and list(read.endpoints()) == ["edge", "cloud"] and len(read.router) == 2


def test_every_option_of_the_page_is_one_and_the_other_way_round() -> None:
    shown = call_cli("serve", "--help").stdout
    of_page = set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--reference", "--judge", "--store", "--out"}
    of_page -= {"--allowed-media-domains"}  # vLLM's
    options = set(re.findall(r"--[a-z][a-z-]+", shown))
    assert of_page <= options
    assert options - of_page <= {"--help", "--port", "--image-encoder", "--text-encoder", "--device"}
    named = {f"--{field.name.replace('_', '-')}" for field in fields(settings.Settings)} - {"--ray"}  # a table
    assert named <= options, "a setting without an option"


def test_figures_of_the_page() -> None:
    default = settings.Settings()
    for figure in (
        f"`--edge-timeout` ({default.edge_timeout:g} s)",
        f"`--timeout` ({default.timeout:g} s",
        f"`--concurrency` ({default.concurrency})",
        f"`--queue` ({default.queue})",
        f"takes more than {deciding._DECISION_S:g} s, or {deciding._WAITING} decisions wait",
        f"silent for {upstream._STALL_S:g} s",
        f"for {tiers._REST_S:g} s at a time",
        f"not shown any for {tiers._BLIND_S / 60:g} minutes",
        f"does not read for {sending.UNREAD_S:g} s",
        f"read at {listening._READ_BYTES >> 20} MiB each",
        f"{listening._GRACE_S} s to finish",
        f"at most {config.MAX_SERVED_BODY >> 20} MiB and {config.MAX_SERVED_IMAGES} images",
        f"at most {config.MAX_SERVED_PIXELS // 10**6} megapixels",
        f"first {config.MAX_ROUTED_TEXT:,} characters",
        f"heads must come within {listening._HEAD_S:g} s, bodies within {app._BODY_S:g} s",
    ):
        assert figure in PAGE.replace("\n", " ").replace("  ", " "), figure
    assert tiers._FAILURES == 5 and "five failures in a row" in PAGE.replace("\n", " ")
    for outcome in counts.OUTCOMES:
        assert f"`{outcome}`" in PAGE

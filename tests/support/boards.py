"""A board to look at, and Debian's Chromium to look with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsd_bench.board.build_board import collect_board, write_board
from rsd_bench.board.leaderboard import BoardRow, BoardTable, Leaderboard
from rsd_bench.board.page import to_html
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.metrics.tiers import labels_of
from rsd_bench.submission.new_submission import write_files

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
TABLE = "#rows tbody:not(.policies) tr[data-slug]"
NASTY = [
    "<script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    '=HYPERLINK("http://evil.example","x")',
    "[x](javascript:window.hacked=1)|<b>",
    "\u202egnp.exe <!--",
]


def browser_path() -> str | None:
    """Debian's Chromium, or what else is installed by a known name."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def synthetic(folder: Path, benchmark: Benchmark, seed: int, **meta: Any) -> None:
    """A submission whose probabilities follow the labels as closely as its seed says."""
    rng, frames = np.random.default_rng(seed), []
    skill = rng.uniform(0, 1.2)
    for track in benchmark.tracks:
        part = benchmark.part(track, "test")
        truth = labels_of(part.tiers.scores, 6)
        p = 1 / (1 + np.exp(-skill * (truth - 0.5) * 2 - rng.normal(0, 1, truth.shape)))
        columns = ["p_edge"] if part.count == 2 else [f"p_{k}" for k in range(1, part.count)]
        said = dict(zip(columns, p.T, strict=True))
        frames.append(pd.DataFrame({"track": track, "query_id": part.query_ids, "scenario": "*"} | said))
    manifest = benchmark.manifest
    dataset = {"name": manifest.name, "version": manifest.version, "manifest_sha256": benchmark.manifest_sha256}
    folder.mkdir(parents=True)
    base = {
        "schema_version": 2,
        "slug": folder.name,
        "name": f"Router {seed}",
        "authors": ["A. Author"],
        "description": "Synthetic.",
        "dataset": dataset,
        "tau": {name: round(float(rng.uniform(0.1, 0.8)), 2) for name in SCENARIOS},
        "router_latency": {"seconds": 0.016, "hardware": "a test machine"},
    }
    write_files(folder, base | meta, pd.concat(frames))


@dataclass(frozen=True)
class Built:
    """A written board, and what it is made of."""

    page: Path
    board: Leaderboard


@cache  # the fixture is one of each module that imports it
def _build(root: Path) -> Built:
    benchmark = open_benchmark(dataset_folder())
    for seed in range(4):
        synthetic(root / "submissions" / f"router-{seed}", benchmark, seed)
    for seed in (4, 5):
        name, *authors = NASTY[seed - 4 :]
        hardware = {"seconds": 0.016, "hardware": NASTY[1]}
        texts = {"authors": authors, "description": " ".join(NASTY), "router_latency": hardware}
        link = 'https://evil.example/%22%3E%3Cscript%3Ewindow.hacked=1%3C/script%3E?"onclick=window.hacked=1'
        synthetic(root / "submissions" / f"nasty-{seed}", benchmark, seed, name=name, url=link, **texts)
    shutil.copytree(root / "submissions" / "router-1", root / "submissions" / "router-1-again")
    (root / "submissions" / "<b>refused").mkdir()
    path = root / "submissions" / "router-1-again" / "submission.json"
    path.write_text(path.read_text().replace('"router-1"', '"router-1-again"'))
    board = collect_board(root / "submissions", benchmark, n_boot=300)
    write_board(board.files(), root / "board")
    return Built(root / "board" / "index.html", board.data)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Six routers on the embedded data, two of them hostile in every text field."""
    return _build(tmp_path_factory.getbasetemp() / "browser")


@pytest.fixture
def altered(built: Any, tmp_path: Path) -> Callable[[Callable[[Leaderboard], Leaderboard]], Path]:
    """altered(change) -> the page of change(board)."""

    def build(change: Callable[[Leaderboard], Leaderboard]) -> Path:
        (tmp_path / "index.html").write_bytes(to_html(change(built.board)))
        return tmp_path / "index.html"

    return build


def table_of(board: Leaderboard, track: str = "in-domain", scenario: str = "fast_response") -> BoardTable:
    return next(t for t in board.tables if (t.track, t.scenario) == (track, scenario))


def with_home_rows(change: Callable[[BoardRow, BoardTable], BoardRow]) -> Callable[[Leaderboard], Leaderboard]:
    """Every row of the home table becomes change(row, table)."""

    def changed(board: Leaderboard) -> Leaderboard:
        home = table_of(board)
        rows = tuple(change(row, home) for row in home.rows)
        return replace(board, tables=tuple(replace(t, rows=rows) if t is home else t for t in board.tables))

    return changed


def text(page: Any, at: str) -> str:
    """Text of the one element at a selector; minus signs as Python writes them."""
    return str(page.locator(at).text_content()).replace("−", "-")


@pytest.fixture(scope="module")  # a live playwright keeps an event loop running, which later tests would meet
def chromium() -> Iterator[Any]:
    """Debian's Chromium; a machine without one fails here with what to do."""
    from playwright.sync_api import sync_playwright

    found = browser_path()
    if not found:
        pytest.fail("no Chromium: run `make chromium` (apt-get install chromium), or install one and put it on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page and what it complained of."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def visit(chromium: Any, built: Built) -> Iterator[Any]:
    """visit(fragment, width, theme, path) -> Visit of the first track's ranking, each in a profile of its own.

    What the page complained of is checked at the end.
    """
    opened: list[tuple[Any, Visit]] = []

    def go(fragment: str = "#view=table", width: int = 1280, theme: str = "light", path: Path | None = None) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        seen = Visit(context.new_page())
        seen.page.on("console", lambda m: seen.complaints.append(m.text) if m.type in ("error", "warning") else None)
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("dialog", lambda dialog: seen.complaints.append(f"dialog {dialog.message}"))
        seen.page.goto((path or built.page).as_uri() + fragment)
        opened.append((context, seen))
        return seen

    yield go
    for context, seen in opened:
        assert seen.page.evaluate("window.hacked") is None
        assert seen.complaints == [], seen.complaints
        assert all(url.startswith("file:") for url in seen.requests), seen.requests
        context.close()

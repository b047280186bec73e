"""Evaluation and the board: a pure function of decisions and data.

Guards against results that cannot be reproduced, boards that rank without error bars, constant policies that pass for
routers, copies of the truth, and text of a submitter that runs as HTML or as a formula.
"""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import run_cli
from sound_submissions import make, probabilities

import rsd_bench as rsd
from rsd_bench.board import scored
from rsd_bench.board.build_board import build_board, check_board, write_board
from rsd_bench.board.flags import DECLARED
from rsd_bench.config import INTERVAL, SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation.result import METRICS, Result
from rsd_bench.inert_text import csv_cell, markdown_text
from rsd_bench.metrics.routing import rcs_oracle
from rsd_bench.schemas import validator
from rsd_bench.types import InputError

BOOT = 300


@pytest.fixture
def submissions(tmp_path: Path, toy_benchmark: Benchmark) -> Path:
    """Three honest routers on all tracks, one constant, one copy of the oracle, one duplicate, one that is refused."""
    folder = tmp_path / "submissions"
    tracks = toy_benchmark.tracks
    for seed in range(3):
        make(
            folder / f"random-{seed}",
            toy_benchmark,
            probabilities(toy_benchmark, tracks, seed),
            name=f"Random {seed}",
        )
    make(folder / "copycat", toy_benchmark, probabilities(toy_benchmark, tracks, 0), name="Copycat")
    frame = probabilities(toy_benchmark)
    make(folder / "constant", toy_benchmark, frame.assign(p_edge=0.9), name="Always edge")
    test = toy_benchmark.part("in-domain", "test")
    truth = pd.concat(
        frame.assign(
            query_id=test.query_ids, scenario=name, p_edge=rcs_oracle(test.outcomes, scenario).astype(np.float64)
        )
        for name, scenario in SCENARIOS.items()
    )
    make(folder / "truth", toy_benchmark, truth, name="Copied truth")
    shutil.copytree(folder / "constant", folder / "broken")
    return folder


@pytest.mark.parametrize(
    ("name", "value"),
    [("submission_dir", None), ("data", 5), ("n_boot", "x"), ("n_boot", 1.5), ("n_boot", -1), ("seed", -1)],
)
def test_evaluate_names_the_argument(
    tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark, name: str, value: object
) -> None:
    """A TypeError of pathlib or numpy said nothing about the call."""
    sound = {"submission_dir": make(tmp_path / "mine", toy_benchmark), "data": toy_dataset, "n_boot": 10}
    assert rsd.evaluate(**sound).scores
    with pytest.raises(ValueError, match=rf"^{name}: "):
        rsd.evaluate(**(sound | {name: value}))


def test_result_equals_the_public_functions(tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark) -> None:
    frame = probabilities(toy_benchmark, toy_benchmark.tracks)
    tau = dict(zip(SCENARIOS, (0.3, 0.5, 0.7), strict=True))
    folder = make(tmp_path / "mine", toy_benchmark, frame, tau=tau)
    result = rsd.evaluate(folder, data=toy_dataset, n_boot=BOOT)
    rows = {(row.track, row.scenario): row for row in result.scores}
    assert len(rows) == len(toy_benchmark.tracks) * len(SCENARIOS)
    pairs = rsd.load(toy_dataset, split="test").with_format("pandas")[:]
    p = frame[frame["track"] == "in-domain"].set_index("query_id")["p_edge"][pairs["query_id"]].to_numpy()
    outcomes = {"small": pairs["small_score"], "large": pairs["large_score"]}
    for name in SCENARIOS:
        score = rsd.score_routing(p >= tau[name], **outcomes, scenario=name, router_latency_s=0.016)
        row = rows["in-domain", name]
        for metric in METRICS:
            found = getattr(row, metric)
            assert found.value == pytest.approx(getattr(score, metric), abs=1e-9)
            assert found.low <= found.value <= found.high
        assert row.regret == pytest.approx(row.oracle_rcs - score.rcs, abs=1e-8)
        fixed = rsd.score_routing(np.full(len(p), row.best_fixed == "all-edge"), **outcomes, scenario=name)
        assert row.gain.value == pytest.approx(score.rcs - fixed.rcs, abs=1e-8)
        assert sum(d.n for d in row.domains) == row.n == len(p)
        assert row.worst_domain_rcs == min(d.rcs.value for d in row.domains)
        swept = rsd.sweep(p, **outcomes, scenario=name, taus=[tau[name]], router_latency_s=0.016).set_index("tau")
        assert swept.loc[tau[name], "rcs"] == pytest.approx(score.rcs)


def test_result_names_its_versions_and_is_byte_identical(
    tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark
) -> None:
    folder = make(tmp_path / "mine", toy_benchmark)
    runs = [run_cli("eval", folder, "--data", toy_dataset, "--json", "--n-boot", BOOT).stdout for _ in range(2)]
    assert runs[0] == runs[1]
    result = json.loads(runs[0])
    validator("result").validate(result)
    assert result["dataset"]["manifest_sha256"] == toy_benchmark.manifest_sha256
    assert result["metrics_version"] == rsd.METRICS_VERSION
    assert result["package_version"] == rsd.__version__
    assert result["latency_basis"] == ["profile:paper-bounds"]
    assert result["router_latency"]["basis"] == "declared"
    typed = rsd.evaluate(folder, toy_dataset, n_boot=BOOT)
    assert typed.to_dict() == result
    assert Result.from_dict(result) == typed
    assert result["bootstrap"]["interval"] == INTERVAL
    before = {**result, "bootstrap": {k: v for k, v in result["bootstrap"].items() if k != "interval"}}
    validator("result").validate(before)
    assert Result.from_dict(before).bootstrap.interval == "percentile"  # a result of before does not say so itself
    frame = typed.to_frame()
    assert list(frame["scenario"]) == list(SCENARIOS)
    assert {"rcs", "rcs_low", "rcs_high", "auroc"} <= set(frame.columns)


def test_board_is_a_pure_function_of_its_inputs(tmp_path: Path, submissions: Path, toy_benchmark: Benchmark) -> None:
    meta = json.loads((submissions / "broken" / "submission.json").read_text()) | {"slug": "broken", "tau": {"x": 1}}
    (submissions / "broken" / "submission.json").write_text(json.dumps(meta))
    files = build_board(submissions, toy_benchmark, n_boot=BOOT)
    moved = tmp_path / "elsewhere"
    shutil.copytree(submissions, moved)
    assert build_board(moved, toy_benchmark, n_boot=BOOT) == files
    board = json.loads(files["leaderboard.json"])
    assert [refused["slug"] for refused in board["refused"]] == ["broken"]
    assert str(tmp_path) not in files["leaderboard.json"].decode()
    assert sorted(name for name in files if name.startswith("results/")) == [
        f"results/{slug}.json" for slug in ("constant", "copycat", "random-0", "random-1", "random-2", "truth")
    ]
    in_domain = {t["scenario"]: t for t in board["tables"] if t["track"] == "in-domain"}
    for table in in_domain.values():
        values = [row["rcs"]["value"] for row in table["rows"]]
        assert values == sorted(values, reverse=True)
        assert [row["band"] for row in table["rows"]] == sorted(row["band"] for row in table["rows"])
        flags = {row["slug"]: row["flags"] for row in table["rows"]}
        assert "constant policy" in flags["constant"]
        assert any(flag.startswith("near the oracle? 100 % of its gain over ") for flag in flags["truth"])
        assert table["rows"][0]["slug"] == "truth"
        assert {row["policy"] for row in table["references"]} == {"all-edge", "all-cloud", "label-oracle", "rcs-oracle"}
    flagged = {row["slug"]: row["flags"] for row in board["submissions"]}
    copy = "same decisions as random-0? 100.0 % of the contested queries of a track alike"
    assert flagged["copycat"] == [copy, DECLARED]
    assert flagged["random-1"] == [DECLARED]


@pytest.mark.parametrize(
    "error",
    [OSError(5, "Input/output error"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), ValueError("\nx")],
)
def test_a_folder_that_fails_its_reader_stops_no_other(
    tmp_path: Path, submissions: Path, toy_benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # text that was no UTF-8 in one submission ended `board build` for everybody
    plain = scored.check_submission

    def failing(folder: Path, benchmark: Benchmark) -> object:
        if folder.name == "random-1":
            raise error
        return plain(folder, benchmark)

    monkeypatch.setattr(scored, "check_submission", failing)
    files = build_board(submissions, toy_benchmark, n_boot=BOOT, cached=tmp_path / "kept")
    board = json.loads(files["leaderboard.json"])
    assert [row["slug"] for row in board["submissions"]] == ["constant", "copycat", "random-0", "random-2", "truth"]
    told = {row["slug"]: row["problems"] for row in board["refused"]}
    assert set(told) == {"broken", "random-1"}
    assert told["random-1"][0]["where"] == "random-1" and "cannot be scored: " in told["random-1"][0]["what"]


def test_names_that_are_no_text_stop_no_other(tmp_path: Path, submissions: Path, toy_benchmark: Benchmark) -> None:
    broken = submissions / "broken"
    (broken / os.fsdecode(b"\xff.csv")).write_text("x")
    shutil.copytree(broken, submissions / os.fsdecode(b"a\xff"))
    path = submissions / "random-1" / "submission.json"
    path.write_text(path.read_text().replace("Random 1", "\\ud800"))
    path = submissions / "random-2" / "submission.json"
    meta = json.loads(path.read_text()) | {"description": "\ud800"}
    path.write_text(json.dumps(meta))
    files = build_board(submissions, toy_benchmark, n_boot=BOOT, cached=tmp_path / "kept")
    write_board(files, tmp_path / "out")
    board = json.loads((tmp_path / "out" / "leaderboard.json").read_text("utf-8"))
    assert [row["slug"] for row in board["submissions"]] == ["constant", "copycat", "random-0", "truth"]
    assert [row["slug"] for row in board["refused"]] == ["a\\udcff", "broken", "random-1", "random-2"]


def test_the_same_predictions_are_seen_in_any_disguise(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # one row of -0.0 for 0.0, or a track more or less, made a copy pass for a router of its own
    folder, tracks = tmp_path / "s", toy_benchmark.tracks
    frame = probabilities(toy_benchmark, tracks)
    frame.loc[0, "p_edge"] = 0.0
    other = frame.copy()
    other.loc[0, "p_edge"] = -0.0
    here = frame["track"] == "in-domain"
    chance = frame.assign(p_edge=probabilities(toy_benchmark, tracks, 1)["p_edge"])
    entries = {
        "all": frame,
        "minus": other,
        "one": frame[here],
        "rest": frame[~here],
        "mixed": pd.concat([frame[here], chance[~here]]),
    }
    for slug, rows in entries.items():
        make(folder / slug, toy_benchmark, rows)
    board = json.loads(build_board(folder, toy_benchmark, n_boot=BOOT)["leaderboard.json"])
    flags = {row["slug"]: [flag for flag in row["flags"] if "same" in flag] for row in board["submissions"]}
    assert {slug: [flag.partition("? 100.0 % of the")[0] for flag in of] for slug, of in flags.items()} == {
        "all": ["same decisions as minus, mixed, one, rest"],
        "minus": ["same decisions as all, mixed, one, rest"],
        "mixed": ["same decisions as all, minus, one"],
        "one": ["same decisions as all, minus, mixed"],
        "rest": ["same decisions as all, minus"],
    }


def test_check_says_which_files_differ(tmp_path: Path, submissions: Path, toy_benchmark: Benchmark) -> None:
    out = tmp_path / "leaderboard"
    shutil.rmtree(submissions / "broken")
    files = build_board(submissions, toy_benchmark, n_boot=BOOT)
    write_board(files, out)
    assert check_board(files, out) == []
    (out / "results" / "gone.json").write_bytes((out / "results" / "random-1.json").read_bytes())
    (out / "leaderboard.md").write_text("I won")
    (out / "results" / "random-1.json").unlink()
    found = {Path(p.where).name: p.what for p in check_board(files, out)}
    assert found == {
        "gone.json": "has no submission",
        "leaderboard.md": "differs from what the submissions give",
        "random-1.json": "is missing",
    }
    write_board(files, out)
    assert check_board(files, out) == []


def test_a_board_is_written_over_a_board_only(tmp_path: Path, submissions: Path, toy_benchmark: Benchmark) -> None:
    # `board build --out docs` deleted docs/results/*.json of another tool, and a wrong --data emptied a board
    shutil.rmtree(submissions / "broken")
    files = build_board(submissions, toy_benchmark, n_boot=BOOT)
    docs = tmp_path / "docs"
    (docs / "results").mkdir(parents=True)
    (docs / "results" / "mine.json").write_text('{"figure": 1}')
    with pytest.raises(InputError, match=r"holds results/mine.json but no board"):
        write_board(files, docs)
    assert [p.name for p in docs.rglob("*.json")] == ["mine.json"]
    out = tmp_path / "leaderboard"
    (out / "results").mkdir(parents=True)
    (out / "leaderboard.py").write_text("mine")
    write_board(files, out)
    (out / "results" / "mine.json").write_text('{"figure": 1}')
    write_board(files, out)
    assert (out / "leaderboard.py").exists() and (out / "results" / "mine.json").exists()
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    for folder in submissions.iterdir():
        (folder / "submission.json").write_text("{}")
    with pytest.raises(InputError, match=r"would lose all \d+ routers"):
        write_board(build_board(submissions, toy_benchmark, n_boot=BOOT), out)
    assert before == {path: path.read_bytes() for path in out.rglob("*.*")}


def test_board_command(tmp_path: Path, submissions: Path, toy_dataset: Path) -> None:
    shutil.rmtree(submissions / "broken")
    common = ("board", "build", "--data", toy_dataset, "--n-boot", BOOT)
    assert run_cli(*common, cwd=tmp_path).returncode == 0
    assert run_cli(*common, "--check", cwd=tmp_path).returncode == 0
    (tmp_path / "leaderboard" / "leaderboard.csv").write_text("")
    failed = run_cli(*common, "--check", cwd=tmp_path)
    assert failed.returncode == 1
    assert "leaderboard.csv: differs" in failed.stderr


def test_text_of_a_submitter_is_inert(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    nasty = "=HYPERLINK(1)|<script>alert(1)</script>[x](javascript:y)`*_"
    make(tmp_path / "s" / "nasty", toy_benchmark, name=nasty)
    files = build_board(tmp_path / "s", toy_benchmark, n_boot=BOOT)
    markdown = files["leaderboard.md"].decode()
    assert "<script" not in markdown
    assert "](javascript" not in markdown
    cells = list(csv.DictReader(io.StringIO(files["leaderboard.csv"].decode())))
    assert cells[0]["name"] == f"'{nasty}"
    assert markdown_text("a|b\n<i>") == "a&#124;b &lt;i&gt;"


FORMULAS = [
    *("=1+1", "\u200b=1+1", "\ufeff=1+1", "\x00=1+1", "\x7f=1", "\t=1+1", "\x85=1", "\u3000=1", "+1", "-1", "@SUM(1)"),
    *(
        "﹦1+1",
        "＝1+1",
        '"=1',
        "\u202e=1",
        "\u2060\u200b @x",
        "a;=HYPERLINK(1)",
        "a; \u200b=1",
        'a;"=1',
        ";;=1",
        "a;\n+1",
    ),
]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_starts_a_formula(text: str) -> None:
    # what a spreadsheet leaves out stood before the sign, or the sign behind a semicolon, where it splits too
    cell = csv_cell(text)
    for part in cell.split(";"):
        seen = "".join(c for c in part if c.isprintable()).lstrip(' "')
        assert not seen.startswith(tuple("=+-@＝＋－＠﹦"))
    assert cell.isprintable() and "'" in cell


@pytest.mark.parametrize("text", ["a - b", "3 = 3", "a; b", "it's", "e-mail", "x;y=1"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert markdown_text(text) == text
    assert csv_cell(text) == text


LINKS = {
    "@user": r"@\w",
    "@org/team": r"@\w",
    "a@b.example": r"@\w",
    "https://evil.example": "://",
    "ftp://evil.example": "://",
    "www.evil.example": r"www\.",
    "WWW.evil.example": r"(?i)www\.",
    "org/repo#12": r"#\d",
    "gh-12": r"(?i)gh-\d",
    "$x$ and $$y$$": r"\$\S*\$",
    "\u202egnp.exe": "\u202e",
    "a\x00b\x1b[31mc\x7fd\ue000": r"[\x00-\x1f\x7f]",
    "a\u2028b\x85c": "[\u2028\x85]",
    "\ud800": "\ud800",
    "@\u200buser": r"@\w",
}


@pytest.mark.parametrize("text", LINKS)
def test_no_text_becomes_a_link_a_mention_or_a_formula(text: str) -> None:
    # GitHub looks for these after Markdown's escapes are undone, in a comment that the project's own bot posts
    shown = html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown_text(text)))
    assert not re.search(LINKS[text], shown.replace("<span>$</span>", " ")), ascii(shown)
    assert "\n" not in shown
    markdown_text(text).encode()


def test_compare_command(tmp_path: Path, submissions: Path, toy_dataset: Path, toy_benchmark: Benchmark) -> None:
    command = ("compare", submissions / "truth", submissions / "constant", "--data", toy_dataset, "--json")
    found = json.loads(run_cli(*command, "--n-boot", BOOT).stdout)["scenarios"]
    assert set(found) == set(SCENARIOS)
    assert all(row["separable"] and row["rcs"]["value"] > 0 for row in found.values())
    same = run_cli(
        "compare", submissions / "random-0", submissions / "copycat", "--data", toy_dataset, "--n-boot", BOOT
    )
    assert same.stdout.count("cannot be told apart") == 3
    absent = run_cli(
        "compare", submissions / "truth", submissions / "random-0", "--track", "moon", "--data", toy_dataset
    )
    assert absent.returncode == 1
    assert "moon: is no track" in absent.stderr

"""submission.json and what it claims: nothing in it scores but tau and the declared router latency.

Guards against a cost that came from the submitter and made a false first place, thresholds chosen after the test, copies
of the truth that passed as routers, and text that runs where it is shown.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hostile import judge, meta, parquet, raw, renamed, sound
from sound_submissions import make

from rsd_bench.board.build_board import build_board
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.routing import label_oracle, rcs_oracle
from rsd_bench.submission.submission import RouterLatency

BOOT = 50


DATASET = {"name": "toy-rsd", "version": "1.0.0", "manifest_sha256": "0" * 64}
FIELDS = {
    "another-manifest": ({"dataset": DATASET}, "another manifest"),
    "manifest-short": ({"dataset": DATASET | {"manifest_sha256": "0"}}, "manifest_sha256"),
    "manifest-upper": ({"dataset": DATASET | {"manifest_sha256": "A" * 64}}, "manifest_sha256"),
    "manifest-with-break": ({"dataset": DATASET | {"manifest_sha256": "0" * 64 + "\n"}}, "manifest_sha256"),
    "no-dataset": ({"dataset": ...}, "dataset"),
    "own-cost": ({"cost": 0.001}, "cost"),
    "own-score": ({"scores": {"rcs": 1.0}}, "scores"),
    "own-latency-of-models": ({"small_latency_s": 0.1}, "small_latency_s"),
    "own-rank": ({"band": 1}, "band"),
    "tau-nan": ({"tau": {"fast_response": float("nan")}}, "NaN"),
    "tau-infinite": ({"tau": {"fast_response": float("inf")}}, "Infinity"),
    "tau-negative": ({"tau": {"fast_response": -0.1}}, "tau.fast_response"),
    "tau-above": ({"tau": {"fast_response": 1.02}}, "tau.fast_response"),
    "tau-text": ({"tau": {"fast_response": "0.5"}}, "tau.fast_response"),
    "tau-flag": ({"tau": {"fast_response": True}}, "tau.fast_response"),
    "tau-per-query": ({"tau": {"fast_response": [0.1, 0.9]}}, "tau.fast_response"),
    "tau-of-no-scenario": ({"tau": {"easiest": 0.5}}, "no scenario"),
    "tau-of-no-track": ({"tau": {"fast_response": {"in-domain": 0.5, "moon": 1}}}, "no track"),
    "tau-empty": ({"tau": {}}, "tau"),
    "tau-gone": ({"tau": ...}, "tau"),
    "latency-negative": ({"router_latency": {"seconds": -1, "hardware": "x"}}, "router_latency.seconds"),
    "latency-nan": ({"router_latency": {"seconds": float("nan"), "hardware": "x"}}, "NaN"),
    "latency-huge": ({"router_latency": {"seconds": 1e300, "hardware": "x"}}, "router_latency.seconds"),
    "latency-gone": ({"router_latency": ...}, "router_latency"),
    "latency-measured-claimed": ({"router_latency": {"seconds": 0, "hardware": "x", "basis": "measured"}}, "basis"),
    "hardware-empty": ({"router_latency": {"seconds": 0, "hardware": ""}}, "hardware"),
    "name-empty": ({"name": ""}, "name"),
    "name-long": ({"name": "x" * 81}, "name"),
    "name-list": ({"name": ["x"]}, "name"),
    **{f"name-blank-{i}": ({"name": text}, "name: ") for i, text in enumerate(
        [" ", "\u200b", "\u2800", "\u3164", "\u00ad\ufeff", "\u202e", "\n", "\u0301"])},
    "author-blank": ({"authors": ["Ada", "\u200b"]}, "has no visible character"),
    "name-half-a-pair": ({"name": "\ud800"}, "surrogate"),
    "authors-half-a-pair": ({"authors": ["\udfff"]}, "surrogate"),
    "description-half-a-pair": ({"description": "a\ud83d"}, "surrogate"),
    "key-half-a-pair": ({"tau": {"\ud800": 0.5}}, "surrogate"),
    "authors-none": ({"authors": []}, "authors"),
    "authors-many": ({"authors": ["a"] * 51}, "authors"),
    "authors-object": ({"authors": {"a": 1}}, "authors"),
    "description-long": ({"description": "x" * 2001}, "description"),
    "version-of-schema": ({"schema_version": "1"}, "schema_version"),
    "version-next": ({"schema_version": 3}, "schema_version"),
    "slug-of-another": ({"slug": "winner"}, "slug is 'winner'"),
    "slug-gone": ({"slug": ...}, "slug"),
    **{f"url-{i}": ({"url": url}, "url") for i, url in enumerate([
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>1</script>", "file:///etc/passwd", "ftp://x", "//x",
        "https://a b", "https://x\n", " https://x", "vbscript:x", "https://" + "x" * 501, "http:/x", "https://é.example", ""])},
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_fields(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    changes, verdict = FIELDS[name]
    judge(tmp_path, toy_benchmark, meta(**changes), verdict)


@pytest.mark.parametrize("value", [1.02, -0.1, "0.5", True, None])
def test_a_tau_out_of_range_is_told_with_the_range(tmp_path: Path, toy_benchmark: Benchmark, value: object) -> None:
    # "is not valid under any of the given schemas" fixes nothing
    says = f"tau.low_energy must be a number in [0, 1.01], not {value!r}"
    judge(tmp_path / "one", toy_benchmark, meta(tau={"low_energy": value}), says)
    per_track = meta(tau={"low_energy": {"in-domain": value}})
    judge(tmp_path / "track", toy_benchmark, per_track, says.replace("low_energy", "low_energy.in-domain"))


@pytest.mark.parametrize("name", ["\U0001f600", "\u4e2d", "~", "\u200b\u05d0"])
def test_names_that_can_be_seen_are_taken(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    judge(tmp_path, toy_benchmark, meta(name=name), None)


def test_a_board_goes_on_without_a_name_that_cannot_be_written(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # half of a surrogate pair was accepted, and writing the board ended in UnicodeEncodeError
    sound(tmp_path / "s" / "honest", toy_benchmark)
    meta(name="\ud800")(sound(tmp_path / "s" / "victim", toy_benchmark))
    board = board_of(tmp_path / "s", toy_benchmark)
    assert [s["slug"] for s in board["submissions"]] == ["honest"]
    assert len(board["refused"]) == 1


DOCUMENTS = {
    "not-json": b"slug: victim",
    "empty": b"",
    "a-list": b"[]",
    "null": b"null",
    "key-twice": b'{"slug":"victim","slug":"winner"}',
    "trailing": b"{} {}",
    "comment": b"{/* */}",
    "binary": bytes(range(256)),
    "utf16": '{"slug":"victim"}'.encode("utf-16"),
    "huge-number": b'{"schema_version":' + b"9" * 10_000 + b"}",
    "hundred-thousand-keys": json.dumps({f"k{i}": i for i in range(60_000)}).encode(),
    "long-text": json.dumps({"name": "x" * 900_000}).encode(),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    judge(tmp_path, toy_benchmark, raw("submission.json", DOCUMENTS[name]), "submission.json")


def test_a_hundred_megabytes_of_text_are_not_parsed(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    judge(tmp_path, toy_benchmark, raw("submission.json", b'{"name":"' + b"x" * 100_000_000 + b'"}'), "more than the")


def board_of(folder: Path, toy_benchmark: Benchmark) -> dict[str, object]:
    return json.loads(build_board(folder, toy_benchmark, n_boot=BOOT)["leaderboard.json"])


def flags_of(board: dict, slug: str) -> list[str]:
    own = next(s["flags"] for s in board["submissions"] if s["slug"] == slug)
    return own + [f for t in board["tables"] for r in t["rows"] if r["slug"] == slug for f in r["flags"]]


def truth(folder: Path, toy_benchmark: Benchmark, oracle: object, share: float = 1.0) -> Path:
    part = toy_benchmark.part("in-domain", "test")
    rng = np.random.default_rng(0)
    frames = []
    for name, scenario in SCENARIOS.items():
        p = oracle(part.outcomes, scenario).astype(float)
        wrong = rng.random(len(p)) > share
        frames.append(
            pd.DataFrame(
                {
                    "track": "in-domain",
                    "query_id": part.query_ids,
                    "scenario": name,
                    "p_edge": np.where(wrong, 1 - p, p),
                }
            )
        )
    return make(folder, toy_benchmark, pd.concat(frames), name="T", router_latency=RouterLatency(0, "h"))


@pytest.mark.parametrize("oracle", [rcs_oracle, label_oracle])
@pytest.mark.parametrize("share", [1.0, 0.995])
def test_copies_of_the_truth_are_flagged(
    tmp_path: Path, toy_benchmark: Benchmark, oracle: object, share: float
) -> None:
    truth(tmp_path / "s" / "copied", toy_benchmark, oracle, share)
    assert any("near the oracle? " in flag for flag in flags_of(board_of(tmp_path / "s", toy_benchmark), "copied"))


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_constants_are_flagged(tmp_path: Path, toy_benchmark: Benchmark, p: float) -> None:
    judge(tmp_path / "s", toy_benchmark, parquet(lambda f: f.assign(p_edge=p)), None)
    assert "constant policy" in flags_of(board_of(tmp_path / "s", toy_benchmark), "victim")


@pytest.mark.parametrize("tau", [0.0, 1.01])
def test_constants_by_tau_are_flagged(tmp_path: Path, toy_benchmark: Benchmark, tau: float) -> None:
    judge(tmp_path / "s", toy_benchmark, meta(tau=dict.fromkeys(SCENARIOS, tau)), None)
    assert "constant policy" in flags_of(board_of(tmp_path / "s", toy_benchmark), "victim")


@pytest.mark.parametrize("turned", [False, True], ids=["same-bytes", "other-order-and-tau"])
def test_one_file_under_two_slugs_is_flagged(tmp_path: Path, toy_benchmark: Benchmark, turned: bool) -> None:
    # tau after the fact looks so: the same probabilities again, with another threshold
    folder = sound(tmp_path / "s" / "first", toy_benchmark)
    shutil.copytree(folder, tmp_path / "s" / "second")
    meta(slug="second", **({"tau": dict.fromkeys(SCENARIOS, 0.3)} if turned else {}))(tmp_path / "s" / "second")
    if turned:
        parquet(lambda f: f.iloc[::-1])(tmp_path / "s" / "second")
    board = board_of(tmp_path / "s", toy_benchmark)
    for slug, other in (("first", "second"), ("second", "first")):
        assert any(flag.startswith(f"same decisions as {other}? 100.0 %") for flag in flags_of(board, slug))


def test_a_declared_latency_of_nothing_moves_nothing_but_its_own_term(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    sound(tmp_path / "s" / "slow", toy_benchmark)
    fast = sound(tmp_path / "s" / "fast", toy_benchmark)
    meta(router_latency={"seconds": 0, "hardware": "magic"})(fast)
    board = board_of(tmp_path / "s", toy_benchmark)
    for table in board["tables"]:
        rows = {row["slug"]: row for row in table["rows"]}
        assert rows["fast"]["ail"]["value"] == pytest.approx(rows["slow"]["ail"]["value"] - 0.01)
        assert rows["fast"]["apsp"] == rows["slow"]["apsp"]
    assert any("declared, not measured" in flag for flag in flags_of(board, "fast"))


PAYLOADS = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1",
            "[x](javascript:alert(1))", "![x](http://evil.example/p.png)", "|a|b|", "`x`", "# title", "</td></table>", "&lt;script&gt;",
            "\u202egnp", "a\u0000b", "\x1b[31mred", "a\nb\n\n# c", "{{7*7}}", "${7*7}", "%s%n", "'; DROP TABLE x;--", "<!--", "]]>", "\\u003cscript",
            "https://evil.example", "www.evil.example", "@everyone", "http://x/=1"]  # fmt: skip


@pytest.mark.parametrize("text", PAYLOADS)
def test_text_is_inert_in_every_file_of_the_board(tmp_path: Path, toy_benchmark: Benchmark, text: str) -> None:
    safe = text.replace("\0", "")
    change = meta(
        name=safe[:80] or "x", authors=[safe], description=safe, router_latency={"seconds": 0, "hardware": safe}
    )
    judge(tmp_path / "s", toy_benchmark, change, None)
    files = build_board(tmp_path / "s", toy_benchmark, n_boot=BOOT)
    markdown, page = files["leaderboard.md"].decode(), files["index.html"].decode()
    assert not re.search(r"<(script|img|/td|!--)", markdown)
    assert "](javascript" not in markdown and "![x](" not in markdown
    heights = [line.count("|") for line in markdown.splitlines() if line.startswith("|")]
    assert len(set(heights)) == 1, "a cell broke its table"
    for row in csv.reader(io.StringIO(files["leaderboard.csv"].decode())):
        for cell in row:
            number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
            assert number or not re.match(r"\s*[=+\-@＝]", cell) or cell == "", cell
    assert page.count("<script") == 2 and page.count("</script") == 2
    assert page.count("<img") == 0


def test_a_slug_that_is_refused_is_inert_too(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    sound(tmp_path / "s" / "honest", toy_benchmark)
    for name in ("<script>alert(1)<", "=1+1", "a|b", "[x](y)"):
        (tmp_path / "s" / name).mkdir()
    files = build_board(tmp_path / "s", toy_benchmark, n_boot=BOOT)
    assert "<script" not in files["leaderboard.md"].decode()
    assert "\n=1+1" not in files["leaderboard.csv"].decode()
    assert len(json.loads(files["leaderboard.json"])["refused"]) == 4


def test_a_slug_may_not_take_the_name_of_another(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    judge(tmp_path, toy_benchmark, meta(slug="statistics-logistic"), "slug is 'statistics-logistic'")
    folder = sound(tmp_path / "victim2", toy_benchmark)
    renamed("other", agree=False)(folder)
    assert "slug is" in str(judge_problems(tmp_path / "other", toy_benchmark))


def judge_problems(folder: Path, toy_benchmark: Benchmark) -> list[str]:
    from rsd_bench.submission.check_submission import check_submission

    return [str(p) for p in check_submission(folder, toy_benchmark)[1]]

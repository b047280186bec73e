"""Rows: what is asked for must be there once, whatever else is.

Guards against a board where failed rows left the denominator and lifted 0.22 to 0.76, and a validator that took a
duplicated id in place of a missing one.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
import pytest
from hostile import judge, lines, parquet, sound, table

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.check_submission import check_submission


def swapped(frame: pd.DataFrame, column: str, value: object, rows: slice = slice(2, 3)) -> pd.DataFrame:
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def over(frame: pd.DataFrame, source: int, target: int) -> pd.DataFrame:
    frame.iloc[target] = frame.iloc[source]
    return frame


MISSING, TWICE, UNKNOWN, NO_TEST = "is missing", "stands twice", "is unknown", "is no test query"

HAND = {
    "first-row-dropped": (lambda f: f.iloc[1:], MISSING),
    "last-row-dropped": (lambda f: f.iloc[:-1], MISSING),
    "hard-queries-dropped": (lambda f: f[f["p_edge"] > 0.3], MISSING),
    "all-but-one-dropped": (lambda f: f.iloc[:1], MISSING),
    "no-rows": (lambda f: f.iloc[:0], "predictions."),
    "duplicate-in-place-of-missing": (lambda f: over(f, 3, 4), MISSING),
    "the-same-says-twice": (lambda f: over(f, 3, 4), TWICE),
    "row-twice-alike": (lambda f: pd.concat([f, f.iloc[:1]]), TWICE),
    "row-twice-other-p": (lambda f: pd.concat([f, f.iloc[:1].assign(p_edge=0.5)]), TWICE),
    "all-rows-twice": (lambda f: pd.concat([f, f]), TWICE),
    "twice-as-star-and-name": (lambda f: pd.concat([f, f.assign(scenario="fast_response")]), "mixes scenario *"),
    "one-row-by-name": (lambda f: swapped(f, "scenario", "fast_response"), "mixes scenario *"),
    "unknown-id": (lambda f: swapped(f, "query_id", "toy/999999"), UNKNOWN),
    "empty-id": (lambda f: swapped(f, "query_id", ""), UNKNOWN),
    "id-with-space": (lambda f: swapped(f, "query_id", f["query_id"].iloc[2] + " "), UNKNOWN),
    "id-with-null-byte": (lambda f: swapped(f, "query_id", f["query_id"].iloc[2] + "\0"), UNKNOWN),
    "id-upper-case": (lambda f: f.assign(query_id=f["query_id"].str.upper()), UNKNOWN),
    "id-homoglyph": (lambda f: f.assign(query_id=f["query_id"].str.replace("o", "о")), UNKNOWN),  # Cyrillic
    "id-decomposed": (lambda f: swapped(f, "query_id", "tóy/1"), UNKNOWN),
    "id-null": (lambda f: swapped(f, "query_id", None), UNKNOWN),
    "unknown-track": (lambda f: swapped(f, "track", "moon"), "track 'moon' is unknown"),
    "track-of-nobody": (lambda f: f.assign(track="../in-domain"), UNKNOWN),
    "track-null": (lambda f: swapped(f, "track", None), UNKNOWN),
    "track-upper": (lambda f: f.assign(track="In-Domain"), UNKNOWN),
    "unknown-scenario": (lambda f: swapped(f, "scenario", "easy"), "is not in tau"),
    "scenario-null": (lambda f: swapped(f, "scenario", None), "is not in tau"),
    "scenario-regex": (lambda f: f.assign(scenario=".*"), "is not in tau"),
    "another-track-half": (lambda f: pd.concat([f, f.iloc[:5].assign(track="chart-to-photo")]), "chart-to-photo"),
    "two-of-three-scenarios": (
        lambda f: pd.concat([f.assign(scenario=s) for s in list(SCENARIOS)[:2]]),
        "scenario 'low_energy': query",
    ),
    "a-scenario-short-by-one": (
        lambda f: pd.concat([f.assign(scenario=s) for s in SCENARIOS]).iloc[:-1],
        "scenario 'low_energy': query",
    ),
    "far-too-many-rows": (lambda f: pd.concat([f] * 60), "at most"),
}


@pytest.mark.parametrize("name", HAND)
@pytest.mark.parametrize("as_text", [False, True], ids=["parquet", "csv"])
def test_by_hand(tmp_path: Path, toy_benchmark: Benchmark, name: str, as_text: bool) -> None:
    change, verdict = HAND[name]
    if not as_text:
        judge(tmp_path, toy_benchmark, parquet(change), verdict)
        return

    def as_csv(folder: Path) -> None:
        parquet(change)(folder)
        lines(lambda rows: rows)(folder)

    judge(tmp_path, toy_benchmark, as_csv, verdict)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_rows_of_another_split(tmp_path: Path, toy_benchmark: Benchmark, split: str) -> None:
    other = toy_benchmark.part("in-domain", split).query_ids[0]
    judge(tmp_path, toy_benchmark, parquet(lambda f: swapped(f, "query_id", other)), NO_TEST)


def test_all_splits_at_once(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    more = pd.DataFrame({"query_id": toy_benchmark.part("in-domain", "train").query_ids})
    more = more.assign(track="in-domain", scenario="*", p_edge=0.5)
    judge(tmp_path, toy_benchmark, parquet(lambda f: pd.concat([f, more])[f.columns]), NO_TEST)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # empty lines are skipped by the reader and were missing from every line number after them
    def change(rows: list[str]) -> list[str]:
        return [rows[0], "", "", *rows[1:5], "", rows[5].rpartition(",")[0] + ",x", *rows[6:]]

    for i, end in enumerate(("", "\r")):
        marked = lines(lambda rows, end=end: [row + end for row in change(rows)])
        judge(tmp_path / str(i), toy_benchmark, marked, "predictions.csv:9: p_edge 'x' is not a number")


@pytest.mark.parametrize("text", ["abc", "0.5f", "0x1p-1", "", "0,5 %"])
def test_text_in_place_of_a_number_is_shown_as_it_stands(tmp_path: Path, toy_benchmark: Benchmark, text: str) -> None:
    # each was shown as 'nan', which nobody finds in the file
    def change(rows: list[str]) -> list[str]:
        return [*rows[:3], rows[3].rpartition(",")[0] + f',"{text}"', *rows[4:]]

    judge(tmp_path, toy_benchmark, lines(change), f"predictions.csv:4: p_edge {text!r} is not a number")


def test_a_faulty_json_row_names_its_own_schema(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    judge(tmp_path, toy_benchmark, lines(lambda rows: ["{}", *rows], "jsonl"), "see `rsd-bench schema predictions`")


@pytest.mark.parametrize("column", ["track", "query_id", "scenario"])
def test_half_of_a_surrogate_pair(tmp_path: Path, toy_benchmark: Benchmark, column: str) -> None:
    # it is JSON, but no text: it left the check as UnicodeEncodeError and ended the board
    def change(rows: list[str]) -> list[str]:
        row = json.loads(rows[0]) | {column: "\ud800"}
        return [json.dumps(row), *rows[1:]]

    judge(tmp_path, toy_benchmark, lines(change, "jsonl"), "predictions.jsonl:1: holds half of a surrogate pair")


ORDERS = {
    "reversed": lambda f: f.iloc[::-1],
    "shuffled": lambda f: f.sample(frac=1, random_state=3),
    "sorted-by-p": lambda f: f.sort_values("p_edge"),
    "columns-turned": lambda f: f[f.columns[::-1]],
}


@pytest.mark.parametrize("name", ORDERS)
def test_order_is_no_matter(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    # matched by id, never by position: a board that joined by row order scored a shuffled file as noise
    plain, _ = check_submission(sound(tmp_path / "plain", toy_benchmark), toy_benchmark)
    moved = judge(tmp_path, toy_benchmark, parquet(ORDERS[name]), None)
    assert plain is not None and moved is not None
    for key, said in plain.entries.items():
        assert (moved.entries[key].p == said.p).all()


def mutated(seed: int) -> tuple[object, str | None]:
    """A random edit of some rows and what must come of it."""
    rng = random.Random(seed)

    def change(rows: list[str]) -> list[str]:
        header, body = rows[0], rows[1:]
        i, j = rng.sample(range(len(body)), 2)
        kind = seed % 6
        if kind == 0:
            del body[i]
        elif kind == 1:
            body.insert(j, body[i])
        elif kind == 2:
            body[i] = body[j]
        elif kind == 3:  # swapped ids are honest rows of other queries: accepted, scored as they are
            a, b = body[i].split(","), body[j].split(",")
            a[3], b[3] = b[3], a[3]
            body[i], body[j] = ",".join(a), ",".join(b)
        elif kind == 4:
            at = rng.randrange(len("in-domain,"), len(body[i].rpartition(",*,")[0]))
            body[i] = body[i][:at] + chr(rng.choice([0x2C, 0x7F, 0x3B1, 0x58])) + body[i][at + 1 :]
        else:
            body[i] = (
                body[i].rpartition(",")[0] + "," + rng.choice(["nan", "-1e-9", "1.0000001", "", "inf", "1e3", "½"])
            )
        return [header, *body]

    return change, {0: MISSING, 1: TWICE, 2: TWICE, 3: None, 4: "", 5: "is not a number in [0, 1]"}[seed % 6]


@pytest.mark.parametrize("seed", range(60))
def test_mutations(tmp_path: Path, toy_benchmark: Benchmark, seed: int) -> None:
    change, verdict = mutated(seed)
    judge(tmp_path, toy_benchmark, lines(change), verdict)


def test_a_bom_and_windows_line_ends_change_nothing(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    plain, _ = check_submission(sound(tmp_path / "plain", toy_benchmark), toy_benchmark)
    for kind in ("csv", "jsonl"):
        marked = judge(
            tmp_path / kind,
            toy_benchmark,
            lines(lambda rows: ["\ufeff" + rows[0] + "\r", *(r + "\r" for r in rows[1:])], kind),
            None,
        )
        assert plain is not None and marked is not None
        key = ("in-domain", "fast_response")
        assert abs(marked.entries[key].p - plain.entries[key].p).max() < 1e-14


def test_dictionary_types_of_every_kind_are_read_alike(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    judge(
        tmp_path, toy_benchmark, table(lambda t: t.set_column(1, "query_id", t["query_id"].dictionary_encode())), None
    )

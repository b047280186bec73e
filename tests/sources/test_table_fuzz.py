"""300 damaged tables: each is imported rightly or refused with a reason, and no answer changes its question.

A damaged table is read a second time by other means (csv, json, pyarrow, a line at a time), and whatever the importer
gave must stand there in one row: the id with its question, the model with its answer and its score.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tables import LONG, WIDE, Read, prepare, read, rows_of, widened, write

from rsd_bench.sources.recognise.file_shapes import shape_of

FORMATS = ("t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet")
ODD = ("", "nan", "NaN", "inf", "-1", "2", "true", "[]", "{}", "0,7", "7.0", "x" * 300, "\u2028", "=1+1", "None")
TYPED = (None, float("nan"), float("inf"), -1, 2, True, [], {}, [1, 2], {"a": 1}, 10**30, "", "text", 0.7)
EMPTY = ("", "None")
Rows = list[dict[str, Any]]


def drop_column(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    lost = rng.choice(list(rows[0]))
    return [{name: cell for name, cell in row.items() if name != lost} for row in rows]


def drop_cell(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    rows[rng.randrange(len(rows))].pop(rng.choice(list(rows[0])), None)
    return rows


def retype(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    rows[rng.randrange(len(rows))][rng.choice(list(rows[0]))] = rng.choice(odd)
    return rows


def swap_rows(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    rng.shuffle(rows)
    return rows


def swap_cells(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    one, other, name = rng.randrange(len(rows)), rng.randrange(len(rows)), rng.choice(list(rows[0]))
    rows[one][name], rows[other][name] = rows[other][name], rows[one][name]
    return rows


def duplicate(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    return [*rows, dict(rows[rng.randrange(len(rows))])]


def same_id(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    rows[rng.randrange(len(rows))]["qid"] = rows[rng.randrange(len(rows))]["qid"]
    return rows


def rename(rows: Rows, rng: random.Random, odd: tuple[Any, ...]) -> Rows:
    name = rng.choice(list(rows[0]))
    return [{(f"{key}x" if key == name else key): cell for key, cell in row.items()} for row in rows]


MUTATIONS = (drop_column, drop_cell, retype, retype, swap_rows, swap_cells, duplicate, same_id, rename)


def independent(path: Path) -> Rows | None:
    """The rows that can be read by other means; None where the file as a whole cannot."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = path.read_bytes().decode("utf-8", "replace")
    try:
        if path.suffix == ".json":
            return json.loads(text)
        if path.suffix == ".jsonl":
            rows = []
            for line in text.split("\n"):
                try:
                    rows.append(json.loads(line))
                except ValueError:
                    continue
            return rows
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ",")
        return [row for row in table if None not in row and None not in row.values()]
    except (ValueError, csv.Error):
        return None


def plain(cell: Any) -> str:
    """A cell as the id or text that the importer makes of it."""
    if isinstance(cell, list) and len(cell) == 1:
        (cell,) = cell
    text = "" if cell is None or cell != cell or cell == [] else cell if isinstance(cell, str) else json.dumps(cell)
    whole, dot, zeros = text.strip().partition(".")
    return whole if dot and zeros and not zeros.strip("0") and whole.lstrip("-").isdigit() else text.strip()


def judge(found: Read, rows: Rows, wide: bool) -> None:
    """Every query and outcome that was given stands in one row of the file; if nothing was told, none is missing."""
    asked = {(plain(row.get("qid")), str(row.get("ask")).strip()) for row in rows}
    for query in found.queries.values():
        assert (query.query_id.removeprefix("quiz/"), query.question) in asked
    scored = set()
    for row in rows:
        for name in row if wide else ("right",):
            model = name.removesuffix("_right") if wide else plain(row.get("who"))
            if wide and not name.endswith("_right"):
                continue
            said = plain(row.get(f"{model}|said" if wide else "said"))
            scored.add((plain(row.get("qid")), model, said, str(row.get(name)).strip()))
    if not found.problems:
        for query in found.queries.values():
            name = query.query_id.removeprefix("quiz/")
            assert {text for asked_of, text in asked if asked_of == name and text not in EMPTY} == {query.question}
        keys = {(query.removeprefix("quiz/"), model) for query, model in found.outcomes}
        assert keys == {(query, model) for query, model, said, cell in scored if not wide or said or cell not in EMPTY}
    for outcome in found.outcomes.values():
        key = outcome.query_id.removeprefix("quiz/"), outcome.model, (outcome.response or "").strip()
        cells = [cell for *rest, cell in scored if tuple(rest) == key]
        if outcome.score is None:
            assert outcome.status == "unscored" and {*EMPTY} & set(cells)
        else:
            assert any(cell not in EMPTY and abs(10 * float(cell) - outcome.score) < 1e-6 for cell in cells)


def damaged(path: Path, change: Callable[[Rows], Rows], wide: bool, cut: float | None) -> Path | None:
    """The table after a change; None where the format cannot hold it."""
    rows = change(widened(rows_of()) if wide else rows_of())
    try:
        write(path, rows)
    except (TypeError, ValueError, OverflowError):  # Parquet holds no column of two types
        return None
    if cut is not None:
        data = path.read_bytes()
        path.write_bytes(data[: int(cut * len(data))])
    return path


@pytest.mark.parametrize("wide", [False, True], ids=["long", "wide"])
def test_300_damaged_tables(tmp_path: Path, wide: bool) -> None:
    mapping = prepare(tmp_path, WIDE if wide else LONG)
    refused = imported = 0
    for seed in range(190):
        rng = random.Random(seed)
        name, mutation = FORMATS[seed % 5], rng.choice(MUTATIONS)
        odd = ODD if name in ("t.csv", "t.tsv") else TYPED
        cut = rng.random() if seed % 7 == 0 else None
        path = damaged(tmp_path / name, lambda rows, m=mutation, r=rng, o=odd: m(rows, r, o), wide, cut)
        if path is None:
            continue
        try:
            rows = independent(path)
        except Exception:  # pyarrow on a cut file
            rows = None
        found = read(path, mapping)
        assert shape_of(path).kind in ("table", "other")  # what `data inspect` makes of it
        assert all(problem.where and problem.what and problem.fix for problem in found.problems)
        if rows is None:
            assert found.of_source, f"seed {seed}: {mutation.__name__} of {name}"
        elif not found.of_source:
            judge(found, rows, wide)
            if not found.problems:
                imported += 1
        refused += bool(found.problems)
    assert refused + imported >= 150
    assert refused > 40 and imported > 40

"""Logs that something went wrong with: each is imported as it stands, or refused with a reason. An answer never comes
to stand under a question that it is not an answer to, and nothing ends in a traceback.

Each row says in `origin` which question its answer belongs to; the importer does not know that field.
"""

from __future__ import annotations

import json
import os
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from lmms_logs import Read, sample, write_log

from rsd_bench.sources.source import SourceProblem

Row = dict[str, Any]
CELLS = (None, True, 0, -1, 7.5, 10**400, 1e308, "", "x", [], {}, [[]], ["a", "b"], {"score": "1"}, "\ud800", "9" * 300)
IDENTITY = ("doc_id", "input", "target", "doc_hash", "input_media")


def drop_a_column(rng: random.Random, rows: list[Row]) -> list[Row]:
    name = rng.choice([*rows[0]])
    some = rng.choice([rows, [rng.choice(rows)]]) if name != "origin" else []
    return [{k: v for k, v in row.items() if k != name or row not in some} for row in rows]


def retype_a_cell(rng: random.Random, rows: list[Row]) -> list[Row]:
    row = rng.choice(rows)
    name, value = rng.choice([name for name in row if name != "origin"]), rng.choice(CELLS)
    changed = str(row[name]) if rng.random() < 0.3 else [row[name]] if rng.random() < 0.3 else value
    return [row | {name: changed} if other is row else other for other in rows]


def swap_cells(rng: random.Random, rows: list[Row]) -> list[Row]:
    one, other = rng.sample(rows, 2)
    names = rng.sample(IDENTITY, rng.randint(1, 4))
    names = [name for name in names if name != "doc_id" or "input" not in names]  # both: the answers changed places
    first, second = ({name: row[name] for name in names if name in row} for row in (one, other))
    return [one | second if row is one else other | first if row is other else row for row in rows]


def swap_rows(rng: random.Random, rows: list[Row]) -> list[Row]:
    return rng.sample(rows, len(rows))


def renumber(rng: random.Random, rows: list[Row]) -> list[Row]:
    shift, numbers = rng.choice([-1, 1, 3, 100]), [row["doc_id"] for row in rows]
    if rng.random() < 0.5:
        return [row | {"doc_id": row["doc_id"] + shift} for row in rows]
    return [row | {"doc_id": number} for row, number in zip(rng.sample(rows, len(rows)), numbers, strict=True)]


def repeat_a_row(rng: random.Random, rows: list[Row]) -> list[Row]:
    row, place = rng.choice(rows), rng.randrange(len(rows))
    change = rng.choice([{}, {"acc": 0.25}, {"filtered_resps": "another"}, {"doc_id": rng.choice(rows)["doc_id"]}])
    return [*rows[:place], row | change, *rows[place:]]


def leave_rows_out(rng: random.Random, rows: list[Row]) -> list[Row]:
    return rng.sample(rows, rng.randint(1, len(rows)))


def no_change(_: random.Random, rows: list[Row]) -> list[Row]:
    return rows


ROWS: list[Callable[[random.Random, list[Row]], list[Row]]] = [
    *(drop_a_column, retype_a_cell, retype_a_cell, swap_cells, swap_cells),
    *(swap_rows, renumber, repeat_a_row, leave_rows_out, no_change),
]


def damage(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return rng.choice(
        [
            data[:place],
            data[:place] + b"\xff\x00" + data[place:],
            data.replace(b"1.0", b"NaN", 1),
            data.replace(b"1.0", b"-Infinity", 1),
            data.replace(b"\n", b"\r\n"),
            data.replace(b"\n", b"\n\n"),
            b"\xef\xbb\xbf" + data,
            data[place:] + data[:place],
        ]
    )


def made() -> list[Row]:
    return [
        sample(
            i,
            target=["cat", "dog"][i % 2],
            filtered_resps=[f"answer {i}"],
            acc=float(i % 3 > 0),
            doc_hash=sha256(f"{i // 2}".encode()).hexdigest(),
            input_media=[f"{i // 2}.png"],
            token_counts=[{"input_tokens": 3, "output_tokens": 4, "generation_seconds": 0.5}],
        )
        for i in range(14)
    ]


def real() -> list[Row]:
    shared = Path(os.environ.get("RSD_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    found = sorted(shared.glob("files/lmms-eval/*llava*/*_samples_*.jsonl"))
    if not found:
        pytest.skip(f"real files are not at {shared} (set RSD_SHARED)")
    rows = [json.loads(line) for line in found[0].read_bytes().splitlines()]
    asked = Counter(row["input"] for row in rows)
    alike = [row for row in rows if asked[row["input"]] > 1]  # one prompt about several images
    return [*alike, *(row for row in rows[:12] if row not in alike)]


@pytest.mark.parametrize("base", [made, real])
def test_mutations_are_read_rightly_or_refused(tmp_path: Path, base: Callable[[], list[Row]]) -> None:
    rows = [row | {"origin": str(row["doc_id"])} for row in base()]
    questions = {row["origin"]: row["input"] for row in rows}
    ends: Counter[str] = Counter()
    for seed in range(300):
        rng = random.Random(seed)
        mutate = rng.choice(ROWS)
        names = ("a", "b") if rng.random() < 0.5 else ("b", "a")
        write_log(tmp_path, rows, names[0])
        changed = write_log(tmp_path, mutate(rng, rows), names[1])
        if rng.random() < 0.25:
            changed.write_bytes(damage(rng, changed.read_bytes()))
        read = Read(tmp_path)
        what = f"seed {seed}, {mutate.__name__}: {read.told}"
        if any(isinstance(problem, SourceProblem) for problem in read.problems):
            ends["refused"] += 1
            continue
        ends["some rows left out" if read.problems else "whole"] += 1
        asked = {query.query_id: query.question for query in read.queries}
        assert len(asked) == len(read.queries), what
        assert len({(r.query_id, r.model) for r in read.responses}) == len(read.responses), what
        for response in read.responses:
            path, _, number = response.where.rpartition(":")
            row = json.loads(Path(path).read_bytes().split(b"\n")[int(number) - 1].removeprefix(b"\xef\xbb\xbf"))
            assert response.query_id.rpartition("/")[2] == str(row["doc_id"]).removesuffix(".0"), what
            assert asked[response.query_id] == questions[row["origin"]], what
            answer = row["filtered_resps"] if "filtered_resps" in row else row["resps"]
            while isinstance(answer, list) and len(answer) == 1:
                (answer,) = answer
            assert response.response in (answer, None), what
            score = row.get("acc", row.get("exact_match"))
            assert response.score == (10 * score if response.status == "ok" else None), what
    assert min(ends["refused"], ends["some rows left out"], ends["whole"]) > 20, ends


def test_5000_rows_of_two_models_take_no_10_seconds(tmp_path: Path) -> None:
    rows = [sample(i, input=f"{'word ' * 200}{i}?", filtered_resps=["because " * 50]) for i in range(5000)]
    for model in ("a", "b"):
        write_log(tmp_path, rows, model)
    start = time.perf_counter()
    read = Read(tmp_path)
    assert not read.problems
    assert len(read.responses) == 10_000
    assert time.perf_counter() - start < 10


def test_memory_holds_what_is_asked_and_not_what_is_answered(tmp_path: Path) -> None:
    for model in ("a", "b"):
        write_log(tmp_path, [sample(i, filtered_resps=["because " * 5000]) for i in range(1000)], model)  # 40 MB each
    tracemalloc.start()
    try:
        problems: list[Any] = []
        from rsd_bench.sources.lmms_eval.open_lmms_eval import open_lmms_eval

        (source,) = open_lmms_eval(tmp_path, problems.append, no_images=True)
        assert sum(1 for _ in source.queries) == 1000
        assert sum(1 for _ in source.responses) == 2000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()

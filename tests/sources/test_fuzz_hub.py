"""A dataset of queries is re-exported, re-typed, cut and shuffled: 300 faults of one, as a folder and as files of each
format. Every row goes in as its cells say, or is named with what is wrong with it: no question with another's image,
reference answer, group or domain, nothing lost unsaid, and no traceback.

What a file says is read here by `json`, `csv` or pyarrow alone, and what went in from the Parquet of the store.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import png
from mutations import Row, Rows, cut, mutated

from rsd_bench.sources.hub_queries import open_hub
from rsd_bench.sources.source import SourceProblem
from rsd_bench.sources.store.import_sources import Policy, import_source
from rsd_bench.types import InputError, Problem

TRIALS = 300
FILES = ("hub/data/test.parquet", "one.parquet", "hub/data/test.parquet", "one.jsonl", "one.json", "one.csv", "one.tsv")
MAP = """source = "toy"
split = "test"
[columns]
question = "query"
id = "qid"
group = "chart"
reference_answer = "label"
domain = "kind"
"""


def rows_of(file: str) -> Rows:
    """Eight rows; the images in Parquet are bytes, in JSON the names of files, and tables of text have none."""
    rows: Rows = [
        {"qid": f"{i:03}", "query": f"What is in picture {i}?", "chart": f"g{i // 2}", "label": f"2021-02-0{i + 1}"}
        | {"kind": ("bar", "Line & pie")[i % 2]}
        for i in range(8)
    ]
    rows[1] |= {"query": "None", "chart": "1.50"}
    rows[2]["chart"] = None
    for i, row in enumerate(rows if "sv" not in file else ()):
        row["picture"] = {"bytes": png(i) if "parquet" in file else None, "path": f"images/{i}.png"}
    return rows


def empty_cell(rows: Rows, rng: Random) -> str:
    name = rng.choice(["query", "qid"])
    rng.choice(rows)[name] = rng.choice(["", " \n"])
    return name


def texts_as_numbers(rows: Rows, rng: Random) -> str:
    name = rng.choice(["qid", "label", "query"])
    for i, row in enumerate(rows):
        row[name] = rng.choice([i, i + 0.5, float(i)])
    return name


def swap_images(rows: Rows, rng: Random) -> str:
    one, other = rng.sample(rows, 2)
    for name in {"picture"} & one.keys() & other.keys():
        one[name], other[name] = other[name], one[name]
    return "picture"


def lists(rows: Rows, rng: Random) -> str:
    name = rng.choice([name for name in ("picture", "label") if name in rows[0]])
    for i, row in enumerate(rows):
        row[name] = [row[name]] * rng.choice([0, 1, 1, 1, 2]) if i != 3 else [row[name]]
    return name


MORE = (empty_cell, texts_as_numbers, swap_images, lists) * 2


def write(path: Path, rows: Rows) -> None:
    """The rows as a file. An error where its format cannot hold them."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1), "utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            columns = list(dict.fromkeys(name for row in rows for name in row))
            table = csv.DictWriter(stream, columns, delimiter="," if path.suffix == ".csv" else "\t")
            table.writeheader()
            table.writerows(rows)


def told_by(path: Path) -> list[Row | None] | None:
    """The rows of a file, None for one that cannot be read; None where the file cannot."""
    if path.suffix == ".parquet":
        try:
            return list(pq.read_table(path).to_pylist())
        except pa.ArrowException:
            return None
    text = path.read_bytes().decode("utf-8", "replace")
    if path.suffix == ".json":
        try:
            return list(json.loads(text, parse_constant=lambda _: 1 / 0))
        except (ValueError, ZeroDivisionError):
            return None
    if path.suffix == ".jsonl":
        return [line_of(line) for line in text.split("\n") if line.strip()]
    table = csv.reader(io.StringIO(text, newline=""), delimiter="," if path.suffix == ".csv" else "\t")
    header, *rows = [[cell.strip() for cell in row] for row in table if row] or [[]]
    return [dict(zip(header, row, strict=True)) if len(row) == len(header) else None for row in rows]


def line_of(line: str) -> Row | None:
    try:
        row = json.loads(line, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return None
    return row if isinstance(row, dict) else None


def text_of(cell: Any) -> str:
    """A cell as the id or answer that it is."""
    if isinstance(cell, list) and len(cell) == 1:
        (cell,) = cell
    if cell is None or cell != cell or cell == []:
        return ""
    text = cell.strip() if isinstance(cell, str) else str(cell) if isinstance(cell, float) else json.dumps(cell)
    return text if isinstance(cell, str) else text.removesuffix(".0")


def letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(sign for sign in plain if sign.isalnum())


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "map.toml").write_text(MAP + 'image = "picture"\n')
    (tmp_path / "texts.toml").write_text(MAP)
    (tmp_path / "hub" / "data").mkdir(parents=True)
    (tmp_path / "sound").mkdir()
    for i in range(8):
        (tmp_path / "sound" / f"{i}.png").write_bytes(png(i))
    return tmp_path


def spoiled(base: Path) -> Iterator[tuple[str, Path]]:
    """A file, written with one fault: what was done, and where it is."""
    for seed in count():
        rng, file = Random(seed), base / FILES[seed % len(FILES)]
        shutil.rmtree(base / "images", ignore_errors=True)
        shutil.copytree(base / "sound", base / "images")
        what, rows = mutated(rows_of(file.name), rng, MORE)
        fault = rng.choice(["rows"] * 5 + ["cut", "images"])
        try:
            write(file, rows if fault == "rows" else rows_of(file.name))
        except (pa.ArrowException, TypeError, ValueError):
            continue  # Parquet holds no column of two types, JSON no bytes
        if fault == "cut":
            file.write_bytes(cut(file.read_bytes(), rng))
        elif fault == "images":
            one, other = rng.sample(sorted((base / "images").iterdir()), 2)
            one.rename(rng.choice([other, one.with_suffix(".away")]))
        yield f"{file.name}, seed {seed}: {what if fault == 'rows' else fault}", file


def test_three_hundred_spoiled_datasets(base: Path) -> None:
    ends = Counter[str]()
    shutil.copytree(base / "sound", base / "images")
    for name in FILES:
        write(base / name, rows_of(name))
        assert imported(base, base / name, skip_bad=False) == "whole"
    for what, file in islice(spoiled(base), TRIALS):
        for skip_bad in (False, True):
            try:
                end = imported(base, file, skip_bad)
            except Exception as error:
                raise AssertionError(f"{what}, skip_bad {skip_bad}") from error
            if end != "refused":
                break
        ends[end] += 1
    assert min(ends["whole"], ends["without some rows"], ends["refused"]) > 20, ends


def imported(base: Path, file: Path, skip_bad: bool) -> str:
    """How an import ended. AssertionError where a row went in otherwise than it says, or not, and nobody said so."""
    problems: list[Problem] = []
    mapping = base / ("texts.toml" if file.suffix in (".csv", ".tsv") else "map.toml")
    dataset = str(base / "hub" if file.parent.name == "data" else file)
    try:
        source = open_hub(dataset, mapping, problems.append)
        import_source(source, base / "store", {}, problems, Policy(replace=True, skip_bad=skip_bad))
    except InputError as error:
        assert error.problems and all(p.where and p.what and p.fix for p in error.problems)
        assert "\n" not in "".join(map(str, error.problems))
        assert not skip_bad or any(isinstance(p, SourceProblem) for p in error.problems)
        return "refused"
    assert skip_bad or not problems
    told = {problem.where for problem in problems}
    stored = {row["query_id"]: row for row in pq.read_table(base / "store/sources/toy/queries.parquet").to_pylist()}
    rows, broken = told_by(file), 0
    assert rows is not None
    for number, row in enumerate(rows, 1):
        if row is None:
            broken += 1
        elif f"{dataset}[test]: row {number}" not in told:
            held_against(stored.pop(f"toy/{text_of(row.get('qid'))}"), row, base)
    assert not stored
    assert broken <= sum(where.startswith(f"{file}:") for where in told)
    return "without some rows" if problems else "whole"


def held_against(found: Row, row: Row, base: Path) -> None:
    assert text_of(row["qid"]) and row["query"].strip()
    assert found["question"] == row["query"].strip()
    assert found["reference_answer"] == (text_of(row.get("label")) or None)
    group = text_of(row.get("chart"))
    assert found["group"] == (f"toy/{group}" if group else found["query_id"])
    assert letters(text_of(row.get("kind"))).startswith(letters(found["domain"]))
    cells = row.get("picture") or []
    shown = [
        cell["bytes"] or (base / cell["path"]).read_bytes() for cell in (cells if isinstance(cells, list) else [cells])
    ]
    assert [item["sha256"] for item in found["media"]] == [sha256(data).hexdigest() for data in shown]

"""Tables spoiled as files in the wild are: a column dropped, a cell of another type, rows swapped, an id twice.

`mutated(rows, rng)` gives a name of what was done and new rows; the rows given are not changed. Rows are dicts by
column, in the order of a file; a value that is absent is None or NaN, and what a writer makes of one is its business.
`cut(data, rng)` is for the bytes of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Row = dict[str, Any]
Rows = list[Row]
Mutation = Callable[[Rows, Random], str]

#: What a cell may turn into: other types, other spellings of numbers, and texts that tools take for nothing.
ODD_VALUES = (
    *(None, float("nan"), "", "  ", "nan", "None", "N/A", 0, 1, -1, 7, 7.0, 2.5, 1e300, True, False),
    *(
        "0",
        "1",
        "1.0",
        "01",
        "1e3",
        "1,5",
        "-0",
        "A",
        "Z",
        "x" * 5000,
        "9" * 5000,
        "=1+1",
        "[]",
        "{}",
        "['a', 'b']",
        '["a"',
    ),
    *("two\nlines", "tab\there", 'a "quoted" word', "\u2028", "ünï", "机器", "\ufeff", "_x000D_", "'", "../x", "0x1"),
)


def mutated(rows: Rows, rng: Random, more: Sequence[Mutation] = ()) -> tuple[str, Rows]:
    """One of the mutations below, or of those that a format has beside them, by chance."""
    mutate = rng.choice([*MUTATIONS, *more])
    copy = [dict(row) for row in rows]
    return f"{mutate.__name__}: {mutate(copy, rng)}", copy


def drop_column(rows: Rows, rng: Random) -> str:
    name = _column(rows, rng)
    for row in rows:
        row.pop(name, None)
    return name


def rename_column(rows: Rows, rng: Random) -> str:
    name = _column(rows, rng)
    other = rng.choice([name.upper(), f" {name} ", f"{name}2", *rows[0]])
    for i, row in enumerate(rows):
        rows[i] = {(other if key == name else key): value for key, value in row.items()}
    return f"{name} to {other}"


def add_column(rows: Rows, rng: Random) -> str:
    name = rng.choice(["id", "score", "hit", "response", "judge", "image", "image_path", "Unnamed: 0", "note"])
    for row in rows:
        row.setdefault(name, rng.choice(ODD_VALUES))
    return name


def retype_cell(rows: Rows, rng: Random) -> str:
    row, name = rng.choice(rows), _column(rows, rng)
    row[name] = rng.choice(ODD_VALUES)
    return f"{name} is {str(row[name])[:20]!r}"


def empty_column(rows: Rows, rng: Random) -> str:
    name = _column(rows, rng)
    for row in rows:
        row[name] = None
    return name


def cut_cell(rows: Rows, rng: Random) -> str:
    row, name = rng.choice(rows), _column(rows, rng)
    text = str(row.get(name))
    row[name] = text[: rng.randrange(len(text) + 1)]
    return name


def copy_cell(rows: Rows, rng: Random) -> str:
    """The cell of one row in another: an id twice, another's question."""
    name, one, other = _column(rows, rng), *rng.sample(rows, 2)
    one[name] = other.get(name)
    return name


def swap_cells(rows: Rows, rng: Random) -> str:
    name, one, other = _column(rows, rng), *rng.sample(rows, 2)
    one[name], other[name] = other.get(name), one.get(name)
    return name


def shift_column(rows: Rows, rng: Random) -> str:
    """A column one row down: how a sorted column in a spreadsheet looks."""
    name = _column(rows, rng)
    values = [row.get(name) for row in rows]
    for row, value in zip(rows, [values[-1], *values[:-1]], strict=True):
        row[name] = value
    return name


def swap_columns(rows: Rows, rng: Random) -> str:
    one, other = rng.sample(list(rows[0]), 2)
    for row in rows:
        row[one], row[other] = row.get(other), row.get(one)
    return f"{one}, {other}"


def swap_rows(rows: Rows, rng: Random) -> str:
    i, j = rng.sample(range(len(rows)), 2)
    rows[i], rows[j] = rows[j], rows[i]
    return f"{i}, {j}"


def shuffle_rows(rows: Rows, rng: Random) -> str:
    rng.shuffle(rows)
    return "all"


def drop_row(rows: Rows, rng: Random) -> str:
    i = rng.randrange(len(rows))
    del rows[i]
    return str(i)


def drop_rows(rows: Rows, rng: Random) -> str:
    """The end of the table is missing."""
    kept = rng.randrange(len(rows))
    del rows[kept:]
    return f"after {kept}"


def double_row(rows: Rows, rng: Random) -> str:
    i = rng.randrange(len(rows))
    rows.insert(rng.randrange(len(rows) + 1), dict(rows[i]))
    return str(i)


def double_and_change(rows: Rows, rng: Random) -> str:
    """A row twice, with one cell that differs."""
    i, name = rng.randrange(len(rows)), _column(rows, rng)
    changed = dict(rows[i])
    changed[name] = rng.choice(ODD_VALUES)
    rows.insert(rng.randrange(len(rows) + 1), changed)
    return f"{i}, {name}"


def blank_row(rows: Rows, rng: Random) -> str:
    i = rng.randrange(len(rows))
    rows[i] = dict.fromkeys(rows[i])
    return str(i)


MUTATIONS: tuple[Mutation, ...] = (
    *(drop_column, rename_column, add_column, retype_cell, empty_column, cut_cell, copy_cell, swap_cells),
    *(shift_column, swap_columns, swap_rows, shuffle_rows, drop_row, drop_rows, double_row, double_and_change),
    blank_row,
)


def cut(data: bytes, rng: Random) -> bytes:
    """The bytes of a file that ends too early."""
    return data[: rng.randrange(len(data))]


def _column(rows: Rows, rng: Random) -> str:
    return rng.choice(list(rows[0]))

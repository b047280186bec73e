"""p_edge: a probability for every row, or nothing.

Guards against NaN that drops out of a mean, infinities that win every comparison, and text that some reader takes for a
number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hostile import judge, lines, parquet, table

from rsd_bench.dataset.benchmark import Benchmark

NO_NUMBER = "is not a number in [0, 1]"


TEXTS = ["nan", "NaN", "NULL", "None", "inf", "-inf", "Infinity", "", " ", "0.5 ", " 0.5", "0,5", "0x1", "0x1p-1", "1_0", "1e400",
         "-0.0001", "1.0001", "2", "1e9", "=0.5", "@0.5", "+-0.5", "0.5.0", "True", "yes", "½", "０.５", "٠٫٥", "0.5%", "1/2",
         "0.5\u200b", "--0", "1e", "e1", "'0.5'", "0.5f", "0.5;", "__import__('os')", "${HOME}", "{{7*7}}"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_is_no_probability(tmp_path: Path, toy_benchmark: Benchmark, text: str) -> None:
    cell = f'"{text}"' if "," in text else text
    judge(
        tmp_path,
        toy_benchmark,
        lines(lambda rows: [*rows[:3], rows[3].rpartition(",")[0] + "," + cell, *rows[4:]]),
        NO_NUMBER,
    )


@pytest.mark.parametrize(
    "text", ["0", "1", "0.0", "1.0", "1e-3", "5E-1", ".5", "+0.5", "-0", "1e-400", "0." + "3" * 400]
)
def test_numbers_that_are_probabilities(tmp_path: Path, toy_benchmark: Benchmark, text: str) -> None:
    found = judge(
        tmp_path,
        toy_benchmark,
        lines(lambda rows: [rows[0], *(r.rpartition(",")[0] + "," + text for r in rows[1:])]),
        None,
    )
    assert found is not None and (found.entries["in-domain", "low_energy"].p == float(text)).all()


JSON_VALUES = [
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    '"0.5"',
    "true",
    "[0.5]",
    '{"p":0.5}',
    "1.5",
    "-1",
    "1e999",
    "9" * 5000,
    "01",
    '0.5,"p_edge":0.9',
]


@pytest.mark.parametrize("text", JSON_VALUES)
def test_json_values(tmp_path: Path, toy_benchmark: Benchmark, text: str) -> None:
    def change(rows: list[str]) -> list[str]:
        return [*rows[:3], rows[3].rpartition('"p_edge":')[0] + f'"p_edge":{text}}}', *rows[4:]]

    judge(tmp_path, toy_benchmark, lines(change, "jsonl"), "predictions.jsonl:4")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-300, 1 + 1e-9, 1e308, None])
def test_parquet_values(tmp_path: Path, toy_benchmark: Benchmark, value: float | None) -> None:
    judge(
        tmp_path, toy_benchmark, parquet(lambda f: f.assign(p_edge=f["p_edge"].where(f.index != 4, value))), NO_NUMBER
    )


@pytest.mark.parametrize("kind", [pa.float32(), pa.float16(), pa.int8(), pa.uint64()])
def test_other_number_types_are_read(tmp_path: Path, toy_benchmark: Benchmark, kind: pa.DataType) -> None:
    def change(t: pa.Table) -> pa.Table:
        halves = 1.0 if pa.types.is_integer(kind) else 0.5
        return t.set_column(3, "p_edge", pa.array(np.full(len(t), halves)).cast(kind))

    judge(tmp_path, toy_benchmark, table(change), None)


def column(maker: object) -> object:
    return lambda t: t.set_column(3, "p_edge", maker(len(t)))


WRONG = {
    "text": lambda n: pa.array(["0.5"] * n),
    "flags": lambda n: pa.array([True] * n),
    "dates": lambda n: pa.array([0] * n, pa.timestamp("s")),
    "bytes": lambda n: pa.array([b"\x00"] * n),
    "lists": lambda n: pa.array([[0.5]] * n),
    "structs": lambda n: pa.array([{"p": 0.5}] * n),
    "maps": lambda n: pa.array([[("p", 0.5)]] * n, pa.map_(pa.string(), pa.float64())),
}


@pytest.mark.parametrize("name", WRONG)
def test_columns_that_hold_no_numbers(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    judge(tmp_path, toy_benchmark, table(column(WRONG[name])), "not numbers")

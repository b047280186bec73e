"""Rows in which nothing is quoted are split without the csv module, which takes ten times as long over an image in
base64: a row that it reads otherwise, a line miscounted or a byte span that is off would be another question's image.
"""

from __future__ import annotations

import base64
from pathlib import Path
from random import Random

import pytest

from rsd_bench.sources import spreadsheets, text_lines
from rsd_bench.sources.spreadsheets import Row, read_table, row_at
from rsd_bench.sources.vlmevalkit.vlmevalkit_images import decoded
from rsd_bench.types import Problem

PIECES = ["a", "bc", " ", "é", "\u2028", "\x85", "\x00", "\ufeff", "\t", "\t", ",", "\n", "\n", "\r\n", "\r", '"', '""']


def read(path: Path) -> tuple[list[Row], list[Problem]]:
    problems: list[Problem] = []
    return list(read_table(path, (), problems.append)), problems


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_rows_are_those_of_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    path, sign, rows = tmp_path / f"some{suffix}", "\t" if suffix == ".tsv" else ",", 0
    for seed in range(1500):
        rng = Random(seed)
        text = "".join(rng.choices(PIECES, [4, 4, 4, 2, 2, 2, 1, 1, 6, 6, 6, 4, 4, 2, 0.3, 1, 1], k=40))
        start = rng.choice(["", "\ufeff", "\n"]) + sign.join("xyz"[: rng.randint(1, 3)])
        path.write_bytes((start + rng.choice(["\n", "\r\n"]) + text).encode() + rng.choice([b"", b"", b"\xff\n"]))
        found, problems = read(path)
        with monkeypatch.context() as slow:
            for module in (spreadsheets, text_lines):
                slow.setattr(module, "plain_cells", lambda line, delimiter: None)
            assert (found, problems) == read(path), seed
            spans = [row_at(path, row.span) for row in found if suffix == ".tsv"]
        assert spans == [row_at(path, row.span) for row in found if suffix == ".tsv"]
        assert all(cells == list(row.cells.values()) for cells, row in zip(spans, found, strict=False))
        rows += len(found)
    assert rows > 1500


@pytest.mark.parametrize("text", ["QUJD\nREVG\r\n", " QUJDREVG ", "Q U J D R E V G", "data:image/png;base64,QUJD REVG"])
def test_base64_may_have_spaces_in_it(text: str) -> None:
    assert decoded(text) == b"ABCDEF"


@pytest.mark.parametrize("text", ["QUJ*", "QUJ", "QU=JD", base64.b64encode(b"A").decode() + "x", "", " "])
def test_what_is_no_base64_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not base64|is empty"):
        decoded(text)

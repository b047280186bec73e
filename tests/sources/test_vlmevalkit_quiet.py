"""One fault was told as two: of a prediction file that could not be read, the judge file "judges 12 answers that are
not in x.csv", and whoever believed the second looked for the wrong file.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from kit_files import write_rows

from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.sources.vlmevalkit.open_vlmevalkit import open_vlmevalkit
from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
from rsd_bench.types import InputError, Problem

ASKED = [{"index": i, "question": f"{i}?", "answer": "a"} for i in range(12)]
ANSWERED = [row | {"prediction": "a"} for row in ASKED]


def faults(folder: Path, prediction: Path, tsv: bool) -> list[Problem]:
    benchmark = write_rows(folder / "Toy.tsv", ASKED) if tsv else None
    judge = write_rows(folder / "m_Toy_judge.csv", [row | {"hit": 1} for row in ANSWERED])
    other = write_rows(folder / "n_Toy.csv", ANSWERED)
    problems: list[Problem] = []
    predictions, judges = {"m": prediction, "n": other}, {"m": judge}
    source = open_vlmevalkit(benchmark, predictions, judges, None, problems.append, Reading(no_images=True))
    with pytest.raises(InputError):
        import_source(source, folder / "store", {}, problems)
    return list(dict.fromkeys(problems))


@pytest.mark.parametrize("tsv", [True, False])
@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n", "index,question,prediction\n", "\udcff\n"])
def test_a_prediction_file_that_cannot_be_read_is_one_fault(tmp_path: Path, content: str | None, tsv: bool) -> None:
    path = tmp_path / "m_Toy.csv"
    if content is not None:
        path.write_text(content, errors="surrogateescape")
    (problem,) = faults(tmp_path, path, tsv)
    assert problem.where.startswith(str(path))


@pytest.mark.parametrize("tsv", [True, False])
def test_a_row_that_cannot_be_read_is_one_fault(tmp_path: Path, tsv: bool) -> None:
    path = write_rows(tmp_path / "m_Toy.csv", ANSWERED)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1] + ",more"]))
    (problem,) = faults(tmp_path, path, tsv)
    assert "cells, the header" in problem.what


@pytest.mark.parametrize("tsv", [True, False])
def test_a_judge_file_of_more_answers_than_were_read_is_named(tmp_path: Path, tsv: bool) -> None:
    path = write_rows(tmp_path / "m_Toy.csv", ANSWERED[:-2])
    (problem,) = faults(tmp_path, path, tsv)
    assert problem.what == f"judges 2 answers that are not in {path}"

"""An author's own table: what is written is what was read, or nothing is.

Guards against probabilities that moved by one unit in the last place on their way from JSON Lines, so that decisions
turned where p_edge = tau; and against a reader that guessed: true became 1.0, of two columns of a name one was taken,
and a row with a cell too many moved all cells by one.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import run_cli

from rsd_bench.submission.author_table import read_author_table
from rsd_bench.types import InputError

P = [*(k / 1000 for k in range(1001)), *np.random.default_rng(0).random(1000).tolist(), 5e-324, 1 - 2**-53]
IDS = [f"q{i}" for i in range(len(P))]


def predictions_frame(path: Path) -> pd.DataFrame:
    table = read_author_table(path)
    if table.problems:
        raise InputError(list(table.problems))
    return table.frame


def write(path: Path, ids: list[str] = IDS, p: list[float] = P) -> Path:
    if path.suffix == ".parquet":
        pd.DataFrame({"query_id": ids, "p_edge": p}).to_parquet(path)
    elif path.suffix == ".jsonl":
        rows = zip(ids, p, strict=True)
        path.write_text("".join(json.dumps({"query_id": i, "p_edge": x, "note": None}) + "\n" for i, x in rows))
    else:
        separator = "," if path.suffix == ".csv" else "\t"
        lines = [["query_id", "p_edge"], *([i, repr(x)] for i, x in zip(ids, p, strict=True))]
        path.write_text("".join(separator.join(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_number_arrives_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    frame = predictions_frame(write(tmp_path / f"mine.{suffix}"))
    assert frame["p_edge"].tolist() == P
    assert frame["query_id"].tolist() == IDS
    assert set(frame["track"]) == {"in-domain"} and set(frame["scenario"]) == {"*"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_ids_that_look_like_numbers_stay_as_they_are(tmp_path: Path, suffix: str) -> None:
    ids = ["001", "1e5", "NA", "2020-01-01", " a", "é"]
    assert predictions_frame(write(tmp_path / f"a.{suffix}", ids, [0.5] * 6))["query_id"].tolist() == ids


REFUSED = {
    "flag.jsonl": ('{"query_id":"a","p_edge":true}\n', ":1: p_edge: True is not of type 'number'"),
    "text.jsonl": ('{"query_id":"a","p_edge":0.5}\n\n{"query_id":"b","p_edge":"0.5"}\n', ":3: p_edge: '0.5'"),
    "above.jsonl": ('{"query_id":"a","p_edge":1.5}\n', ":1: p_edge: 1.5"),
    "key-twice.jsonl": ('{"query_id":"a","p_edge":0.5,"p_edge":0.9}\n', ":1: key 'p_edge' stands twice"),
    "number-id.jsonl": ('{"query_id":1,"p_edge":0.5}\n', ":1: query_id: 1 is not of type 'string'"),
    "no-id.jsonl": ('{"p_edge":0.5}\n', ":1: 'query_id' is a required property"),
    "nan.jsonl": ('{"query_id":"a","p_edge":NaN}\n', ":1: NaN is not JSON"),
    "half-a-pair.jsonl": ('{"query_id":"\\ud800","p_edge":0.5}\n', ":1: holds half of a surrogate pair"),
    "deep.jsonl": ("[" * 5000, ":1: not JSON"),
    "empty.jsonl": ("", "is empty"),
    "heading-twice.csv": ("query_id,p_edge,p_edge\na,0.5,0.9\n", "column 'p_edge' stands twice"),
    "cell-more.csv": ("query_id,p_edge\na,0.5\nb,0.5,7\n", ":3: has 3 cells where the heading has 2"),
    "cell-less.csv": ("query_id,p_edge\n\na\n", ":3: has 1 cells where the heading has 2"),
    "grouped.csv": ("query_id,p_edge\na,1_0\n", ":2: p_edge '1_0' is no number in [0, 1]"),
    "other-digits.csv": ("query_id,p_edge\na,١\n", ":2: p_edge '١' is no number"),
    "nan.csv": ("query_id,p_edge\na,nan\n", ":2: p_edge 'nan' is no number"),
    "above.csv": ("query_id,p_edge\na,1.5\n", ":2: p_edge '1.5' is no number"),
    "open-quote.csv": ('query_id,p_edge\n"a,0.5\n', "cannot be read"),
    "no-id.csv": ("query_id,p_edge\n,0.5\n", ":2: has no query_id"),
    "empty.csv": ("", "has no column 'query_id'"),
    "latin.csv": (b"query_id,p_edge\n\xe9,0.5\n", "cannot be read"),
    "junk.parquet": ("PAR1xxxx", "cannot be read"),
    "table.xlsx": ("", "has the ending '.xlsx'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_have_to_be_guessed_is_refused_with_file_and_line(tmp_path: Path, name: str) -> None:
    content, says = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as error:
        predictions_frame(path)
    assert f"{path}{says}" in str(error.value) or f"{path}: {says}" in str(error.value)


TABLES = {
    "twice": (pa.table([["a"], [0.5], [0.9]], ["query_id", "p_edge", "p_edge"]), "stands twice"),
    "number-id": (pa.table({"query_id": [1], "p_edge": [0.5]}), "not text"),
    "null-id": (pa.table({"query_id": ["a", None], "p_edge": [0.5, 0.5]}), "row 2: has no query_id"),
    "null-p": (pa.table({"query_id": ["a", "b"], "p_edge": [0.5, None]}), "row 2: p_edge 'None'"),
    "flags": (pa.table({"query_id": ["a"], "p_edge": [True]}), "not numbers"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_parquet_is_read_as_strictly(tmp_path: Path, name: str) -> None:
    made, says = TABLES[name]
    pq.write_table(made, tmp_path / "mine.parquet")
    with pytest.raises(InputError) as error:
        predictions_frame(tmp_path / "mine.parquet")
    assert says in str(error.value)


def test_an_index_of_pandas_is_a_column(tmp_path: Path) -> None:
    pd.DataFrame({"query_id": ["a"], "p_edge": [0.5]}).set_index("query_id").to_parquet(tmp_path / "mine.parquet")
    assert predictions_frame(tmp_path / "mine.parquet")["query_id"].tolist() == ["a"]


def test_thousands_of_faults_are_counted(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("query_id,p_edge\n" + "a,x\n" * 5000)
    with pytest.raises(InputError) as error:
        predictions_frame(tmp_path / "mine.csv")
    assert len(error.value.problems) == 21
    assert "has 4980 more problems" in str(error.value.problems[-1])


@pytest.mark.parametrize("slug", ["../escaped", "/{root}/escaped", "a/../../escaped", "a/escaped", "Escaped", "."])
def test_a_slug_is_no_path(tmp_path: Path, slug: str) -> None:
    # only its last part was looked at, and a folder was written outside of --submissions
    slug = slug.replace("/{root}", str(tmp_path))
    write(tmp_path / "mine.csv")
    made = run_cli("submit", "new", slug, "--from", "mine.csv", "--submissions", "s/in", cwd=tmp_path)
    assert made.returncode == 1
    assert "is no slug" in made.stderr
    assert {path.name for path in tmp_path.rglob("*")} == {"mine.csv"}


TIERS = pd.DataFrame(
    {
        "query_id": ["a", "b", "c"],
        "track": ["two", "three", "three"],
        "repeat": [0, 1, np.nan],
        "p_edge": [0.1, np.nan, np.nan],
        "p_1": [np.nan, 0.2, 1 / 3],
        "p_2": [np.nan, 0.4, 1.0],
        "note": ["x", "", "y"],
    }
)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_repeats_and_tiers_arrive_as_they_are_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"mine.{kind}"
    if kind == "parquet":
        TIERS.to_parquet(path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({k: None if v != v else v for k, v in row.items()}) + "\n"
                                for row in TIERS.to_dict("records")))  # fmt: skip
    else:
        TIERS.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    found = read_author_table(path, 3)
    assert not found.problems
    want = TIERS[["track", "query_id", "repeat", "p_edge", "p_1", "p_2"]].assign(scenario="*")
    pd.testing.assert_frame_equal(found.frame.reset_index(drop=True)[want.columns], want, check_dtype=False)


FAULTY_NUMBERS = {
    "half.csv": ("query_id,p_edge,repeat\na,0.5,0.5\n", ":2: repeat '0.5' is no whole number"),
    "below.csv": ("query_id,p_edge,repeat\na,0.5,-1\n", ":2: repeat '-1' is no whole number"),
    "text.csv": ("query_id,p_edge,repeat\na,0.5,x\n", ":2: repeat 'x' is no whole number"),
    "above.csv": ("query_id,p_edge,p_1,p_2\na,,0.5,1.5\n", ":2: p_2 '1.5' is no number in [0, 1]"),
    "neither.csv": ("query_id,note\na,0.5\n", "has no column 'p_edge'"),
    "twice.csv": ("query_id,p_1,p_1\na,0.5,0.5\n", "column 'p_1' stands twice"),
    "flag.jsonl": ('{"query_id":"a","p_1":true}\n', ":1: p_1: True is not of type"),
    "none.jsonl": ('{"query_id":"a"}\n', ":1: has no p_edge"),
    "repeat.jsonl": ('{"query_id":"a","p_1":0.5,"repeat":1.5}\n', ":1: repeat: 1.5 is not of type"),
}


@pytest.mark.parametrize("name", FAULTY_NUMBERS)
def test_a_number_that_is_none_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    content, says = FAULTY_NUMBERS[name]
    (tmp_path / name).write_text(content)
    assert says in "\n".join(map(str, read_author_table(tmp_path / name, 3).problems))


def test_columns_of_tiers_are_let_be_where_no_track_has_any(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("query_id,p_edge,p_1,fold\na,0.5,high,x\n")
    found = read_author_table(tmp_path / "mine.csv")
    assert not found.problems and list(found.frame) == ["track", "query_id", "scenario", "p_edge"]
    (tmp_path / "mine.jsonl").write_text('{"query_id":"a","p_edge":0.5,"p_1":"high"}\n')
    assert not read_author_table(tmp_path / "mine.jsonl").problems

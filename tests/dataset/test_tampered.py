"""`eval` of a dataset whose figures were changed and whose manifest was made consistent again: an infinite latency was
a TypeError, a null domain or a repeated id "a bug in rsd-bench", and a score of 11 or a latency of -5 s was scored.

Whatever opens a dataset refuses such a row in one line, naming file and row in the words of `data check`.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import call_cli
from sound_submissions import make, probabilities
from toy_builds import rewrite

import rsd_bench as rsd
from rsd_bench.build.build_dataset import write_lite
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.check_figures import OUTCOMES, PAIRS
from rsd_bench.dataset.layout import arrow_schema
from rsd_bench.dataset.manifest import manifest_sha256, to_bytes
from rsd_bench.features.statistics import read_statistics
from rsd_bench.submission.submission import SUBMISSION
from rsd_bench.types import InputError

INF, NAN = float("inf"), float("nan")


@pytest.fixture(scope="module")
def lite(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tampered") / "toy-lite"
    folder.mkdir()
    write_lite(toy_dataset, folder)
    return folder


@pytest.fixture(scope="module")
def mine(lite: Path) -> Path:
    """A submission of the dataset as it was."""
    benchmark = open_benchmark(lite)
    return make(lite.parent / "submissions" / "mine", benchmark, probabilities(benchmark, benchmark.tracks))


@pytest.fixture
def folder(lite: Path) -> Iterator[Path]:
    """The dataset, which is as it was again after each test."""
    before = {path: path.read_bytes() for path in [lite / "manifest.json", *lite.rglob("*.parquet")]}
    yield lite
    for path, data in before.items():
        path.write_bytes(data)


def recount(folder: Path) -> None:
    """Make the counts of the manifest those of the files."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    pairs = [row for shard in (folder / "pairs").iterdir() for row in pq.read_table(shard).to_pylist()]
    for key, column in (("domains", "domain"), ("latency_basis", "latency_basis")):
        manifest[key] = dict(Counter(sorted(row[column] for row in pairs if row[column] is not None)))
    manifest["groups"] = len({row["group_id"] for row in pairs} - {None})
    path.write_bytes(to_bytes(manifest))


def tamper(folder: Path, table: str, column: str, value: Any) -> Path:
    """Set a cell; the manifest's hashes and counts are those of the changed files again."""
    shard = rewrite(folder, table, lambda rows: rows[3].update({column: value}))
    recount(folder)
    return shard


FAULTS: list[tuple[str, str, Any, str]] = [
    *(("pairs", "large_latency_s", value, "large_latency_s is no latency") for value in (INF, -INF, -5.0, 1e300)),
    *(("pairs", "small_latency_s", value, "small_latency_s is missing") for value in (None, NAN)),
    *(("pairs", "small_score", value, "small_score is not in [0, 10]") for value in (11.0, -0.1, INF)),
    *(("pairs", "large_score", value, "large_score is missing") for value in (None, NAN)),
    *(
        ("pairs", name, value, f"{name} is missing")
        for name in ("domain", "group_id", "source")
        for value in (None, "")
    ),
    ("pairs", "query_id", None, "query_id is missing"),
    ("pairs", "query_id", "toy/12", "query_id stands twice"),
    ("pairs", "latency_basis", None, "latency_basis is missing"),
    ("pairs", "latency_basis", "guessed", "latency_basis is no basis"),
    ("pairs", "group_id", "another", "stands in the wrong split"),
    ("pairs", "source", "moon", "source is not in the manifest"),
    ("pairs", "label_mes_6", 2, "label_mes_6 does not follow from the scores"),
    ("pairs", "label_mes_6", None, "label_mes_6 does not follow from the scores"),
    ("splits", "split", None, "split is missing"),
    ("splits", "split", "dev", "split is none of train, validation, test"),
    ("splits", "split", "train", "stands in another split's file"),
    ("splits", "query_id", None, "query_id is missing"),
    ("splits", "query_id", "toy/no", "stands in pairs or splits, not in both"),
    ("splits", "chart-to-photo", "dev", "has the wrong part in track chart-to-photo"),
]


@pytest.mark.parametrize(("table", "column", "value", "what"), FAULTS)
def test_opening_says_what_data_check_says(folder: Path, table: str, column: str, value: Any, what: str) -> None:
    if value == "toy/12":  # an id that stands in this file already
        value = pq.read_table(next((folder / "pairs").glob("test-*")), columns=["query_id"])[0][7].as_py()
    shard = tamper(folder, table, column, value)
    with pytest.raises(InputError) as error:
        open_benchmark(folder)
    (problem,) = error.value.problems
    told = problem.what.partition(" (and ")[0]
    checked = check_dataset(folder)
    assert (problem.where, told) in {(found.where, found.what) for found in checked}
    assert any(found.what == what and found.where.startswith(f"{shard}:") for found in checked)
    if what != "stands in pairs or splits, not in both":  # the row that lost its id is told first, in `pairs`
        row = 8 if what == "query_id stands twice" else 4
        assert problem.where.startswith(f"{shard}:{row}") and told == what


@pytest.mark.parametrize(
    ("column", "value"), [("large_latency_s", INF), ("domain", None), ("small_score", 11.0), ("group_id", None)]
)
def test_every_command_refuses_it_in_one_line(
    folder: Path, mine: Path, tmp_path: Path, column: str, value: Any
) -> None:
    shard = tamper(folder, "pairs", column, value)
    board = tmp_path / "board"
    for command in (
        ("eval", mine, "--data", folder),
        ("compare", mine, mine, "--data", folder),
        ("board", "build", "--submissions", mine.parent, "--data", folder, "--out", board),
        ("submit", "check", mine, "--data", folder),
        ("router", "train", "--data", folder, "--out", tmp_path / "router"),
        ("router", "submit", "knn", "--data", folder, "--out", tmp_path / "submission"),
    ):
        run = call_cli(*command)
        assert (run.returncode, run.stdout) == (1, ""), command
        (line,) = run.stderr.splitlines()
        assert line.startswith(f"error: {shard}:4"), command
        assert line.endswith("-> run `rsd-bench data check`") or "--private-outcomes" in line
    for call in (lambda: rsd.load(folder), lambda: rsd.load(folder, mes=6), lambda: rsd.evaluate(mine, folder)):
        with pytest.raises(InputError, match=str(shard)):
            call()
    assert not board.exists()


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("score", 11.0, "score is not in [0, 10]"),
        ("score", None, "status and score disagree"),
        ("latency_s", -1.0, "latency_s is no latency"),
        ("latency_s", INF, "latency_s is no latency"),
        ("latency_s", 2.0, "latency_basis is no basis"),
        ("output_tokens", -1, "output_tokens is negative"),
        ("model", None, "model is missing"),
        ("query_id", None, "query_id is missing"),
        ("query_id", "toy/no", "is no query of pairs"),
    ],
)
def test_another_pair_of_a_faulty_outcome_is_refused(folder: Path, column: str, value: Any, what: str) -> None:
    """A second outcome of one model and query was "cannot reindex on an axis with duplicate labels"."""
    shard = tamper(folder, "outcomes", column, value)
    with pytest.raises(InputError) as error:
        rsd.load(folder, small="huge", large="tiny")
    (problem,) = error.value.problems
    assert problem.where.startswith(f"{shard}:4") and what in problem.what
    assert any(what in found.what and found.where == problem.where for found in check_dataset(folder))


def test_two_outcomes_of_one_model_are_refused(folder: Path) -> None:
    shard = rewrite(folder, "outcomes", lambda rows: rows.append(dict(rows[0])))
    with pytest.raises(InputError, match=f"{shard}:.*has two outcomes of one model"):
        rsd.load(folder, small="huge", large="tiny")


@pytest.mark.parametrize(
    "change", [{"width": NAN}, {"width": -1.0}, {"words": None}, {"question_type": "moon"}, {"multiple_choice": None}]
)
def test_statistics_that_are_no_numbers_are_not_trained_on(folder: Path, change: dict[str, Any]) -> None:
    """They were said to be a fault of the encoder features."""
    shard = rewrite(folder, "pairs", lambda rows: rows[3]["statistics"].update(change))
    with pytest.raises(InputError, match=f"{shard}:4.*: statistics are missing or no numbers"):
        read_statistics(folder)


@pytest.mark.parametrize("change", ["text", "gone"])
def test_a_column_of_another_type_is_refused(folder: Path, change: str) -> None:
    """A text in place of a number was a traceback of Arrow."""
    shard = next((folder / "pairs").glob("test-*"))
    table = pq.read_table(shard)
    place = table.schema.get_field_index("small_score")
    if change == "gone":
        table = table.remove_column(place)
    else:
        table = table.set_column(place, "small_score", table["small_score"].cast("string"))
    pq.write_table(table, shard)
    rewrite(folder, "splits", lambda rows: None)  # the manifest's hashes
    with pytest.raises(InputError, match="has other columns or types than the schema version says"):
        open_benchmark(folder)


def test_the_types_that_are_read_are_those_of_the_layout() -> None:
    for table, types in (("pairs", PAIRS), ("outcomes", OUTCOMES)):
        schema = arrow_schema(table)
        assert types == {name: schema.field(name).type for name in types}


NUMBERS = [None, NAN, INF, -INF, -1.0, -1e-9, -0.0, 0.0, 5e-324, 1e-3, 3.3, 7.0, 10.0, 10.1, 11.0, 1e9, 1e10, 1e300]
TEXTS = [None, "", " ", "zzz", "chart", "photo", "train", "validation", "test", "measured", "profile:x", "profile:"]
TEXTS += ["toy", "toy/7", "toy/g3", "in\nvalid", "\u202e", "x" * 10_000, "tiny", "ok", "error", "private", "huge"]
WHOLE = [None, -1, 0, 1, 2, 2**31 - 1]


def cell(rng: random.Random, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    """Change one cell, to a hostile value of its type or to that of another row."""
    row, column = rng.choice(rows), rng.choice(schema)
    kind, other = column.type, rng.choice(rows)[column.name]
    if pa.types.is_struct(kind):
        row[column.name] = rng.choice([None, {**other, "width": rng.choice(NUMBERS)}])
    elif pa.types.is_integer(kind):
        row[column.name] = rng.choice([*WHOLE, other])
    else:
        row[column.name] = rng.choice([*(NUMBERS if pa.types.is_floating(kind) else TEXTS), other])


def own_figures(folder: Path, p: dict[str, float], tau: float) -> dict[str, tuple[float, ...]]:
    """n, APSP, CA and AIL of the in-domain test, by the formulas of docs/metrics.md, from the cells as they stand."""
    rows = pq.read_table(next((folder / "pairs").glob("test-*"))).to_pylist()
    found = {}
    for name, scenario in SCENARIOS.items():
        tiers = ["small" if p[row["query_id"]] >= tau else "large" for row in rows]
        solved = [row[f"{tier}_score"] >= scenario.mes for row, tier in zip(rows, tiers, strict=True)]
        seconds = [row[f"{tier}_latency_s"] + 0.016 for row, tier in zip(rows, tiers, strict=True)]
        n = len(rows)
        found[name] = (n, sum(solved) / n, tiers.count("small") / n, math.fsum(seconds) / n)
    return found


def refused(call: Callable[[], Any]) -> Any:
    """What a call gives, or None where it refuses in one line; anything else fails the test."""
    try:
        return call()
    except InputError as error:
        assert len(error.problems) == 1 and "bug" not in str(error)
        return None


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 240), marks=pytest.mark.heavy)])
def test_changed_cells_are_right_or_refused(folder: Path, mine: Path, seeds: range) -> None:
    stated = mine / SUBMISSION
    before = {path: path.read_bytes() for path in [stated, folder / "manifest.json", *folder.rglob("*.parquet")]}
    tau = next(iter(json.loads(stated.read_bytes())["tau"].values()))
    table = pq.read_table(next(path for path in mine.iterdir() if path.suffix == ".parquet")).to_pylist()
    p = {row["query_id"]: row["p_edge"] for row in table if row["track"] == "in-domain"}
    counts: Counter[str] = Counter()
    for seed in seeds:
        rng = random.Random(seed)
        table = rng.choice(["pairs", "pairs", "splits", "outcomes"])
        split = rng.choice(["train", "test", "test"])
        schema = pq.read_schema(next((folder / table).glob(f"{split}-*")))
        rewrite(folder, table, partial(cell, rng, schema=schema), split)
        if seed % 2:
            recount(folder)
        meta = json.loads(before[stated])
        meta["dataset"]["manifest_sha256"] = manifest_sha256(folder)
        stated.write_text(json.dumps(meta))
        result = refused(lambda: rsd.evaluate(mine, folder, n_boot=2))
        counts["refused" if result is None else "scored"] += 1
        if result is not None:
            for score in (score for score in result.scores if score.track == "in-domain"):
                expected = own_figures(folder, p, tau)[score.scenario]
                given = (score.n, score.apsp.value, score.ca.value, score.ail.value)
                assert given == pytest.approx(expected, rel=1e-6, abs=1e-6), (seed, table)
        if table == "outcomes":
            other = refused(lambda: rsd.load(folder, small="huge", large="tiny", split="test"))
            counts["not loaded" if other is None else "loaded"] += 1
        elif not seed % 4:
            part = refused(lambda: rsd.load(folder, mes=6, split="test"))
            counts["not loaded" if part is None else "loaded"] += 1
            for row in part or ():
                assert row["label"] == (row["small_score"] >= 6 or row["small_score"] >= row["large_score"])
        for path, data in before.items():
            path.write_bytes(data)
    assert min(counts[name] for name in ("refused", "scored", "not loaded", "loaded")) > len(seeds) / 20, counts

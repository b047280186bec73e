"""A large model that took no time in most groups must not be scored: RCS divides by its mean latency, in each resample.

Latency 0 in most test groups gave resamples without any: inf or NaN. One of 2,000 was enough to put all routers into
band 1 and to empty their intervals, with no word but a RuntimeWarning. Such data are refused by name wherever they come
in, as arrays, at build, at `data check` and at `eval`; a few such groups, which no resample can consist of, score.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import RECIPE, ROOT, Records, call_cli
from sound_submissions import make
from toy_builds import imported, list_files_again

import rsd_bench as rsd
from rsd_bench.config import MAX_UNCLOCKED, NO_LATENCY_S
from rsd_bench.dataset.benchmark import Benchmark, scoring_problems
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.metrics.latency import unclocked_groups
from rsd_bench.routers.interface import TrainingData
from rsd_bench.studies.cross_validation import Decided, summarise

FIX = "give its latencies, or name a latency profile"


def compared(large_latency: list[float], groups: list[int] | None = None) -> rsd.Comparison:
    n = len(large_latency)
    return rsd.compare(
        np.arange(n) % 2,
        np.arange(n) % 3 == 0,
        small=np.arange(n) % 11,
        large=np.full(n, 9),
        small_latency=0.01,
        large_latency=large_latency,
        scenario="high_quality",
        groups=groups,
        n_boot=2_000,
    )


@pytest.mark.parametrize(
    ("large_latency", "groups", "found"),
    [
        ([0, 0, 0, 0, 9], None, "4 of 5"),
        ([0, 9, 9, 9, 9], None, "1 of 5"),
        ([NO_LATENCY_S / 2, 9, 9, 9, 9], None, "1 of 5"),
        ([0, 9, 0, 9, 0, 9], [0, 0, 1, 1, 2, 2], ""),
        ([0, 0, 9, 9, 9, 9], [0, 0, 1, 1, 2, 2], "1 of 3"),
        ([0, *[9] * 8], None, "1 of 9"),
        ([0, *[9] * 9], None, ""),
        ([0, 0, *[9] * 17], None, "2 of 19"),
    ],
)
def test_arrays_of_which_a_resample_may_have_no_latency_are_refused(
    large_latency: list[float], groups: list[int] | None, found: str
) -> None:
    if found:
        with pytest.raises(ValueError, match=f"^large_latency: is 0 in {found} groups"):
            compared(large_latency, groups)
    else:
        result = compared(large_latency, groups)
        assert np.isfinite([result.rcs.low, result.rcs.high, result.ail.low, result.ail.high]).all()


def test_what_is_let_through_has_no_resample_without_latency() -> None:
    # (share)^groups is largest for the fewest groups of which one may lack it
    fewest = next(n for n in range(1, 100) if not unclocked_groups(np.array([0.0, *[1.0] * (n - 1)]), np.arange(n)))
    assert fewest == round(1 / MAX_UNCLOCKED) and MAX_UNCLOCKED**fewest <= 1.01e-10
    assert unclocked_groups(np.array([np.nan, 0.0]), np.zeros(2, np.int64)) == ""  # private outcomes
    assert unclocked_groups(np.zeros(0), np.zeros(0, np.int64)) == ""


def test_a_study_refuses_them_too(toy_benchmark: Benchmark) -> None:
    part = toy_benchmark.part("in-domain", "test")
    latency = np.where(part.group_codes % 5 == 0, 0.0, 6.4)
    data = TrainingData(None, replace(part.outcomes, large_latency=latency), part.groups, rsd.SCENARIOS["low_energy"])
    decided = Decided(np.full(len(part), 0.5), np.ones(len(part)))
    with pytest.raises(ValueError, match=r"^large_latency: is 0 in "):
        summarise(data, [decided], n_boot=50)


def silent(benchmark: Benchmark, lost: np.ndarray) -> Benchmark:
    """The benchmark with no large latency in the rows `lost`."""
    queries = benchmark.queries
    return replace(benchmark, queries=queries.assign(large_latency_s=queries["large_latency_s"].where(~lost, 0.0)))


def test_a_dataset_is_refused_by_track_and_domain(toy_benchmark: Benchmark) -> None:
    queries = toy_benchmark.queries
    test, photo = queries["split"] == "test", queries["domain"] == "photo"
    said = [str(p) for p in scoring_problems(silent(toy_benchmark, (test & photo).to_numpy()))]
    folder = toy_benchmark.folder
    assert any(
        line.startswith(f"{folder}: track 'in-domain', domain 'photo': the large model's latency is 0 in ")
        and line.endswith(f" groups of test queries -> {FIX}")
        for line in said
    )
    assert not any("'chart':" in line for line in said)
    groups = queries.loc[test & photo, "group_id"].drop_duplicates()
    one = (queries["group_id"] == groups.iloc[0]).to_numpy()
    expected = len(groups) < round(1 / MAX_UNCLOCKED)
    assert any("'photo'" in str(p) for p in scoring_problems(silent(toy_benchmark, one))) == expected
    for split in ("train", "validation"):
        said = [str(p) for p in scoring_problems(silent(toy_benchmark, (queries["split"] == split).to_numpy()))]
        assert f"{folder}: track 'in-domain': the large model's latency is 0 for every {split} query -> {FIX}" in said


def test_a_build_refuses_before_it_writes(tmp_path: Path, toy_records: Records) -> None:
    for row in toy_records.responses:
        row["latency_s"] = 0.4 if row["model"] == "tiny" else 3.0
        if row["model"] == "huge" and int(row["query_id"].partition("/")[2]) % 4:
            row["latency_s"] = 0.0
    imported(toy_records.write(), tmp_path / "store")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    run = call_cli("data", "build", tmp_path / "recipe.toml", "--store", tmp_path / "store", "--out", tmp_path / "d")
    assert run.returncode == 1 and not (tmp_path / "d").exists()
    lines = run.stderr.strip().splitlines()[:-1]
    assert lines and all(line.startswith("error: toy-rsd: track '") and line.endswith(f" -> {FIX}") for line in lines)
    assert any("track 'in-domain', domain 'chart': the large model's latency is 0 in " in line for line in lines)


def test_check_and_eval_refuse_a_dataset_whose_hashes_hold(
    tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark
) -> None:
    folder = shutil.copytree(toy_dataset, tmp_path / "d")
    shard = folder / "pairs" / "test-00000-of-00001.parquet"
    table, before = pq.read_table(shard), file_sha256(shard)
    at = table.schema.get_field_index("large_latency_s")
    most = pa.array([0.0 if i % 20 else 6.4 for i in range(len(table))], table.schema.field(at).type)
    pq.write_table(table.set_column(at, table.schema.field(at), most), shard)
    croissant = folder / "croissant.json"
    croissant.write_text(croissant.read_text().replace(before, file_sha256(shard)))
    list_files_again(folder)
    for command in (("data", "check", folder), ("eval", make(tmp_path / "mine", toy_benchmark), "--data", folder)):
        run = call_cli(*command)
        assert run.returncode == 1
        assert "the large model's latency is 0 in " in run.stderr and "Traceback" not in run.stderr


def test_the_published_data_have_every_latency() -> None:
    board = json.loads((ROOT / "leaderboard" / "leaderboard.json").read_bytes())
    bounds = [row[m][b] for t in board["tables"] for row in t["rows"] for m in ("rcs", "gain") for b in ("low", "high")]
    assert len(bounds) > 1_000 and np.isfinite(bounds).all()


def test_warnings_of_numpy_are_errors_here_and_in_commands_that_tests_start() -> None:
    division = "import numpy; numpy.ones(1) / numpy.zeros(1)"
    with pytest.raises(RuntimeWarning):
        exec(division)
    run = subprocess.run([sys.executable, "-c", division], capture_output=True, text=True)
    assert run.returncode == 1 and "RuntimeWarning: divide by zero" in run.stderr

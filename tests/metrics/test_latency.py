"""One bound for every latency: latency profiles with -0.5, nan, inf and 1e300 seconds built without a word and scored.

A recorded, clocked, declared or modelled latency is a number of seconds from 0 to `MAX_SECONDS`, wherever it enters.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import RECIPE, Records
from toy_builds import imported, refused_build, rewrite

from rsd_bench.config import MAX_SECONDS, is_latency, load_profile
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.metrics.latency import TierOutcomes, pair_latency
from rsd_bench.routers.latency_bench import read_bench
from rsd_bench.schemas import schema
from rsd_bench.sources.source import Response
from rsd_bench.types import InputError

NO_LATENCIES = [
    "-0.5",
    "-1e-300",
    "nan",
    "inf",
    "-inf",
    "1e300",
    "1000000001",
    "true",
    '"soon"',
    "[1]",
    "1" + "0" * 400,
]
CONSTANT = 'kind = "constant"\nprovenance = "x"\n[small]\nseconds = {}\n[large]\nseconds = {}\n'
TOKENS = (
    'kind = "tokens"\nfallback = "paper-bounds"\nprovenance = "x"\n'
    "[models.tiny]\nfirst_token_s = {}\ns_per_token = {}\n"
)


@pytest.mark.parametrize("seconds", NO_LATENCIES)
@pytest.mark.parametrize("template", [CONSTANT, TOKENS])
@pytest.mark.parametrize("place", [0, 1])
def test_a_profile_refuses_what_is_no_latency(tmp_path: Path, template: str, seconds: str, place: int) -> None:
    path = tmp_path / "own.toml"
    path.write_text(template.format(*(seconds if place == i else "0.5" for i in range(2))))
    with pytest.raises(InputError) as error:
        load_profile(str(path))
    (problem,) = error.value.problems
    assert problem.where == str(path)
    assert re.search(r"(seconds|first_token_s|s_per_token) is .*, which is no latency$", problem.what)


@pytest.mark.parametrize("seconds", ["0", "0.0", "1e9", "1_000", "6.4"])
def test_a_profile_takes_what_is_a_latency(tmp_path: Path, seconds: str) -> None:
    path = tmp_path / f"own{seconds}.toml"
    path.write_text(CONSTANT.format(seconds, 6.4))
    assert load_profile(str(path)).tiers == {"small": float(seconds), "large": 6.4}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('kind = "constant"\nprovenance = "x"\n[small]\nseconds = 1\n', "lacks large"),
        ('kind = "constant"\nprovenance = "x"\nsmall = 1\nlarge = 2\n', "not a latency profile"),
        (CONSTANT.format(1, 2).replace('"x"', "3"), "provenance is not a text"),
        (TOKENS.format(1, 2).replace('"paper-bounds"', "7"), "fallback is not a text"),
        (TOKENS.format(1, 2).replace('"paper-bounds"', '"tokens"'), "fallback 'tokens' is no constant profile"),
        (TOKENS.format(1, 2).replace("[models.tiny]", "[[models]]"), "not a latency profile"),
        ("kind = [1]\n", "kind [1] is unknown"),
        ("", "kind None is unknown"),
    ],
)
def test_a_profile_that_lacks_something_is_one_problem(tmp_path: Path, text: str, says: str) -> None:
    """A list of models was an AttributeError, and a fallback that models tokens itself a KeyError while building."""
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(says)):
        load_profile(str(path))


def test_a_profile_that_falls_back_on_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(TOKENS.format(1, 2).replace("paper-bounds", str(path)))
    with pytest.raises(InputError, match="is no constant profile"):
        load_profile(str(path))


def side(tier: str, tokens: list[float], clocked: list[float]) -> TierOutcomes:
    n = len(tokens)
    return TierOutcomes(tier, "tiny", np.array(clocked), np.array(["measured"] * n, object), np.array(tokens, float))


@pytest.mark.parametrize("clocked", [-1.0, np.inf, -np.inf, 1e300, MAX_SECONDS * 1.01])
def test_a_clocked_latency_of_a_pair_is_checked(clocked: float) -> None:
    sources, small = np.array(["s"] * 3, object), side("small", [1] * 3, [1, clocked, 1])
    large = side("large", [1] * 3, [2, 2, 2])
    with pytest.raises(InputError, match=r"^q1: small_latency_s is .*, which is no latency \(measured\)"):
        pair_latency(["q0", "q1", "q2"], sources, small, large, load_profile("paper-bounds"))


def test_a_modelled_latency_is_checked(tmp_path: Path) -> None:
    """Coefficients within the bound, and a count of tokens, made a latency beyond it."""
    path, unknown = tmp_path / "own.toml", [np.nan, np.nan]
    path.write_text(TOKENS.format(1, 1e8))
    pair = side("small", [1, 20], unknown), side("large", [1, 2], unknown)
    with pytest.raises(InputError, match=r"^q1: small_latency_s is 2e\+09, which is no latency \(profile:own\)"):
        pair_latency(["q0", "q1"], np.array(["s", "s"], object), *pair, load_profile(str(path)))


@pytest.mark.parametrize("seconds", [-0.5, float("nan"), float("inf"), 1e300])
def test_what_enters_a_store_is_checked(seconds: float) -> None:
    """A clocked time comes from no schema: every outcome, read or live, is a `Response`."""
    with pytest.raises(InputError, match=r"^here: latency_s is .*, which is no latency"):
        Response("here", "q", "m", "unscored", latency_s=seconds)


@pytest.mark.parametrize("p50", ["-500", "NaN", "Infinity", "1e300"])
def test_a_benched_latency_is_checked(tmp_path: Path, p50: str) -> None:
    path = tmp_path / "bench.json"
    stages = ", ".join(
        f'"{n}": {{"1": {{"p50_ms": {p50}}}}}' for n in ("image encoder", "text encoder", "statistics", "head")
    )
    path.write_text(f'{{"stages": {{{stages}}}, "hardware": {{"processor": "p", "threads": 1, "torch": "2"}}}}')
    with pytest.raises(InputError, match="is no latency"):
        read_bench(path)


def test_the_schemas_have_the_same_bound() -> None:
    """A submission was bounded by an hour, a record by 31 years, a result not at all."""
    bounds = [
        schema("records")["$defs"]["response"]["properties"]["latency_s"],
        *(schema(name)["properties"]["router_latency"]["properties"]["seconds"] for name in ("submission", "result")),
    ]
    assert {(bound["minimum"], bound["maximum"]) for bound in bounds} == {(0, MAX_SECONDS)}
    assert is_latency(0) and is_latency(MAX_SECONDS) and not is_latency(np.nextafter(MAX_SECONDS, np.inf))


@pytest.mark.parametrize("seconds", ["-0.5", "nan", "inf", "1e300"])
def test_no_build_with_such_a_profile(tmp_path: Path, toy_records: Records, seconds: str) -> None:
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    (tmp_path / "own.toml").write_text(CONSTANT.format(seconds, 6.4))
    line = refused_build(tmp_path / "store", f'latency_profile = "{tmp_path / "own.toml"}"\n{RECIPE}')
    assert f"[small] seconds is {seconds}, which is no latency" in line.replace("1e+300", "1e300")


def test_no_build_of_a_store_with_such_a_latency(tmp_path: Path, toy_records: Records) -> None:
    """A store whose file was changed: the query is named."""
    for response in toy_records.responses:
        response["latency_s"] = 1.5
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    path = tmp_path / "store" / "sources" / "toy" / "responses.parquet"
    rows = (table := pq.read_table(path)).to_pylist()
    rows[4]["latency_s"] = float("inf")
    pq.write_table(table.from_pylist(rows, table.schema), path)
    assert "toy/4: small_latency_s is inf, which is no latency (reported)" in refused_build(tmp_path / "store")


@pytest.mark.parametrize("seconds", [-0.5, float("inf"), 1e300])
def test_data_check_names_the_row(tmp_path: Path, toy_dataset: Path, seconds: float) -> None:
    """1e300 was a latency to `data check`."""
    folder = tmp_path / "d"
    shutil.copytree(toy_dataset, folder)
    rewrite(folder, "pairs", lambda rows: rows[1].update(large_latency_s=seconds))
    assert "large_latency_s is no latency" in json.dumps([p.to_dict() for p in check_dataset(folder)])

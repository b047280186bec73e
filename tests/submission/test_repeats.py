"""Submissions of schema 2: repeats of a cross-fitted track, probabilities of tiers, thresholds by repeat and fold.

Guards against a board where a router that entered one lucky deal of the folds stood beside those that entered five, and
where a threshold of one fold was held against the probabilities of another.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import run_cli
from folded import folded, folded_dataset, rows_of  # noqa: F401 (fixtures)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sound_submissions import declaration

from rsd_bench.config import FOLDS, REPEATS, SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.check_submission import check_submission, open_submission
from rsd_bench.submission.new_submission import new_submission
from rsd_bench.submission.pack_submission import pack_submission
from rsd_bench.types import InputError

ALL = tuple(range(REPEATS))
EVERYTHING = {"in-domain": ALL, "three-tiers": (0, 3), "fixed": (0,)}


def made(folder: Path, benchmark: Benchmark, frame: pd.DataFrame, **changes: object) -> Path:
    return new_submission(folder, frame, benchmark, declaration(**changes))


def told(folder: Path, benchmark: Benchmark) -> str:
    submission, problems = check_submission(folder, benchmark)
    assert submission is None and problems
    return "\n".join(map(str, problems))


def as_text(folder: Path, kind: str, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda f: f) -> Path:
    """The folder with its predictions in another format, the frame changed; whole numbers stay whole."""
    frame = change(pd.read_parquet(folder / "predictions.parquet"))
    if "repeat" in frame and frame["repeat"].dtype.kind in "if":
        frame["repeat"] = frame["repeat"].astype("Int64")
    (folder / "predictions.parquet").unlink()
    path = folder / f"predictions.{kind}"
    if kind == "parquet":
        frame.to_parquet(path, index=False)
    elif kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    return folder


def set_meta(folder: Path, **changes: object) -> Path:
    path = folder / "submission.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_what_is_written_is_read_in_every_format(tmp_path: Path, folded: Benchmark, kind: str) -> None:  # noqa: F811
    frame = rows_of(folded, EVERYTHING)
    folder = as_text(made(tmp_path / "mine", folded, frame), kind, lambda f: f.sample(frac=1, random_state=1))
    submission = open_submission(folder, folded)
    assert {track for track, _ in submission.entries} == set(EVERYTHING)
    for (track, scenario), said in submission.entries.items():
        part = folded.part(track, "test")
        assert said.repeats == EVERYTHING[track] and said.p.shape == said.tau.shape
        assert said.p.shape == (len(said.repeats), len(part), folded.track(track).count - 1)
        of = frame[frame["track"] == track]
        for at, repeat in enumerate(said.repeats):
            here = of[of["repeat"].fillna(0) == repeat].set_index("query_id").loc[part.query_ids]
            names = ["p_edge"] if part.count == 2 else ["p_1", "p_2"]
            assert np.array_equal(said.p[at], here[names].to_numpy())
        assert said.p is submission.entries[track, "fast_response"].p, f"{scenario}: * is kept once"


def test_a_track_that_is_not_cross_fitted_needs_no_repeat_and_one_repeat_is_enough(
    tmp_path: Path,
    folded: Benchmark,  # noqa: F811
) -> None:
    frame = rows_of(folded, {"in-domain": (0,), "fixed": (0,)})
    assert "repeat" not in frame
    submission = open_submission(made(tmp_path / "once", folded, frame), folded)
    assert {said.repeats for said in submission.entries.values()} == {(0,)}
    only = open_submission(made(tmp_path / "third", folded, rows_of(folded, {"in-domain": (3,)})), folded)
    assert only.entries["in-domain", "low_energy"].repeats == (3,)


def nested(draw: Callable[..., object], shape: tuple[int, ...]) -> object:
    """A threshold: a number, or a list of one less level."""
    if not shape or draw(st.booleans()):
        return draw(st.floats(0, 1.01))
    return [nested(draw, shape[1:]) for _ in range(shape[0])]


@st.composite
def taus(draw: Callable[..., object]) -> dict[str, object]:
    shapes = {"in-domain": (2, FOLDS, 1), "three-tiers": (2, FOLDS, 2), "fixed": (1, 1, 1)}
    return {
        name: draw(st.floats(0, 1.01))
        if draw(st.booleans())
        else {track: nested(draw, shape) for track, shape in shapes.items()}
        for name in SCENARIOS
    }


def expected(value: object, track: str, benchmark: Benchmark, repeats: tuple[int, ...]) -> np.ndarray:
    """tau of each repeat, query and tier, by the words of the format, one number at a time."""
    folds = [benchmark.folds(track, repeat) for repeat in repeats]
    shape = (len(repeats), len(folds[0]), benchmark.track(track).count - 1)
    out = np.empty(shape)
    for at in np.ndindex(*shape):
        held = value
        for index in (at[0], int(folds[at[0]][at[1]]), at[2]):
            held = held[index] if isinstance(held, list) else held
        out[at] = held
    return out


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tau=taus())
def test_a_threshold_is_of_its_repeat_fold_and_tier(
    tmp_path_factory: pytest.TempPathFactory,
    folded: Benchmark,  # noqa: F811
    tau: dict[str, object],
) -> None:
    repeats = {"in-domain": (1, 4), "three-tiers": (0, 2), "fixed": (0,)}
    folder = made(tmp_path_factory.mktemp("tau") / "mine", folded, rows_of(folded, repeats), tau=tau)
    submission = open_submission(folder, folded)
    assert submission.meta.declared.tau == tau, "kept as it was written"
    for (track, scenario), said in submission.entries.items():
        value = tau[scenario]
        want = expected(value[track] if isinstance(value, dict) else value, track, folded, repeats[track])
        assert np.array_equal(said.tau, want)
        assert np.array_equal(said.choice, np.where((hit := said.p >= want).any(2), hit.argmax(2), want.shape[2]))
    again = pack_submission(folder, folded), pack_submission(folder, folded)
    assert again[0] == again[1]
    packed = open_submission(folder, folded)
    for key, said in submission.entries.items():
        assert np.array_equal(packed.entries[key].p, said.p) and np.array_equal(packed.entries[key].tau, said.tau)


def drop(track: str, repeat: int, rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        hit = frame.index[(frame["track"] == track) & (frame["repeat"] == repeat)]
        return frame.drop(hit[:rows])

    return change


def put(column: str, value: object, track: str = "in-domain") -> Callable[[pd.DataFrame], pd.DataFrame]:
    """One cell of the first row of a track."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        at = int(np.flatnonzero(frame["track"] == track)[0])
        frame = frame.astype({column: object if isinstance(value, str) else float})
        frame.iloc[at, frame.columns.get_loc(column)] = value
        return frame

    return change


FAULTS = {
    "a-query-of-a-repeat-missing": (drop("in-domain", 2, 1), "track 'in-domain', repeat 2: query 'toy/"),
    "a-repeat-half-there": (drop("three-tiers", 3, 100), "track 'three-tiers': 80 more queries are missing"),
    "a-repeat-twice": (
        lambda f: f.assign(repeat=f["repeat"].where(f["repeat"] != 1, 2)),
        "stands twice for its track, scenario and repeat",
    ),
    "no-such-repeat": (put("repeat", REPEATS), f"repeat '{REPEATS}' is none that the dataset has"),
    "a-repeat-below-0": (put("repeat", -1), "repeat"),
    "half-a-repeat": (put("repeat", 0.5), "repeat"),
    "a-repeat-of-a-fixed-test": (put("repeat", 1, "fixed"), "repeat '1' has no place in a track that is not cross-fi"),
    "a-tier-missing": (put("p_2", None, "three-tiers"), "p_2"),
    "a-tier-above-1": (put("p_1", 1.5, "three-tiers"), "p_1"),
    "a-tier-too-many": (put("p_2", 0.5, "fixed"), "p_2 '0.5' is not asked for in its track"),
    "p-edge-of-tiers": (put("p_edge", 0.5, "three-tiers"), "p_edge '0.5' is not asked for in its track"),
    "p-edge-missing": (put("p_edge", None, "in-domain"), "p_edge"),
    "a-column-of-tiers-missing": (
        lambda f: f.drop(columns="p_2"),
        "column 'p_2' is missing, which track 'three-tiers'",
    ),
    "p-edge-column-missing": (lambda f: f.drop(columns="p_edge"), "column 'p_edge' is missing, which track"),
    "a-column-of-no-tier": (lambda f: f.assign(p_3=0.5), "p_3"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_fault_is_told_in_every_format(tmp_path: Path, folded: Benchmark, name: str, kind: str) -> None:  # noqa: F811
    change, says = FAULTS[name]
    folder = made(tmp_path / "bad", folded, rows_of(folded, EVERYTHING))
    frame = change(pd.read_parquet(folder / "predictions.parquet"))
    if kind == "parquet":
        frame.to_parquet(folder / "predictions.parquet", index=False)
    else:
        (folder / "predictions.parquet").unlink()
        lines = frame.to_json(orient="records", lines=True, double_precision=15)
        frame.to_csv(folder / "predictions.csv", index=False) if kind == "csv" else (
            folder / "predictions.jsonl"
        ).write_text(lines)
    said = told(folder, folded)
    assert says in said, said
    if kind == "jsonl" and name in ("a-repeat-below-0", "half-a-repeat"):
        assert "stands twice" not in said, "a row whose repeat is none is of no other repeat"


def test_a_value_that_is_no_number_is_shown_as_it_stands(tmp_path: Path, folded: Benchmark) -> None:  # noqa: F811
    folder = made(tmp_path / "bad", folded, rows_of(folded, EVERYTHING))
    change = lambda f: put("repeat", "first")(put("p_2", "high", "three-tiers")(put("p_edge", "x", "three-tiers")(f)))  # noqa: E731
    frame = change(pd.read_parquet(folder / "predictions.parquet"))
    (folder / "predictions.parquet").unlink()
    frame.to_csv(folder / "predictions.csv", index=False)
    said = told(folder, folded)
    for text in (
        "repeat 'first' is none that",
        "p_2 'high' is not a number in [0, 1]",
        "p_edge 'x' is not asked for in its track",
    ):
        assert text in said, f"{text}\n\n{said}"


WRONG_TAUS = {
    "repeats": ([0.5] * 4, "tau.low_energy has 4 values where track 'in-domain' has 5 repeats entered"),
    "folds": ([0.5, [0.5] * 4, 0.5, 0.5, 0.5], "tau.low_energy.1 has 4 values where track 'in-domain' has 5 folds"),
    "tiers": (
        {"in-domain": [0.5, 0.5, 0.5, [0.5, 0.5, [0.5, 0.5], 0.5, 0.5], 0.5]},
        "tau.low_energy.in-domain.3.2 has 2 values where track 'in-domain' has 1 tiers",
    ),
    "empty": ([], "tau.low_energy"),
    "deep": ([[[[0.5]]]] * 5, "tau.low_energy.0.0.0 must be a number in [0, 1.01], not [0.5]"),
    "range": ([0.5, 0.5, [0.5, 2, 0.5, 0.5, 0.5], 0.5, 0.5], "tau.low_energy.2.1 must be a number in [0, 1.01], not 2"),
    "huge": ([10**400] * 5, "tau.low_energy.0 must be a number"),
}


@pytest.mark.parametrize("name", WRONG_TAUS)
def test_a_list_of_a_wrong_length_is_named_by_its_place(tmp_path: Path, folded: Benchmark, name: str) -> None:  # noqa: F811
    value, says = WRONG_TAUS[name]
    folder = made(tmp_path / "mine", folded, rows_of(folded, {"in-domain": ALL}))
    said = told(set_meta(folder, tau=dict.fromkeys(SCENARIOS, 0.5) | {"low_energy": value}), folded)
    assert says in said, said


def test_schema_1_is_refused_with_one_line(tmp_path: Path, folded: Benchmark) -> None:  # noqa: F811
    folder = set_meta(made(tmp_path / "old", folded, rows_of(folded, {"in-domain": ALL})), schema_version=1)
    (folder / "predictions.parquet").write_text("of whatever it was")
    said = told(folder, folded)
    assert said.count("\n") == 0 and "schema_version 1" in said and "rsd-bench submit new" in said


def test_a_kind_is_query_unless_cascade_is_said(tmp_path: Path, folded: Benchmark) -> None:  # noqa: F811
    folder = made(tmp_path / "mine", folded, rows_of(folded, {"three-tiers": (0,)}))
    meta = json.loads((folder / "submission.json").read_text())
    assert meta.pop("kind") == "query" and not open_submission(folder, folded).cascade
    (folder / "submission.json").write_text(json.dumps(meta))
    assert open_submission(folder, folded).meta.declared.kind == "query"
    assert open_submission(set_meta(folder, kind="cascade"), folded).cascade
    assert "kind" in told(set_meta(folder, kind="oracle"), folded)


def test_named_scenarios_enter_the_same_repeats(tmp_path: Path, folded: Benchmark) -> None:  # noqa: F811
    frame = rows_of(folded, {"in-domain": (0, 1)}, scenarios=list(SCENARIOS))
    made(tmp_path / "all", folded, frame)
    short = frame[(frame["scenario"] != "low_energy") | (frame["repeat"] == 0)]
    with pytest.raises(InputError, match="scenario 'low_energy', repeat 1: query"):
        made(tmp_path / "short", folded, short)


def test_equal_content_has_equal_bytes(tmp_path: Path, folded: Benchmark) -> None:  # noqa: F811
    frame = rows_of(folded, {"in-domain": (0,), "fixed": (0,)})
    digests = set()
    for at, change in enumerate(
        (
            lambda f: f,
            lambda f: f.assign(repeat=0),
            lambda f: f.assign(repeat=np.nan),
            lambda f: f.assign(p_1=np.nan, p_2=np.nan)[::-1],
        )
    ):
        folder = made(tmp_path / str(at) / "same", folded, frame)
        change(pd.read_parquet(folder / "predictions.parquet")).to_parquet(folder / "predictions.parquet", index=False)
        digests.add(pack_submission(folder, folded))
    assert len(digests) == 1


REPEAT_COLUMNS = {
    "flags": (lambda n: pa.array([True] * n), "column 'repeat' holds bool, not numbers"),
    "texts": (lambda n: pa.array(["0"] * n), "column 'repeat' holds string, not numbers"),
    "infinite": (lambda n: pa.array([np.inf] * n), "repeat 'inf' is none that the dataset has"),
    "huge": (lambda n: pa.array([1 << 62] * n), "is none that the dataset has"),
    "halves": (lambda n: pa.array([0.5] * n), "repeat '0.5' is none that the dataset has"),
    "lists": (lambda n: pa.array([[0]] * n), "repeat"),
    "nothing": (lambda n: pa.nulls(n), None),
    "small": (lambda n: pa.array([0] * n, pa.uint8()), None),
    "whole-floats": (lambda n: pa.array([0.0] * n, pa.float32()), None),
    "dictionary": (lambda n: pa.array([0] * n).dictionary_encode(), None),
}


@pytest.mark.parametrize("name", REPEAT_COLUMNS)
def test_a_column_of_repeats_of_any_type(tmp_path: Path, folded: Benchmark, name: str) -> None:  # noqa: F811
    made_of, says = REPEAT_COLUMNS[name]
    folder = made(tmp_path / "mine", folded, rows_of(folded, {"in-domain": (0,)}))
    table = pq.read_table(folder / "predictions.parquet")
    pq.write_table(table.append_column("repeat", made_of(len(table))), folder / "predictions.parquet")
    if says is None:
        assert open_submission(folder, folded).entries["in-domain", "low_energy"].repeats == (0,)
    else:
        assert says in told(folder, folded)


def test_more_rows_than_all_repeats_have_are_not_unpacked(tmp_path: Path, folded: Benchmark) -> None:  # noqa: F811
    everything = {track: tuple(range(folded.repeats(track))) for track in folded.tracks}
    frame = rows_of(folded, everything, scenarios=list(SCENARIOS))
    folder = made(tmp_path / "all", folded, frame)
    assert {said.repeats for said in open_submission(folder, folded).entries.values()} == {ALL, (0,)}
    pd.concat([frame, frame.iloc[:1]]).to_parquet(folder / "predictions.parquet", index=False)
    assert f"has {len(frame) + 1} rows, at most {len(frame)} can be valid" in told(folder, folded)


def test_the_longest_thresholds_there_can_be_are_read(tmp_path: Path, folded: Benchmark) -> None:  # noqa: F811
    # submission.json has a bound on its size, which thresholds by scenario, track, repeat, fold and tier must fit
    scenarios = {
        f"s{i:02d}" + "x" * 60: replace(SCENARIOS["low_energy"], name=f"s{i:02d}" + "x" * 60) for i in range(50)
    }
    many = replace(folded, given_scenarios=scenarios)
    rng = np.random.default_rng(0)
    shapes = {track: (many.repeats(track), FOLDS if many.track(track).cross_fitted else 1) for track in many.tracks}
    tau = {
        name: {t: rng.random((*shape, many.track(t).count - 1)).tolist() for t, shape in shapes.items()}
        for name in scenarios
    }
    frame = rows_of(many, {track: tuple(range(many.repeats(track))) for track in many.tracks})
    folder = made(tmp_path / "long", many, frame, tau=tau, description="\u00e9" * 2_000, authors=("\u00e9" * 80,) * 50)
    assert open_submission(folder, many).meta.declared.tau == tau
    text = json.dumps(json.loads((folder / "submission.json").read_text()), indent=4)
    assert len(text) > 200_000
    (folder / "submission.json").write_text(text)
    assert open_submission(folder, many).meta.declared.tau == tau


def test_an_authors_file_of_repeats_on_the_command_line(
    tmp_path: Path,
    folded_dataset: Path,  # noqa: F811
    folded: Benchmark,  # noqa: F811
) -> None:
    frame = rows_of(folded, {"in-domain": (0, 2)})[["query_id", "repeat", "p_edge"]]
    frame.to_csv(tmp_path / "mine.csv", index=False)
    options = ("--from", "mine.csv", "--data", folded_dataset)
    run = run_cli("submit", "new", "mine", *options, "--choose-tau", "mine.csv", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    run = run_cli("submit", "check", "submissions/mine", "--data", folded_dataset, cwd=tmp_path)
    assert run.stdout == "ok: mine enters in-domain (repeats 0, 2)\n"
    frame.drop(index=frame.index[-1]).to_csv(tmp_path / "mine.csv", index=False)
    run = run_cli("submit", "new", "less", *options, cwd=tmp_path)
    assert run.returncode == 1 and "mine.csv: track 'in-domain', repeat 2: query 'toy/" in run.stderr
    frame.astype({"repeat": object}).replace({"repeat": {2: "two"}}).to_csv(tmp_path / "mine.csv", index=False)
    run = run_cli("submit", "new", "less", *options, cwd=tmp_path)
    assert "mine.csv:202: repeat 'two' is no whole number" in run.stderr

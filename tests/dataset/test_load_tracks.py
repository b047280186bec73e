"""`rsd.load(track=...)` gives the rows that the track has: those that a submission to it is held to.

Guards against rows that were kept only where the track's part is the dataset's own split: of a domain that is held out
all queries are tested, those too that stand in the dataset's training rows; nine tenths of them were missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import LITE
from folded import folded_dataset  # noqa: F401 (a fixture)

import rsd_bench as rsd
from rsd_bench.config import IN_DOMAIN, SPLITS
from rsd_bench.dataset.benchmark import read_queries


@pytest.fixture(params=["embedded", "fixed-test", "cross-fitted"])
def dataset(request: pytest.FixtureRequest) -> Path:
    """Tracks of every protocol, with and without a pair of their own."""
    if request.param == "embedded":
        return LITE
    name = "toy_dataset" if request.param == "fixed-test" else "folded_dataset"
    return Path(request.getfixturevalue(name))


def test_each_track_has_the_rows_that_its_submissions_are_held_to(dataset: Path) -> None:
    benchmark = read_queries(dataset)
    own = {part: set(rsd.load(dataset, split=part)["query_id"]) for part in SPLITS}
    for name in (track for track in benchmark.tracks if benchmark.track(track).count == 2):
        track = benchmark.track(name)
        parts = rsd.load(dataset, track=name)
        assert list(parts) == list(SPLITS)
        for part, rows in parts.items():
            want = set(benchmark.part(name, "test" if track.cross_fitted else part).query_ids)
            if track.cross_fitted:  # it has folds and no splits: they are the dataset's own
                want &= own[part]
            assert len(rows) == len(want) and set(rows["query_id"]) == want, (name, part)
        alone = rsd.load(dataset, track=name, split="test")
        assert alone["query_id"][:] == parts["test"]["query_id"][:] and alone.features == parts["test"].features


def test_a_held_out_domain_is_whole_and_labelled() -> None:
    train, test = (rsd.load(track="leave-chart-out", split=part, mes=6.5) for part in ("train", "test"))
    assert (len(train), len(test)) == (2516, 747)
    assert set(test["domain"]) == {"chart"} and "chart" not in set(train["domain"])
    assert test["label"][:] == rsd.label(test["small_score"][:], test["large_score"][:], 6.5).tolist()
    ids = rsd.load(track="leave-chart-out", split="test", columns=["query_id"])
    assert ids.column_names == ["query_id"] and ids["query_id"][:] == test["query_id"][:]


def test_another_pair_on_a_held_out_domain() -> None:
    with pytest.warns(UserWarning, match="lack a score") as warned:
        other = rsd.load(small="qwen2-vl-2b", large="gemini-1.5-pro", scenario="high_quality", track="leave-chart-out")
    with pytest.warns(UserWarning, match="lack a score"):
        everywhere = rsd.load(small="qwen2-vl-2b", large="gemini-1.5-pro")
    assert {warning.filename for warning in warned} == {__file__}, "whoever called is told"
    answered = {query for part in everywhere.values() for query in part["query_id"]}
    benchmark = read_queries(LITE)
    for name, rows in other.items():
        assert set(rows["query_id"]) == answered & set(benchmark.part("leave-chart-out", name).query_ids)


def test_nothing_is_said_while_rows_are_copied(folded_dataset: Path, capfd: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    track = next(of.name for of in read_queries(LITE).manifest.tracks if of.tiers and of.count == 2)
    rsd.load(track=track, mes=6)
    three = next(of.name for of in read_queries(LITE).manifest.tracks if of.count > 2)
    rsd.folds(track=three, mes=6)
    rsd.folds(track=IN_DOMAIN, mes=6)
    rsd.folds(folded_dataset, mes=6)
    assert capfd.readouterr().err == ""

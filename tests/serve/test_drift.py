"""Drift: seen where it is, and not where it is not.

Guards against an alarm at every look (1 % of them at most, on traffic like what was known), one that never comes, and
figures of another scenario or pair.
"""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Records, call_cli

pytest.importorskip("starlette")

from serving import FAST, Fixed

from rsd_bench.config import load_aliases
from rsd_bench.endpoints.calls import Answer
from rsd_bench.serve.deciding import loaded
from rsd_bench.serve.drift import MIN_JUDGED, Drift, measure_drift
from rsd_bench.serve.filing import file_served
from rsd_bench.serve.journal import Journal, Kept, Record, connect, transaction
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.sources.store.outcomes import replace_outcomes
from rsd_bench.sources.store.store_tables import rows_of, sources_in
from rsd_bench.types import InputError

THINGS = ("bars", "lines", "points", "labels", "colours", "axes", "peaks", "gaps")


def question(rng: random.Random, of: str = "chart") -> str:
    return f"How many {rng.choice(THINGS)} and {rng.choice(THINGS)} has the {of} at {rng.randrange(10_000)}?"


def store_of(root: Path, asked: list[str]) -> Path:
    """A store that knew 80 questions, and the traffic of two models."""
    rng, records = random.Random(1), Records(root / "toy", n=80)
    for query in records.queries:
        query["question"] = question(rng)
    problems: list[Any] = []
    import_source(open_records(records.write(), problems.append), root / "store", load_aliases(), problems)
    journal = connect(root / "store")
    with transaction(journal):
        for n, text in enumerate(asked):
            record = Record(f"{n:032}", 1.8e9 + n, text, (), True, "fast_response", "edge", "", 0.5, 0.5, None, 0.0, "")
            kept = [Kept(tier, False, Answer(record.id, model, "ok", text="x")) for tier, model in PAIR]
            Journal._put(SimpleNamespace(_connection=journal), record, kept)
    journal.close()
    file_served(root / "store")
    return root / "store"


PAIR = (("edge", "small"), ("cloud", "large"))


def judge(store: Path, edge: Any) -> None:
    """Score traffic: the cloud always 9, the edge what `edge(n)` says."""
    source = next(name for name in sources_in(store) if name.startswith("served-"))
    rows = [
        (row | {"status": "ok", "score": 9.0 if row["model"] == "large" else float(edge(n))}, None)
        for n, row in enumerate(rows_of(store, source, "responses"))
    ]
    replace_outcomes(store, source, rows, dict)


class Steady(Fixed):
    """A router that is 70 % sure of everything."""

    def route(self, image: Any, question: str) -> Any:
        return SimpleNamespace(model="edge", p_edge=0.7, tau=0.5)


def drift_of(store: Path) -> Drift:
    return measure_drift(loaded(Steady()), store)


def test_traffic_like_before_and_p_that_holds(tmp_path: Path) -> None:
    rng = random.Random(2)
    store = store_of(tmp_path, [question(rng) for _ in range(110)])
    before = drift_of(store)
    assert (before.known, before.served, before.judged) == (80, 110, 0) and before.calibration is None
    assert before.inputs[0].auroc < 0.7 and before.inputs[0].p_value > 0.01
    assert not before.retrain and before.advice == "nothing to do: traffic looks like what was known"
    draw = random.Random(3)
    judge(store, lambda n: 8 if draw.random() < 0.7 else 2)
    after = drift_of(store)
    assert after.calibration and abs(after.calibration.z) < 2.576 and after.calibration.mean_p == pytest.approx(0.7)
    assert not after.retrain


def test_other_questions_and_p_that_does_not_hold(tmp_path: Path) -> None:
    rng = random.Random(2)
    store = store_of(tmp_path, [question(rng, of="photo of my dog") for _ in range(110)])
    before = drift_of(store)
    assert before.inputs[0].auroc > 0.95 and before.inputs[0].p_value == 0.001
    assert before.advice.startswith("judge traffic") and not before.retrain
    draw = random.Random(3)
    judge(store, lambda n: 8 if draw.random() < 0.3 else 2)
    after = drift_of(store)
    assert after.calibration and after.calibration.z < -5 and after.retrain
    assert after.advice == "train again with this traffic: p does not hold on it"
    assert after.calibration.judged == 110 >= MIN_JUDGED and after.calibration.competent < 0.45


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    store = store_of(tmp_path, ["one question", "another one"])
    with pytest.raises(
        InputError, match=r"has 2 queries of traffic; 30 are needed -> run `rsd-bench data import served"
    ):
        drift_of(store)
    with pytest.raises(InputError, match="the router is not for 'nope' -> use fast_response"):
        measure_drift(loaded(Steady(FAST)), store, "nope")
    made = call_cli("router", "drift", tmp_path / "none", "--store", store)
    assert made.returncode == 1 and made.stderr.count("\n") == 1

"""Scores of several repeats, of more than two models and of cascades, each against the public functions.

Guards against boards that score one training of a router, call a cascade as quick as a router that looks at the query
only, or give a third model the cost of the second.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from sound_submissions import make
from suites import THREE, suite_benchmark, suite_submission

import rsd_bench as rsd
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.endpoints.prices import Price, Prices
from rsd_bench.evaluation import costs
from rsd_bench.evaluation.compare_submissions import compare_submissions
from rsd_bench.evaluation.eval_score import METRICS, EvalScore
from rsd_bench.evaluation.evaluate import score_submission, score_with_samples
from rsd_bench.evaluation.private_scoring import score_private
from rsd_bench.evaluation.result import Result, rounded
from rsd_bench.metrics.bootstrap import few_groups_deviate
from rsd_bench.metrics.calibration import auroc, brier, expected_calibration_error
from rsd_bench.metrics.label import label
from rsd_bench.metrics.routing import reference_scores
from rsd_bench.metrics.threshold_curve import apsp_drop, area_apsp_ca, sweep_curve
from rsd_bench.schemas import validator
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.submission.submission import Decisions, Submission
from rsd_bench.types import InputError

BOOT, FIVE = 200, (0, 1, 2, 3, 4)


@cache
def benchmark() -> Benchmark:
    return suite_benchmark()


@cache
def scored(kind: str = "query", repeats: tuple[int, ...] = FIVE) -> tuple[Submission, Result]:
    submission = suite_submission(benchmark(), "router", repeats=repeats, kind=kind)
    return submission, score_submission(submission, benchmark(), n_boot=BOOT)


def at(result: Result, track: str, scenario: str) -> EvalScore:
    return next(score for score in result.scores if (score.track, score.scenario) == (track, scenario))


def close(value: float) -> object:
    return pytest.approx(value, abs=2e-9)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("repeats", [(0,), (1, 3), FIVE])
def test_scores_are_means_over_repeats(scenario: str, repeats: tuple[int, ...]) -> None:
    submission, result = scored(repeats=repeats)
    part, said = benchmark().part("pair-0", "test"), submission.entries["pair-0", scenario]
    outcomes, mes = vars(part.outcomes), SCENARIOS[scenario].mes
    row, choices, p = at(result, "pair-0", scenario), list(said.choice), [of[:, 0] for of in said.p]
    each = [rsd.score_routing(c == 0, **outcomes, scenario=scenario, router_latency_s=0.016) for c in choices]
    for metric in METRICS:
        found = getattr(row, metric)
        assert found.value == close(np.mean([getattr(of, metric) for of in each]))
        assert found.low <= found.value <= found.high
    assert row.repeats and row.repeats.entered == repeats and row.repeats.rcs == pytest.approx([of.rcs for of in each])
    spread = np.std([of.rcs for of in each], ddof=1) if len(repeats) > 1 else None
    assert row.repeats.rcs_std == (spread if spread is None else close(spread))
    small, large = part.outcomes.small, part.outcomes.large
    lifts = [rsd.lift(of, small=small, large=large, mes=mes) for of in p]
    assert row.lift and row.lift.value == close(np.mean([of.lift for of in lifts]))
    assert row.skill and row.skill.value == close(np.mean([of.skill for of in lifts]))
    labels = label(small, large, mes)
    assert row.auroc.value == close(np.mean([auroc(of, labels) for of in p]))
    assert row.brier == close(np.mean([brier(of, labels) for of in p]))
    assert row.ece == close(np.mean([expected_calibration_error(of, labels) for of in p]))
    for i, point in enumerate(row.apsp_at_ca):
        tables = [rsd.apsp_at_ca(of, small=small, large=large, mes=mes) for of in p]
        assert point.apsp.value == close(np.mean([table["apsp"][i] for table in tables]))
        assert point.gain.value == close(np.mean([table["gain"][i] for table in tables]))
    wasted = [rsd.escalation(c, scores=part.tiers.scores, mes=mes) for c in choices]
    assert row.over_escalated and row.over_escalated.value == close(np.mean([of.over for of in wasted]))
    assert row.under_escalated and row.under_escalated.value == close(np.mean([of.under for of in wasted]))
    assert row.saved_calls and row.saved_calls.value == close(np.mean([rsd.saved_calls(c) for c in choices]))
    fixed = row.references[row.best_fixed].rcs
    assert row.gain.value == close(row.rcs.value - fixed) and row.saved_usd is None
    share = row.gain.value / (row.oracle_rcs - fixed)  # of figures with nine decimals
    assert row.captured and row.captured.value == pytest.approx(share, abs=1e-7)
    curves = [sweep_curve(of, part.outcomes, SCENARIOS[scenario], None, 0.016) for of in p]
    assert row.area_apsp_ca == close(np.mean([area_apsp_ca(curve) for curve in curves]))
    assert row.apsp_drop == close(np.mean([apsp_drop(curve) for curve in curves]))
    middle = next(point for point in row.sweep if point.tau == 0.5)
    assert middle.ca == close(np.mean([(of >= 0.5).mean() for of in p]))
    assert row.references["random"].ca == close(row.ca.value)
    assert row.tau is None if len(repeats) > 1 else row.tau == 0.4


@pytest.mark.parametrize("groups", [60, 240])
def test_groups_are_resampled_with_all_their_repeats(groups: int) -> None:
    # each repeat by itself says nothing of the spread of their mean
    made = suite_benchmark(480, groups)
    submission = suite_submission(made, "router", repeats=FIVE, tracks=["pair-0"])
    result, samples = score_with_samples(submission, made, n_boot=400)
    row, said, part = result.scores[0], submission.entries["pair-0", "fast_response"], made.part("pair-0", "test")
    given = {"groups": part.groups, "n_boot": 400}
    expected = rsd.tier_intervals(
        said.choice.T,
        scores=part.tiers.scores,
        latencies=part.tiers.latencies,
        scenario="fast_response",
        router_latency_s=0.016,
        **given,
    )
    for name, interval in expected.items():
        assert [*vars(getattr(row, name)).values()] == pytest.approx([*vars(interval).values()], abs=2e-9), name
    small, large = part.outcomes.small, part.outcomes.large
    ranks = rsd.rank_intervals(said.p[:, :, 0].T, small=small, large=large, mes=6, **given)
    for name in ("lift", "skill", "auroc"):
        assert [*vars(getattr(row, name)).values()] == pytest.approx([*vars(ranks[name]).values()], abs=2e-9), name
    assert row.apsp_at_ca[1].apsp.low == close(ranks["apsp_at_0.8"].low)
    # samples of each repeat are those that it has alone
    for i, repeat in enumerate(FIVE):
        alone = Decisions((repeat,), said.p[i : i + 1], said.tau[i : i + 1])
        entries = {("pair-0", "fast_response"): alone}
        _, own = score_with_samples(replace(submission, entries=entries), made, n_boot=400)
        for domain in (None, "chart"):
            cut = ("pair-0", "fast_response", domain)
            assert own.rcs[cut][0] == pytest.approx(samples.rcs[cut][i], abs=1e-6)
            assert own.points[cut][0] == pytest.approx(samples.points[cut][i])


@pytest.mark.parametrize("groups", [40, 250])
def test_rank_intervals_of_repeats_are_those_of_brute_force(groups: int) -> None:
    rng = np.random.default_rng(1)
    n, n_boot = 500, 400
    codes = rng.integers(0, groups, n)
    small, large = 10.0 * (rng.random((2, n)) < [[0.5], [0.7]])
    p = np.round(0.3 * (small > large)[:, None] + rng.random((n, 3)), 2) / 2
    found = rsd.rank_intervals(p, small=small, large=large, mes=6, groups=codes, n_boot=n_boot)
    members = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    brute: dict[str, list[float]] = {"lift": [], "skill": [], "apsp_at_0.8": [], "gain_at_0.5": []}
    for _ in range(n_boot):
        rows = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        given = {"small": small[rows], "large": large[rows], "mes": 6}
        lifts = [rsd.lift(p[rows, r], **given) for r in range(3)]
        tables = [rsd.apsp_at_ca(p[rows, r], **given) for r in range(3)]
        brute["lift"].append(float(np.mean([of.lift for of in lifts])))
        brute["skill"].append(float(np.mean([of.skill for of in lifts])))
        brute["apsp_at_0.8"].append(float(np.mean([of["apsp"][1] for of in tables])))
        brute["gain_at_0.5"].append(float(np.mean([of["gain"][0] for of in tables])))
    for name, values in brute.items():
        width = found[name].high - found[name].low
        expected = 2 * few_groups_deviate(1.96, len(members)) * np.std(values)
        assert expected * 0.9 < width < expected * 1.15, name  # the farther of two bounds is rather too far


@pytest.mark.parametrize("kind", ["query", "cascade"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_three_tiers(scenario: str, kind: str) -> None:
    submission, result = scored(kind)
    tiers, said = benchmark().part(THREE, "test").tiers, submission.entries[THREE, scenario]
    given = {"scores": tiers.scores, "latencies": tiers.latencies, "scenario": scenario, "advantage": tiers.advantage}
    assert tiers.advantage.tolist() == pytest.approx([1, 1 / 3, 0])
    row, cascade = at(result, THREE, scenario), kind == "cascade"
    assert row.kind == kind and set(row.references) == {
        *("all-at-1", "all-at-2", "all-at-3", "label-oracle", "rcs-oracle", "random")
    }
    each = [rsd.score_tiers(c, cascade=cascade, router_latency_s=0.016, **given) for c in said.choice]
    for metric in METRICS:
        assert getattr(row, metric).value == close(np.mean([getattr(of, metric) for of in each]))
    straight, own = rsd.reference_tiers(**given), rsd.reference_tiers(cascade=cascade, **given)
    for name in ("all-at-1", "all-at-2", "all-at-3"):
        assert row.references[name].rcs == close(straight[name].rcs)
    for name in ("label-oracle", "rcs-oracle"):
        assert row.references[name].rcs == close(own[name].rcs)
    assert row.references[row.best_fixed].rcs == close(straight["best-fixed"].rcs)
    assert row.gain.value == close(row.rcs.value - straight["best-fixed"].rcs)
    assert row.regret == close(own["rcs-oracle"].rcs - row.rcs.value)
    mes = SCENARIOS[scenario].mes
    areas = np.mean([rsd.auroc_tiers(p, scores=tiers.scores, mes=mes) for p in said.p], axis=0)
    assert [area.value for area in row.auroc_tiers] == pytest.approx(areas) and row.auroc == row.auroc_tiers[0]
    assert row.auroc_tiers[1].low < areas[1] < row.auroc_tiers[1].high
    assert row.lift is None and row.skill is None and row.apsp_at_ca == ()
    swept = [rsd.sweep_tiers(p, taus=[0.5], cascade=cascade, router_latency_s=0.016, **given) for p in said.p]
    middle = next(point for point in row.sweep if point.tau == 0.5)
    assert middle.rcs == close(np.mean([table.set_index("tau").loc[0.5, "rcs"] for table in swept]))


def test_a_cascade_of_two_waits_for_both() -> None:
    (query, plain), (_, cascade) = scored(), scored("cascade")
    latency, said = benchmark().part("pair-0", "test").tiers.latencies, query.entries["pair-0", "low_energy"]
    one, other = (at(result, "pair-0", "low_energy") for result in (plain, cascade))
    up = np.mean([latency[choice == 1, 0].sum() / len(choice) for choice in said.choice])
    assert other.ail.value - one.ail.value == close(up)
    assert other.best_fixed == one.best_fixed and other.references["all-cloud"] == one.references["all-cloud"]
    assert other.oracle_rcs < one.oracle_rcs and set(other.references) == set(one.references)


def test_one_repeat_of_two_tiers_gives_version_1_to_the_bit() -> None:
    # a result that was published before repeats and tiers came
    lite = open_benchmark(dataset_folder())
    submission = open_submission(ROOT / "submissions" / "statistics-logistic", lite)
    for score in score_submission(submission, lite, n_boot=0).scores:
        part, scenario = lite.part(score.track, "test"), SCENARIOS[score.scenario]
        said = submission.entries[score.track, score.scenario]
        route, p = said.choice[0] == 0, said.p[0, :, 0]
        outcomes, wait = part.outcomes, submission.router_latency_s
        own = rsd.score_routing(route, **vars(outcomes), scenario=scenario, router_latency_s=wait)
        assert {name: getattr(score, name).value for name in METRICS} == {
            name: rounded(getattr(own, name)) for name in METRICS
        }
        assert score.references == rounded(reference_scores(outcomes, scenario, ca=own.ca))
        curve = sweep_curve(p, outcomes, scenario, [point.tau for point in score.sweep], wait)
        assert [point.rcs for point in score.sweep] == rounded(curve["rcs"].tolist())
        assert score.auroc.value == rounded(auroc(p, label(outcomes.small, outcomes.large, scenario.mes)))


def test_results_are_written_and_read() -> None:
    for kind in ("query", "cascade"):
        _, result = scored(kind)
        data = json.loads(json.dumps(result.to_dict()))
        validator("result").validate(data)
        assert Result.from_dict(data) == result
        assert data["overall"]["tracks"] == ["pair-0", "pair-1"]
    _, one = scored(repeats=(0,))
    assert one.to_dict()["scores"][0]["repeats"]["rcs_std"] is None


VERSION_1 = ("kind", "repeats", "captured", "lift", "skill", "apsp_at_ca", "over_escalated", "under_escalated")


def test_results_of_version_1_stay_readable() -> None:
    data = scored()[1].to_dict() | {"metrics_version": 1}
    del data["overall"]
    data["scores"] = [score for score in data["scores"] if score["track"] == "pair-0"]
    for score in data["scores"]:
        for name in (*VERSION_1, "saved_calls"):
            del score[name]
        score |= {"auroc": score["auroc"]["value"], "tau": 0.5}
    validator("result").validate(data)
    result = Result.from_dict(data)
    assert result.metrics_version == 1 and result.overall is None
    score = result.scores[0]
    assert score.kind == "query" and score.skill is None and score.repeats is None and score.apsp_at_ca == ()
    assert score.auroc.value == data["scores"][0]["auroc"] and np.isnan(score.auroc.low)


def test_overall_needs_the_whole_suite() -> None:
    _, result = scored()
    overall = result.overall
    assert overall and overall.tracks == ("pair-0", "pair-1") and overall.groups == 60
    skills = [score.skill.value for score in result.scores if score.track in overall.tracks and score.skill]
    gains = [score.gain.value for score in result.scores if score.track in overall.tracks]
    assert overall.skill.value == close(np.mean(skills)) and overall.gain.value == close(np.mean(gains))
    assert overall.skill.low < overall.skill.value < overall.skill.high
    assert set(overall.by_scenario) == set(SCENARIOS)
    part = suite_submission(benchmark(), "part", tracks=["pair-0"])
    assert score_submission(part, benchmark(), n_boot=0).overall is None


def test_usd_are_saved_at_prices_of_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = {"input_tokens": 1000.0, "output_tokens": 100.0}
    prices = Prices("2026-01-02", {f"m{k}": Price(input=1.0 + k, output=10.0) for k in range(3)})
    rows = [{"query_id": f"q{i}", "model": f"m{k}", **tokens} for i in range(120) for k in range(3)]
    frame = pd.DataFrame(rows).set_index(["query_id", "model"])
    monkeypatch.setattr(costs, "_tokens", lambda of: frame)
    for kind in ("query", "cascade"):
        submission = suite_submission(benchmark(), "priced", repeats=(0, 1), tracks=[THREE], kind=kind)
        result = score_submission(submission, benchmark(), n_boot=BOOT, prices=prices)
        validator("result").validate(result.to_dict())
        assert result.prices_day == "2026-01-02" == Result.from_dict(result.to_dict()).prices_day
        row = at(result, THREE, "low_energy")
        each = np.array([2.0, 3.0, 4.0]) / 1000
        expected = [
            rsd.saved_usd(c, costs=each, cascade=kind == "cascade")
            for c in submission.entries[THREE, "low_energy"].choice
        ]
        assert row.saved_usd and row.saved_usd.value == close(np.mean(expected))
    assert row.saved_usd_queries == 120
    monkeypatch.setattr(costs, "_tokens", lambda of: frame.drop(("q7", "m1")))
    row = at(score_submission(submission, benchmark(), n_boot=0, prices=prices), THREE, "low_energy")
    known = np.arange(120) != 7
    expected = [
        rsd.saved_usd(c[known], costs=each, cascade=True) for c in submission.entries[THREE, "low_energy"].choice
    ]
    assert row.saved_usd and row.saved_usd.value == close(np.mean(expected)) and row.saved_usd_queries == 119
    monkeypatch.setattr(costs, "_tokens", lambda of: frame.iloc[:0])
    assert score_submission(submission, benchmark(), n_boot=0, prices=prices).prices_day is None
    monkeypatch.setattr(costs, "_tokens", lambda of: frame)
    unpriced = Prices("2026-01-02", {})
    assert score_submission(submission, benchmark(), n_boot=0, prices=unpriced).scores[0].saved_usd is None


def test_submissions_are_compared_on_the_repeats_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    a = suite_submission(benchmark(), "a", repeats=FIVE)
    b = suite_submission(benchmark(), "b", repeats=(2, 4), seed=1)
    monkeypatch.setattr("rsd_bench.evaluation.compare_submissions.open_submissions", lambda of, _: [a, b])
    tiers = benchmark().part(THREE, "test").tiers
    found = compare_submissions(ROOT, ROOT, benchmark(), THREE, n_boot=BOOT)["fast_response"]
    scores = [
        np.mean(
            [
                rsd.score_tiers(
                    of.entries[THREE, "fast_response"].choice[of.entries[THREE, "fast_response"].repeats.index(repeat)],
                    scores=tiers.scores,
                    latencies=tiers.latencies,
                    advantage=tiers.advantage,
                    scenario="fast_response",
                    router_latency_s=0.016,
                ).rcs
                for repeat in (2, 4)
            ]
        )
        for of in (a, b)
    ]
    assert found.difference == close(scores[0] - scores[1]) and found.low < found.difference < found.high
    alone = suite_submission(benchmark(), "c", repeats=(3,))
    monkeypatch.setattr("rsd_bench.evaluation.compare_submissions.open_submissions", lambda of, _: [alone, b])
    with pytest.raises(InputError, match=r"repeats \[3\] by one and \[2, 4\] by the other"):
        compare_submissions(ROOT, ROOT, benchmark(), THREE)


def test_private_outcomes_score_fixed_tests_of_routers_that_see_the_query_only(
    tmp_path: Path, toy_benchmark: Benchmark
) -> None:
    with pytest.raises(InputError, match="in-domain is cross-fitted of 2 tiers"):
        score_private(scored()[0], benchmark(), ROOT / "nowhere", author="somebody")
    submission = open_submission(make(tmp_path / "mine", toy_benchmark, kind="cascade"), toy_benchmark)
    with pytest.raises(InputError, match="mine: is a cascade"):
        score_private(submission, toy_benchmark, ROOT / "nowhere", author="somebody")

"""Figures of the audit, against published values and closed forms.

Guards against agreement that is quoted without its interval, labels taken for true that judging again would flip, flips
that cannot happen (equal answers, 0.51 where the truth is 0), and files of human scores that are read in part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from conftest import Records
from hypothesis import given
from hypothesis import strategies as st

from rsd_bench.judge.agreement import (
    bootstrap,
    flip_probability,
    krippendorff_alpha,
    quadratic_kappa,
    rank_correlation,
    repeat_variance,
    verbosity_slope,
)
from rsd_bench.judge.audit import Agreement, audit_source
from rsd_bench.judge.human import HumanScore, read_human_scores
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.sources.store.outcomes import Outcome, replace_outcomes
from rsd_bench.sources.store.store_tables import JUDGE_PREFIX, rows_of
from rsd_bench.types import InputError

N = np.nan
#: Krippendorff (2011), example C: four observers, twelve units; alpha of interval data is 0.849.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
)
scores = st.lists(st.integers(0, 10), min_size=2, max_size=5)


def test_krippendorff_alpha_is_the_published_one() -> None:
    assert krippendorff_alpha(PUBLISHED) == pytest.approx(0.849, abs=5e-4)
    assert krippendorff_alpha(np.array([[3.0, 4.0], [3.0, 4.0]])) == 1.0
    assert krippendorff_alpha(np.array([[3.0, 3.0], [3.0, 3.0]])) is None
    assert krippendorff_alpha(np.array([[3.0, N], [N, 3.0]])) is None


def test_kappa_correlation_and_slope_know_their_ends() -> None:
    rising = np.arange(11.0)
    assert quadratic_kappa(rising, rising) == pytest.approx(1)
    assert quadratic_kappa(rising, rising[::-1]) == pytest.approx(-1)
    assert quadratic_kappa(np.full(5, 3.0), np.full(5, 3.0)) is None
    assert quadratic_kappa(np.array([2.5]), np.array([3.0])) is None  # halves round up
    assert rank_correlation(rising, rising**2) == pytest.approx(1)
    assert rank_correlation(rising, np.full(11, 2.0)) is None
    words = np.array([1.0, 3.0, 7.0, 15.0])
    assert verbosity_slope(np.array([0.0, 0.5, 1.0, 1.5]), words) == pytest.approx(0.5)
    assert verbosity_slope(np.array([0.0, 1.0]), np.array([4.0, 4.0])) is None


def test_repeat_variance_is_pooled_over_answers_judged_more_than_once() -> None:
    assert repeat_variance([np.array([1.0, 3.0]), np.array([5.0, 5.0, 5.0]), np.array([9.0])]) == (1.0, 2)
    assert repeat_variance([np.array([9.0])]) is None


@given(scores, scores, st.integers(1, 10))
def test_flip_probability_is_the_mean_over_pairs_that_share_no_call(small: list, large: list, mes: int) -> None:
    flips = [
        (small[i] >= mes or small[i] >= large[j]) != (small[k] >= mes or small[k] >= large[m])
        for (i, k), (j, m) in product(permutations(range(len(small)), 2), permutations(range(len(large)), 2))
    ]
    assert flip_probability(np.array(small), np.array(large), mes) == pytest.approx(np.mean(flips))


def test_flip_probability_estimates_the_truth_of_a_known_judge() -> None:
    rng = np.random.default_rng(0)
    p = 0.3  # the small answer reaches the MES with this chance, the large one always beats it
    found = [flip_probability(np.where(rng.random(2) < p, 8.0, 4.0), np.full(2, 9.0), 6) for _ in range(20_000)]
    assert np.mean(found) == pytest.approx(2 * p * (1 - p), abs=0.01)


def test_bootstrap_resamples_groups_and_repeats_with_its_seed() -> None:
    values = np.random.default_rng(1).normal(5, 1, 200)
    groups = np.repeat(np.arange(100), 2)
    first, second = (bootstrap(lambda i: float(values[i].mean()), groups, 500, 7) for _ in range(2))
    assert first == second
    assert first.low < values.mean() < first.high
    assert first.high - first.low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.3)
    assert bootstrap(lambda i: None, groups, 5, 0) is None


def test_one_question_or_a_figure_that_most_resamples_leave_undefined_has_no_interval() -> None:
    # answers to one question, drawn again and again, gave an interval of no width; so did the one resample of many that
    # was defined
    values = np.array([2.0, 5.0, 7.0])
    one = bootstrap(lambda i: float(values[i].mean()), np.zeros(3, int), 200, 0)
    assert one.value == pytest.approx(14 / 3) and np.isnan([one.low, one.high]).all()
    judge, human = np.array([3.0, 3.0, 3.0, 8.0]), np.array([3.0, 3.0, 3.0, 8.0])
    kappa = bootstrap(lambda i: quadratic_kappa(judge[i], human[i]), np.arange(4), 200, 0)  # (3/4)^4: all alike
    assert kappa.value == 1 and np.isnan([kappa.low, kappa.high]).all()
    shown = Agreement(4, 1, {"quadratic_kappa": kappa, "rank_correlation": None}).to_dict()
    assert shown["quadratic_kappa"] == {"value": 1.0, "low": None, "high": None} and shown["rank_correlation"] is None
    json.dumps(shown, allow_nan=False)


def test_intervals_of_few_answers_are_corrected_and_stay_within_what_a_figure_can_be() -> None:
    # of five answers, percentiles held the truth in 85 % of runs
    error = np.array([0.0, 0.5, 0.0, 3.0, 0.5])
    found = bootstrap(lambda i: float(error[i].mean()), np.arange(5), 4_000, 0, (0, 10))
    assert found.low == 0 and found.high - found.value >= 0.98 * 2.776 * error.std(ddof=1) / 5**0.5


def test_equal_answers_never_flip(tmp_path: Path) -> None:
    """They share their judge calls, so both sides score the same whatever the judge says, and the label is always 1."""
    records = Records(tmp_path / "toy", n=4)
    for row in records.responses:
        row |= {"response": "the same", "score": 5.0, "judge": f"{JUDGE_PREFIX}x"}
    records.responses[0]["response"] = "another text"
    problems: list = []
    import_source(open_records(records.write(), problems.append), tmp_path / "store", {}, problems)

    def outcomes() -> Iterator[Outcome]:
        for row in rows_of(tmp_path / "store", "toy", "responses"):
            key = {"query_id": row["query_id"], "model": row["model"], "judge": row["judge"]}
            yield row, [{**key, "repeat": str(i), "score": s, "verdict": ""} for i, s in enumerate((2.0, 8.0))]

    replace_outcomes(tmp_path / "store", "toy", outcomes(), dict)
    flips = audit_source(tmp_path / "store", "toy", pair=("tiny", "huge"), n_boot=10).flips
    own = flip_probability(np.array([2.0, 8.0]), np.array([2.0, 8.0]), 9)
    assert own > 0
    assert flips.queries == 4
    assert flips.all["9"] == pytest.approx(own / 4)  # of the one query with two texts


KNOWN = [(f"q/{i}", "m") for i in range(3)]
HEAD = "query_id,model,score"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f"{HEAD}\nq/0,m,5\n"),
        ("a.CSV", f"{HEAD}\r\nq/0,m,5\r\n"),
        ("a.csv", "query_id, model, score\nq/0, m, 5\n"),
        ("a.tsv", "query_id\tmodel\tscore\nq/0\tm\t5\n"),
        ("a.csv", f'comment,{HEAD}\n"one\u2028two\nthree\x85",q/0,m,5\n'),
        ("a.jsonl", '{"query_id": "q/0", "model": "m", "score": 5, "comment": "one\u2028two\x85"}\n'),
    ],
)
def test_files_of_human_scores_that_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8", newline="")
    assert read_human_scores(tmp_path / name, KNOWN) == [HumanScore("q/0", "m", 5.0, "")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEAD}\nq/0,m,5\n".replace(",", ";"), "it is separated by ';'"),
        (f"{HEAD},score\nq/0,m,5,9\n", "has column score twice"),
        (f"{HEAD}\nq/0,m,5,9\n", "has more cells than the header"),
        (f'{HEAD}\nq/0,m,"5\nq/1,m,5\n', "is no CSV"),
    ],
)
def test_files_of_human_scores_that_are_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError) as error:
        read_human_scores(tmp_path / "a.csv", KNOWN)
    (problem,) = error.value.problems
    assert says in str(problem)

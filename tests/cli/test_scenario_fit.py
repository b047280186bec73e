"""`scenario fit`: from ratings to scenarios, and a plain refusal where there is nothing to fit.

Guards against a scenario for people whom scores do not tell, names of cohorts that break the file, a file of somebody
else that is written over, and figures that depend on the order of cohorts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Records, call_cli

from rsd_bench.config import MAX_SCENARIOS, MIN_RATED_GROUPS, SCENARIOS, load_scenarios
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source

N = 200
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 queries in 100 groups, answered by two models with whole scores; not to be changed."""
    root = tmp_path_factory.mktemp("store")
    records, rng = Records(root / "toy", n=N), np.random.default_rng(0)
    for row in records.responses:
        row["score"] = float(rng.integers(0, 11))
    records.responses[0] |= {"score": None}
    problems: list = []
    import_source(open_records(records.write(), problems.append), root / "store", {}, problems)
    assert not problems
    return root / "store"


@pytest.fixture(scope="module")
def scores(store: Path) -> dict[tuple[str, str], float]:
    from rsd_bench.judge.fit_scenarios import scored_answers

    return dict(scored_answers(store, ["toy"]).scores)


def by_rule(scores: dict[tuple[str, str], float], satisfied: Callable[[float], bool], *who: str) -> Rows:
    return [(*answer, int(satisfied(score)), *who) for answer, score in scores.items()]


def at_random(scores: dict[tuple[str, str], float], *who: str) -> Rows:
    rng = np.random.default_rng(3)
    return [(*answer, int(rng.random() < 0.6), *who) for answer in scores]


def written(folder: Path, rows: Iterable[tuple[Any, ...]], *more: str) -> Path:
    lines = [("query_id", "model", "satisfied", *more), *rows]
    (folder / "ratings.csv").write_text("".join(",".join(map(str, line)) + "\n" for line in lines), "utf-8")
    return folder / "ratings.csv"


def fit(folder: Path, store: Path, *options: object) -> Any:
    out = folder / "scenarios.toml"
    return call_cli("scenario", "fit", folder / "ratings.csv", "--store", store, "--out", out, *options)


def fitted(folder: Path, store: Path, *options: object) -> dict[str, Any]:
    run = fit(folder, store, "--json", *options)
    assert run.returncode == 0, run.stderr
    return {cohort["name"]: cohort for cohort in json.loads(run.stdout)["cohorts"]}


def test_a_scenario_for_each_cohort_and_one_for_all(tmp_path: Path, store: Path, scores: dict) -> None:
    rows = by_rule(scores, lambda s: s >= 4, "ann", "Day shift") + by_rule(scores, lambda s: s >= 7, "bob", "night")
    written(tmp_path, [*rows, *at_random(scores, "cy", "lost"), ("toy/1", "tiny", 1, "dee", "")], "annotator", "cohort")
    found = fitted(tmp_path, store, "--like", "low_energy")
    assert list(found) == ["Day-shift", "night", "lost", "all"]
    assert {name: one["scenario"] and one["scenario"]["mes"] for name, one in found.items()} == {
        "Day-shift": 4,
        "night": 7,
        "lost": None,
        "all": found["all"]["fit"]["mes"]["value"],
    }
    day, lost = found["Day-shift"], found["lost"]
    assert day["fit"]["balanced_accuracy"] == 1 and day["auroc"]["value"] == 1
    assert (day["ratings"], day["answers"], day["groups"], day["annotators"]) == (399, 399, 100, 1)
    assert lost["fit"] is None and lost["auroc"]["low"] <= 0.5 and "do not tell who is satisfied" in lost["refused"]
    assert found["all"]["ratings"] == 3 * 399 + 1 and found["all"]["rated_by_several"] == 399
    assert found["all"]["agreement"]["value"] < 0.6
    scenarios = load_scenarios(tmp_path / "scenarios.toml")
    assert list(scenarios) == ["Day-shift", "night", "all"]
    like = SCENARIOS["low_energy"]
    assert {(s.alpha, s.beta, s.gamma) for s in scenarios.values()} == {(like.alpha, like.beta, like.gamma)}
    text = (tmp_path / "scenarios.toml").read_text()
    assert 'cohort "Day shift": n = 399 ratings of 399 answers' in text
    assert "no scenario: scores do not tell who is satisfied: AUROC 0." in text
    assert "95 % interval over 100 groups of queries), AUROC 1.00 to 1.00" in text


def test_people_see_the_same_and_are_warned(tmp_path: Path, store: Path, scores: dict) -> None:
    rows = by_rule(scores, lambda s: s >= 4, "day") + at_random(scores, "lost")
    written(tmp_path, rows, "cohort")
    run = fit(tmp_path, store)
    assert run.returncode == 0
    assert re.search(r"^day +399 +not named +\d+\.\d % +4\.0 \[4\.0, 4\.0\] +1\.000 +1\.000", run.stdout, re.M)
    (warning,) = run.stderr.splitlines()
    assert warning.startswith(f"warning: {tmp_path / 'ratings.csv'}: cohort 'lost': scores do not tell")
    first = (tmp_path / "scenarios.toml").read_bytes()
    assert fit(tmp_path, store).returncode == 0  # over its own file
    assert (tmp_path / "scenarios.toml").read_bytes() == first


def test_without_cohorts_there_is_one_scenario(tmp_path: Path, store: Path, scores: dict) -> None:
    written(tmp_path, by_rule(scores, lambda s: s >= 6))
    assert list(fitted(tmp_path, store)) == ["all"]
    written(tmp_path, by_rule(scores, lambda s: s >= 6, "clerks"), "cohort")
    assert list(fitted(tmp_path, store)) == ["clerks"]  # all ratings would be the same once more


def test_labels_that_change_are_counted(tmp_path: Path, store: Path, scores: dict) -> None:
    written(tmp_path, by_rule(scores, lambda s: s >= 6))
    alone = fitted(tmp_path, store)["all"]["changes"]
    assert [(change["small"], change["large"], change["n"]) for change in alone] == [
        ("huge", None, N),
        ("tiny", None, N - 1),
    ]
    tiny = np.array([score for (_, model), score in scores.items() if model == "tiny"])
    assert alone[1]["lower"] == pytest.approx((tiny == 5).mean())
    assert alone[1]["higher"] == pytest.approx((tiny == 6).mean())
    (pair,) = fitted(tmp_path, store, "--small", "TINY", "--large", "huge")["all"]["changes"]
    both = [(s, scores[query, "huge"]) for (query, model), s in scores.items() if model == "tiny"]
    assert (pair["small"], pair["large"], pair["n"]) == ("tiny", "huge", len(both))
    assert pair["lower"] == pytest.approx(np.mean([s == 5 and s < large for s, large in both]))
    assert pair["higher"] == pytest.approx(np.mean([s == 6 and s < large for s, large in both]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: [(*row[:2], 1) for row in rows], "100 groups of queries have a satisfied one and 0 an unsatis"),
        (lambda rows: [(*row[:2], 0) for row in rows], "0 groups of queries have a satisfied one and 100 an unsatis"),
        (lambda rows: [(*row[:2], 1 - row[2]) for row in rows], r"AUROC 0\.00 \[0\.00, 0\.00\] lies below 0\.5; is 1"),
        (lambda rows: rows[:12], "too few ratings: "),
    ],
)
def test_where_nothing_can_be_fitted_nothing_is_written(
    tmp_path: Path, store: Path, scores: dict, change: Callable[[Rows], Rows], says: str
) -> None:
    written(tmp_path, change(by_rule(scores, lambda s: s >= 6)))
    run = fit(tmp_path, store)
    assert run.returncode == 1 and run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'ratings.csv'}: all ratings: ") and re.search(says, line)
    as_json = fit(tmp_path, store, "--json")
    assert as_json.returncode == 1 and not json.loads(as_json.stdout)["ok"] and as_json.stderr == ""
    assert not (tmp_path / "scenarios.toml").exists()


def test_ten_groups_of_each_kind_are_the_fewest(tmp_path: Path, store: Path, scores: dict) -> None:
    rows = by_rule(scores, lambda s: s >= 6)
    group = {row[0]: int(row[0].split("/")[1]) // 2 for row in rows}
    yes = {group[row[0]]: row for row in rows if row[2]}
    no = {group[row[0]]: row for row in rows if not row[2]}
    for count, code in ((MIN_RATED_GROUPS, 0), (MIN_RATED_GROUPS - 1, 1)):
        written(tmp_path, [*no.values(), *list(yes.values())[:count]])
        assert fit(tmp_path, store).returncode == code


@pytest.mark.parametrize(
    ("cohorts", "names"),
    [
        (("all", "x"), ("cohort-all", "x")),
        (("constructor", "valueOf"), ("cohort-constructor", "cohort-valueOf")),
        (("Night shift", "night-shift"), (r"Night-shift-\w{8}", r"night-shift-\w{8}")),
        (("a b", "A_B"), (r"a-b-\w{8}", r"A_B-\w{8}")),
        (("\u591c\u73ed", "\u65e9\u73ed"), (r"cohort-\w{8}", r"cohort-\w{8}")),
        (("x" * 80, "x" * 81), (r"x{54}-\w{8}", r"x{54}-\w{8}")),
    ],
)
def test_whatever_cohorts_are_called_the_package_reads_the_file(
    tmp_path: Path, store: Path, scores: dict, cohorts: tuple[str, str], names: tuple[str, str]
) -> None:
    # `constructor` and `Night shift` beside `night-shift` were written, and refused when the file was read
    files = []
    for order in (cohorts, cohorts[::-1]):
        mes = {name: 5 + at for at, name in enumerate(cohorts)}
        rows = [row for name in order for row in by_rule(scores, lambda s, m=mes[name]: s >= m, name)]
        written(tmp_path, rows, "cohort")
        run = fit(tmp_path, store)
        assert run.returncode == 0, run.stderr
        assert all(f"is cohort {name!r}" in run.stdout for name in cohorts if name != "x")
        found = fitted(tmp_path, store)
        by_cohort = {one["cohort"]: one["name"] for one in found.values()}
        assert all(re.fullmatch(name, by_cohort[of]) for name, of in zip(names, cohorts, strict=True))
        files.append({name: s.figures for name, s in load_scenarios(tmp_path / "scenarios.toml").items()})
        assert set(files[-1]) == {*by_cohort.values()}
    assert files[0] == files[1]


def test_more_cohorts_than_a_file_holds_are_refused_by_file_and_column(
    tmp_path: Path, store: Path, scores: dict
) -> None:
    rows = by_rule(scores, lambda s: s >= 6)
    written(tmp_path, [(*row, f"c{i % MAX_SCENARIOS}") for i, row in enumerate(rows)], "cohort")
    run = fit(tmp_path, store)
    assert run.returncode == 1 and f"ratings.csv: column cohort: names {MAX_SCENARIOS} cohorts" in run.stderr


def test_hostile_names_of_cohorts_stay_names(tmp_path: Path, store: Path, scores: dict) -> None:
    names = ["__proto__", 'a"]\n[b', "v1.2", "x\u202ey # mes = 1"]
    lines = [
        {"query_id": q, "model": m, "satisfied": s >= 6, "cohort": c} for c in names for (q, m), s in scores.items()
    ]
    (tmp_path / "ratings.jsonl").write_text("\n".join(map(json.dumps, lines)))
    out = tmp_path / "scenarios.toml"
    run = call_cli("scenario", "fit", tmp_path / "ratings.jsonl", "--store", store, "--out", out)
    assert run.returncode == 0, run.stderr
    assert {name: s.mes for name, s in load_scenarios(out).items()} == dict.fromkeys(
        ("proto", "a-b", "v1.2", "xy-mes-1", "all"), 6
    )
    assert all(line.isprintable() for line in out.read_text("utf-8").splitlines())


def test_doubts_are_said(tmp_path: Path, scores: dict) -> None:
    records = Records(tmp_path / "toy", n=40)
    for i, row in enumerate(records.responses):
        row |= {"score": float(i % 2 * 10), "judge": f"judge {i % 4 // 2}"}
    problems: list = []
    import_source(open_records(records.write(), problems.append), tmp_path / "store", {}, problems)
    written(tmp_path, [(row["query_id"], row["model"], int(row["score"] > 5)) for row in records.responses])
    run = fit(tmp_path, tmp_path / "store")
    assert run.returncode == 0
    judges, gap = run.stderr.splitlines()
    assert "rests on scores of 2 judges: judge 0, judge 1" in judges
    assert "no rated answer scores between 0 and 10: every MES above 0 up to there fits alike" in gap
    assert load_scenarios(tmp_path / "scenarios.toml")["all"].mes == 5


def test_what_is_asked_for_wrongly(tmp_path: Path, store: Path, scores: dict) -> None:
    written(tmp_path, by_rule(scores, lambda s: s >= 6))
    for options in (
        ("--small", "tiny"),
        ("--scale", "1-5"),
        ("--satisfied-from", "4"),
        ("--scale", "x", "--satisfied-from", "4"),
        ("--like", "slow"),
    ):
        run = fit(tmp_path, store, *options)
        assert run.returncode == 2 and options[0] in run.stderr
    for options, says in {
        ("--small", "tiny", "--large", "vast"): "no model 'vast'",
        ("--scale", "1-5", "--satisfied-from", "4"): "has no column rating",
        ("--out", str(tmp_path)): "is a folder",
        ("--out", str(tmp_path / "ratings.csv")): "was not written by `scenario fit`",
    }.items():
        run = fit(tmp_path, store, *options)
        assert run.returncode == 1 and says in run.stderr and len(run.stderr.splitlines()) == 1
    assert "is not a store" in fit(tmp_path, tmp_path).stderr
    assert (tmp_path / "ratings.csv").read_text().startswith("query_id")

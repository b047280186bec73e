"""`router perturb` decides perturbed queries as the router would in service: other figures would say nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import call_cli
from toy_store import store  # noqa: F401 (fixture)

import rsd_bench as rsd
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.perturb import IMAGE_KINDS, QUESTION_KINDS
from rsd_bench.studies.perturb_subjects import subject_of
from rsd_bench.studies.perturbations import perturb_routers


def trained(name: str, toy_dataset: Path, store: Path, out: Path) -> Path:
    done = call_cli("router", "train", name, "--data", toy_dataset, "--features", store, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize(("name", "kinds"), [("ngram+statistics", ("typos", "noise", "rotation")), ("knn", ("noise",))])
def test_figures_are_those_of_routing_the_perturbed_queries(
    toy_dataset: Path, store: Path, tmp_path: Path, name: str, kinds: tuple[str, ...]
) -> None:
    folder = trained(name, toy_dataset, store, tmp_path / "r")
    benchmark = open_benchmark(toy_dataset)
    made = perturb_routers(benchmark, [subject_of(str(folder), benchmark, None)], kinds, 4, "a command")
    assert len(made.rows) == 3 * len(kinds) and "decides the test queries of in-domain" in made.notes[0]
    test = benchmark.part("in-domain", "test")
    rows = {row["query_id"]: row for row in read_table(toy_dataset, "pairs").to_pylist()}
    place = {query_id: at for at, query_id in enumerate(benchmark.queries["query_id"])}
    asked = [(row["image"]["bytes"], row["question"], place[row["query_id"]]) for row in map(rows.get, test.query_ids)]
    router, outcomes = rsd.load_router(folder), test.outcomes
    latency = {"small_latency": outcomes.small_latency, "large_latency": outcomes.large_latency}
    for kind in kinds:
        changed = [rsd.perturb(image, question, kind, 4, at) for image, question, at in asked]
        for scenario in rsd.SCENARIOS:
            before = router.route_many([image for image, _, _ in asked], [q for _, q, _ in asked], scenario=scenario)
            after = router.route_many(*map(list, zip(*changed, strict=True)), scenario=scenario)
            routes = [np.array([d.model == "edge" for d in of]) for of in (after, before)]
            scores = {"small": outcomes.small, "large": outcomes.large}
            expected = rsd.compare(*routes, **scores, **latency, scenario=scenario, groups=test.groups)
            (row,) = made.where(scenario=scenario, kind=kind)
            assert row["flipped %"] == pytest.approx(100 * (routes[0] != routes[1]).mean())
            found = [row[name] for name in ("RCS change", "low", "high")]
            assert found == pytest.approx(
                [100 * x for x in (expected.rcs.value, expected.low, expected.high)], abs=1e-9
            )
            skills = [
                rsd.lift([d.p_edge for d in of], **scores, mes=rsd.SCENARIOS[scenario].mes).skill
                for of in (after, before)
            ]
            assert row["skill change"] == pytest.approx(skills[0] - skills[1])
            assert row["flipped low"] <= row["flipped %"] <= row["flipped high"]
            assert row["skill low"] <= row["skill change"] <= row["skill high"]


def test_a_picture_turned_as_phones_do_flips_nothing(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    """A router that looks at pixels as they are stored would: here only the bytes of the file can move it."""
    folder = trained("image-logistic", toy_dataset, store, tmp_path / "r")
    benchmark = open_benchmark(toy_dataset)
    made = perturb_routers(benchmark, [subject_of(str(folder), benchmark, None)], ("rotation", "blur"), 3, "")
    assert {row["flipped %"] for row in made.where(kind="rotation")} == {0.0}
    assert all(row["skill change"] != 0 for row in made.where(kind="blur"))


def test_the_command_cross_validates_a_router_by_name(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    out = ("--data", toy_dataset, "--features", store, "--out", tmp_path / "results", "--json")
    done = call_cli("router", "perturb", "ngram-gain", "ngram-logistic", *out)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row[2] for row in told["rows"][:5]] == list(QUESTION_KINDS) and len(told["rows"]) == 2 * 3 * 5
    assert all("looks at no image" in note and "cross-validated" in note for note in told["notes"])
    for row in told["rows"]:
        least = min(other[6] for other in told["rows"] if other[:2] == row[:2])
        assert row[-1] != "worst" or row[6] == least < 0, "one that loses nothing is not the worst"
    worst = [tuple(row[:2]) for row in told["rows"] if row[-1] == "worst"]
    assert worst and len(worst) == len(set(worst))
    results = tmp_path / "results"
    assert json.loads((results / "perturb.json").read_text()) == told
    picture = (results / "perturb.svg").read_text()
    assert all(kind in picture for kind in QUESTION_KINDS) and "ngram-logistic, low_energy" in picture
    assert "## Perturbed queries" in (tmp_path / "results.md").read_text()


def test_it_refuses_in_one_line(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    data = ("--data", toy_dataset, "--features", store)
    blind = f"sees none of these perturbations -> give one of {', '.join(QUESTION_KINDS)}"
    for arguments, code, said in (
        (
            ("ngram-gain",),
            1,
            "is a lite edition, without questions and images -> build the full one: rsd-bench data build",
        ),
        (("ngram-gain", "--kind", next(iter(IMAGE_KINDS)), *data), 1, blind),
        (("domain-constant", *data), 1, "name a router that reads the query"),
        (("ngram-gain", "--kind", "smell", *data), 2, "'smell' is none of jpeg"),
        (("absent.py", *data), 1, "is no file"),
        ((tmp_path, *data), 1, "train it again"),
        (
            ("ngram-logistic", "ngram-logistic", *data),
            1,
            "are names of which two are the same -> name each router once",
        ),
    ):
        done = call_cli("router", "perturb", *arguments, "--out", tmp_path / "results")
        assert done.returncode == code and said in " ".join(done.stderr.split()), done.stderr
        assert not (tmp_path / "results").exists()

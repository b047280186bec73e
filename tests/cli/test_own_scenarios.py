"""A dataset with four scenarios and a latency profile of its own, from recipe to page, by commands alone.

Guards against scores that only the three shipped scenarios can have, and datasets that need a file of the machine that
they were built on: the profile was read from where the recipe had named it, whenever the dataset was used.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Records, call_cli

import rsd_bench as rsd
from rsd_bench.config import load_scenarios
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.manifest import read_manifest, to_bytes
from rsd_bench.evaluation.result import Result
from rsd_bench.hub.publication import Version, write_publication
from rsd_bench.schemas import validator

FOUR = ("triage", "second_opinion", "mes-6.5", "Offline")
SCENARIOS = """[triage]
mes = 4
alpha = 0.7
beta = 0.1
gamma = 0.2
[second_opinion]
mes = 9
alpha = 1.0
beta = 0
gamma = 0
["mes-6.5"]
mes = 6.5
alpha = 0.8
beta = 0.1
gamma = 0.1
[Offline]
mes = 5
alpha = 0.6
beta = 0.3
gamma = 0.1
"""
PROFILE = 'kind = "constant"\nprovenance = "clocked by nobody"\n[small]\nseconds = 1.5\n[large]\nseconds = 4.0\n'
RECIPE = """name = "ward-rsd"
pair = { small = "tiny", large = "huge" }
scenarios = "scenarios.toml"
latency_profile = "ward.toml"
"""


def ran(*command: object) -> str:
    run: subprocess.CompletedProcess[str] = call_cli(*command)
    assert run.returncode == 0, (command, run.stderr)
    return run.stdout


def refused(*command: object) -> str:
    run = call_cli(*command)
    assert run.returncode in (1, 2) and "Traceback" not in run.stderr
    return run.stderr


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built dataset; store, recipe and what the recipe names are gone."""
    root = tmp_path_factory.mktemp("ward")
    records = Records(root / "toy", n=240, models=("tiny", "huge", "other"))
    ran("data", "import", "records", records.write(), "--out", root / "made" / "store")
    for name, text in (("scenarios", SCENARIOS), ("ward", PROFILE), ("recipe", RECIPE)):
        (root / "made" / f"{name}.toml").write_text(text)
    ran("data", "build", root / "made" / "recipe.toml", "--store", root / "made" / "store", "--out", root / "ward")
    shutil.rmtree(root / "made")
    return root / "ward"


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, rsd.Scenario]:
    """What the dataset is to be scored on."""
    path = tmp_path_factory.mktemp("four") / "scenarios.toml"
    path.write_text(SCENARIOS)
    return load_scenarios(path)


@pytest.fixture(scope="module")
def submissions(ward: Path) -> Path:
    """Two submissions to it, by `submit new`; the first has a tau of its own for one scenario."""
    root, part = ward.parent / "submissions", open_benchmark(ward).part("in-domain", "test")
    for seed, slug in enumerate(("first", "second")):
        p = np.random.default_rng(seed).random(len(part))
        path = ward.parent / f"{slug}.csv"
        pd.DataFrame({"query_id": part.query_ids, "p_edge": p}).to_csv(path, index=False)
        tau = ("--tau", "Offline=0.25") if seed == 0 else ()
        said = ran("submit", "new", slug, "--from", path, "--data", ward, "--submissions", root, *tau)
        assert f"eval {root / slug} --data {ward}" in said
    return root


def test_the_dataset_says_what_it_is_scored_on(ward: Path) -> None:
    assert "ok" in ran("data", "check", ward)
    manifest = json.loads((ward / "manifest.json").read_text())
    assert tuple(manifest["scenarios"]) == FOUR
    assert manifest["scenarios"]["mes-6.5"] == {"mes": 6.5, "alpha": 0.8, "beta": 0.1, "gamma": 0.1}
    assert manifest["latency_profile"] == "ward" and manifest["own_profile"]["large"] == {"seconds": 4.0}
    assert str(ward.parent) not in (ward / "manifest.json").read_text()
    assert to_bytes(read_manifest(ward).to_dict()) == (ward / "manifest.json").read_bytes()
    tasks = yaml.safe_load((ward / "eval.yaml").read_text())["tasks"]
    assert [task["id"] for task in tasks] == ["rcs-triage", "rcs-second-opinion", "rcs-mes-6.5", "rcs-Offline"]
    card = (ward / "README.md").read_text()
    assert "| `mes-6.5` | 6.5 | 0.8 | 0.1 | 0.1 |" in card and "clocked by nobody" in card


def test_a_submission_names_tau_by_them(ward: Path, submissions: Path) -> None:
    meta = json.loads((submissions / "first" / "submission.json").read_text())
    assert meta["tau"] == {"Offline": 0.25, "mes-6.5": 0.5, "second_opinion": 0.5, "triage": 0.5}
    assert "ok" in ran("submit", "check", submissions / "first", "--data", ward)
    known = ", ".join(FOUR)
    again = ("submit", "new", "x", "--from", ward.parent / "first.csv", "--data", ward, "--submissions", submissions)
    assert known in " ".join(refused(*again, "--tau", "fast_response=0.5").replace("│", " ").split())
    path = shutil.copytree(submissions / "first", submissions.parent / "odd" / "first") / "submission.json"
    path.write_text(json.dumps(meta | {"tau": {"fast_response": 0.5}}))
    (line,) = refused("submit", "check", path.parent, "--data", ward).splitlines()
    assert line == f"error: {path}: tau: no scenario 'fast_response' -> use {known}"


def test_eval_and_compare_score_on_them(ward: Path, submissions: Path, four: Mapping[str, rsd.Scenario]) -> None:
    found = json.loads(ran("eval", submissions / "first", "--data", ward, "--n-boot", 50, "--json"))
    assert not list(validator("result").iter_errors(found))
    assert {score["scenario"] for score in found["scores"]} == set(FOUR) == set(found["scenarios"])
    assert Result.from_dict(found).to_dict() == found
    part = open_benchmark(ward).part("in-domain", "test")
    p = pd.read_csv(ward.parent / "first.csv")["p_edge"].to_numpy()
    for name, scenario in four.items():
        score = next(score for score in found["scores"] if score["scenario"] == name)
        route = p >= (0.25 if name == "Offline" else 0.5)
        latency = {"small_latency": 1.5, "large_latency": 4.0, "router_latency_s": 0.016}
        by_hand = rsd.score_routing(
            route, small=part.outcomes.small, large=part.outcomes.large, scenario=scenario, **latency
        )
        assert score["rcs"]["value"] == pytest.approx(by_hand.rcs, abs=1e-9)
    text = ran("eval", submissions / "first", "--data", ward, "--n-boot", 50)
    assert "mes-6.5: MES 6.5, alpha 0.8, beta 0.1, gamma 0.1" in text
    told = json.loads(ran("compare", *(submissions / s for s in ("first", "second")), "--data", ward, "--json"))
    assert tuple(told["scenarios"]) == FOUR


def test_board_and_page_show_them(ward: Path, submissions: Path, tmp_path: Path) -> None:
    command = ("board", "build", "--submissions", submissions, "--data", ward, "--n-boot", 50, "--no-cache", "--out")
    said = ran(*command, tmp_path / "board")
    board = json.loads((tmp_path / "board" / "leaderboard.json").read_text())
    assert tuple(board["scenarios"]) == tuple(table["scenario"] for table in board["tables"]) == FOUR
    assert "scenarios_given" not in board and not board["refused"]
    page = (tmp_path / "board" / "index.html").read_text("utf-8")
    data = json.loads(page.partition('<script id="data" type="application/json">')[2].partition("</script>")[0])
    assert [name for name, _ in data["scenarios"]] == [table["scenario"] for table in data["tables"]] == list(FOUR)
    assert data["scenarios"][2][1]["mes"] == 6.5 and data["option"] == " --data DATASET"
    markdown = (tmp_path / "board" / "leaderboard.md").read_text("utf-8")
    for text in (said, markdown):
        assert "test queries; MES 6.5, alpha 0.8, beta 0.1, gamma 0.1" in text
    assert "rcs-mes-6.5" in ran(
        *("board", "export-eval-results", "first", "--dataset", "org/ward", "--board", tmp_path / "board"),
        *("--out", tmp_path / "model"),
    )


def test_python_knows_them(ward: Path, submissions: Path) -> None:
    labelled = rsd.load(ward, scenario="mes-6.5", split="test")
    rows = labelled.select_columns(["small_score", "large_score", "label"]).to_pandas()
    assert (rows["label"] == rsd.label(rows["small_score"], rows["large_score"], 6.5)).all()
    with pytest.raises(
        ValueError, match=r"^scenario: no 'low_energy' here; choose triage, second_opinion, mes-6\.5, Off"
    ):
        rsd.load(ward, scenario="low_energy")
    other = rsd.load(ward, small="other", scenario="triage", split="test")  # modelled by the dataset's own profile
    assert set(other["small_latency_s"]) == {1.5} and set(other["latency_basis"]) == {"profile:ward"}
    assert {score.scenario for score in rsd.evaluate(submissions / "first", ward, n_boot=10).scores} == set(FOUR)


def test_a_given_file_goes_before_the_datasets_own(
    ward: Path, submissions: Path, four: Mapping[str, rsd.Scenario], tmp_path: Path
) -> None:
    two = {name: replace(four[name], mes=2.0) for name in FOUR[:2]}
    path = tmp_path / "two.toml"
    lines = {name: [f"{key} = {value}" for key, value in of.figures.items()] for name, of in two.items()}
    path.write_text("\n".join(line for name in two for line in (f"[{name}]", *lines[name])))
    named = refused("eval", submissions / "first", "--data", ward, "--scenarios", path)
    assert "tau: no scenario 'Offline' -> use triage, second_opinion" in named
    table = ward.parent / "first.csv"
    options = ("--data", ward, "--scenarios", path)
    said = ran("submit", "new", "first", "--from", table, "--submissions", tmp_path / "s", *options)
    assert f"--scenarios {path}" in said
    found = rsd.evaluate(tmp_path / "s" / "first", ward, scenarios=path, n_boot=10)
    assert found.scenarios == two == rsd.evaluate(tmp_path / "s" / "first", ward, scenarios=two, n_boot=10).scenarios
    assert {score.scenario for score in found.scores} == set(two)
    own = rsd.evaluate(submissions / "first", ward, n_boot=10)
    apsp = [next(s.apsp.value for s in of.scores if s.scenario == "triage") for of in (own, found)]
    assert apsp[0] < apsp[1], "MES 2 is easier to meet than MES 4"
    ran("board", "build", "--submissions", tmp_path / "s", "--out", tmp_path / "b", "--n-boot", 20, *options)
    board = json.loads((tmp_path / "b" / "leaderboard.json").read_text())
    assert board["scenarios_given"] is True and tuple(board["scenarios"]) == FOUR[:2]
    assert " --data DATASET --scenarios FILE" in (tmp_path / "b" / "index.html").read_text("utf-8")


def test_a_published_copy_is_whole(ward: Path, four: Mapping[str, rsd.Scenario], tmp_path: Path) -> None:
    """Its card names the profile, whose file is gone."""
    (tmp_path / "out").mkdir()
    write_publication(ward, tmp_path / "out", "org/ward", Version(1, 0, 0))
    copy = read_manifest(tmp_path / "out")
    assert copy.scenarios == read_manifest(ward).scenarios == four
    assert copy.profile.tiers == {"small": 1.5, "large": 4.0}
    assert (tmp_path / "out" / "eval.yaml").read_bytes() == (ward / "eval.yaml").read_bytes()

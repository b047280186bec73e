"""Guards against published numbers that cannot be made again (mteb#1314, #5228): the page is what its tables say, every
table names its command, and one table is run again."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, call_cli, run_cli

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.features.feature_table import read_features, read_spec
from rsd_bench.routers.registry import ROUTERS, router_entry
from rsd_bench.studies.board_studies import draw_thresholds, draw_tracks
from rsd_bench.studies.cascades import draw_cascade
from rsd_bench.studies.ceiling import draw_ceiling
from rsd_bench.studies.compare_baselines import draw_baselines, draw_gains
from rsd_bench.studies.cross_validation import every_query
from rsd_bench.studies.domains import draw_domains
from rsd_bench.studies.mes_sweep import draw_sweep
from rsd_bench.studies.new_models import draw_models
from rsd_bench.studies.pairs import draw_pairs
from rsd_bench.studies.perturbations import draw_perturbed
from rsd_bench.studies.study_table import ORDER, Table, page_of, read_table, render_page, write_table

RESULTS = ROOT / "docs" / "results"
#: Routers that `make results` has not cross-validated yet: 150 trainings of a Transformer.
WAITING = {"reference-any", "reference+ngrams"}


def test_page_is_what_the_tables_say() -> None:
    assert (ROOT / "docs" / "results.md").read_text("utf-8") == render_page(RESULTS)
    for name in ORDER:
        table = read_table(RESULTS / f"{name}.json")
        assert (RESULTS / f"{name}.svg").is_file()
        assert table.command.startswith(f"rsd-bench router {name}")
        assert all(len(row) == len(table.columns) == len(table.digits) for row in table.rows)


DRAWINGS = {
    "baselines": draw_baselines,
    "ablate": partial(draw_gains, label="features"),
    "sweep": draw_sweep,
    "thresholds": draw_thresholds,
    "tracks": draw_tracks,
    "domains": draw_domains,
    "models": draw_models,
    "cascade": draw_cascade,
    "pairs": draw_pairs,
    "ceiling": draw_ceiling,
    "perturb": draw_perturbed,
}


@pytest.mark.parametrize("name", ORDER)
def test_pictures_are_what_the_tables_say(tmp_path: Path, name: str) -> None:
    DRAWINGS[name](read_table(RESULTS / f"{name}.json"), tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (RESULTS / f"{name}.svg").read_bytes()


def test_one_table_is_made_again(tmp_path: Path) -> None:
    again = ("domain-constant", "statistics-logistic")
    options = [option for name in again for option in ("--router", name)]
    committed = read_table(RESULTS / "baselines.json")
    seeds = re.findall(r" --seeds \d+", committed.command)
    options += [word for text in seeds for word in text.split()]
    done = run_cli("router", "baselines", *options, "--out", tmp_path / "results", timeout=300)
    assert done.returncode == 0, done.stderr
    ours = read_table(tmp_path / "results" / "baselines.json")
    assert (ours.columns, ours.notes, ours.interval) == (committed.columns, committed.notes, committed.interval)
    for name in again:
        for mine, theirs in zip(ours.where(router=name), committed.where(router=name), strict=True):
            numbers = [key for key, value in mine.items() if isinstance(value, float)]
            np.testing.assert_allclose(
                [mine[k] for k in numbers], [theirs[k] for k in numbers], atol=0.02, err_msg=name
            )


def test_the_old_name_of_baselines_still_works_and_says_the_new_one(tmp_path: Path) -> None:
    options = ("--router", "domain-constant", "--seeds", 1, "--out", tmp_path / "results")
    done = call_cli("router", "rivals", *options)
    assert (done.returncode, done.stderr) == (0, "rivals: this command is now called `baselines`\n")
    assert read_table(tmp_path / "results" / "baselines.json").command.startswith("rsd-bench router baselines --router")


def test_routers_beat_the_best_fixed_policy() -> None:
    """A router of words does on average in every scenario, and in each one some router does for certain."""
    table = read_table(RESULTS / "baselines.json")
    words = table.where(router="ngram-gain")
    assert [row["scenario"] for row in words] == list(SCENARIOS) and all(row["gain"] > 0 for row in words)
    for scenario in SCENARIOS:
        assert any(row["low"] > 0 for row in table.where(scenario=scenario)), scenario


def test_every_router_is_in_the_table_and_those_on_the_board_too() -> None:
    spec = read_spec(dataset_folder())
    readable = {name for name, entry in ROUTERS.items() if entry.can_read(spec)}
    assert readable - WAITING <= set(read_table(RESULTS / "baselines.json").column("router")) <= readable
    submitted = {path.name for path in (ROOT / "submissions").iterdir() if not path.name.startswith("_")}
    assert submitted <= {name.replace("+", "-") for name in readable}  # "+" is no letter of a slug
    board = json.loads((ROOT / "leaderboard" / "leaderboard.json").read_text("utf-8"))
    assert {row["slug"] for table in board["tables"] for row in table["rows"]} == submitted
    for name in ("tracks", "thresholds"):
        assert set(read_table(RESULTS / f"{name}.json").column("router")) <= submitted


def test_experiments_resume_from_their_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rsd_bench.studies import compare_baselines
    from rsd_bench.studies.decision_cache import DecisionCache

    benchmark = open_benchmark(dataset_folder())
    features, entry = read_features(benchmark), ROUTERS["domain-constant"]
    arguments = (every_query(benchmark, features, SCENARIOS["high_quality"]), entry, 2)
    first = compare_baselines.run(*arguments, DecisionCache(tmp_path, benchmark, features))

    def never(*_: object) -> None:
        raise AssertionError("decided again")

    monkeypatch.setattr(compare_baselines, "decide_out_of_fold", never)
    assert compare_baselines.run(*arguments, DecisionCache(tmp_path, benchmark, features)) == first
    for kept in (tmp_path / ".cache").iterdir():
        kept.write_bytes(b"cut")
    with pytest.raises(AssertionError, match="decided again"):
        compare_baselines.run(*arguments, DecisionCache(tmp_path, benchmark, features))


def test_the_example_router_of_the_guide_runs(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "routers.md").read_text("utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", guide, re.S) if "make_router" in block)
    (tmp_path / "long_questions.py").write_text(code)
    router = router_entry(str(tmp_path / "long_questions.py")).make(0)
    features = read_features(open_benchmark(dataset_folder()))
    p = router.predict_p_edge(features)
    assert 0 < p.min() < 0.5 < p.max() < 1
    words = features.blocks["statistics"][:, features.spec.statistics.index("words")]
    assert p[np.argmax(words)] == p.min()


def test_the_page_stands_beside_its_folder_whatever_that_is_called(tmp_path: Path) -> None:
    # "." had no name, and v1.0 and v1.1 wrote one page
    (tmp_path / "v1.0").mkdir()
    assert page_of(tmp_path / "v1.0") == tmp_path / "v1.0.md"
    assert page_of(Path()) == Path.cwd().parent / f"{Path.cwd().name}.md"
    (tmp_path / "v1.0" / "latency.json").write_text('{"p50_ms": 1}')
    table = Table(
        "x", "X", "cmd", "", ("a",), (2,), ((float("nan"),),), (), {"name": "d", "version": "1", "manifest_sha256": "0"}
    )
    write_table(tmp_path / "v1.0", table, lambda _, path: path.write_text(""))
    assert json.loads((tmp_path / "v1.0" / "x.json").read_text())["rows"] == [[None]]
    assert "v1.0/x.svg" in (tmp_path / "v1.0.md").read_text()

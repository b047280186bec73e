"""USD saved: prices by the names of providers find the models of a dataset, and whoever scores may bring other prices.

Guards against a price that is shipped and never used: the price file said `gpt-4o-mini-2024-07-18`, the build had made
it `gpt-4o-mini`, and no score ever had USD. And against a board that kept the USD of other prices.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Records, call_cli
from sound_submissions import make

import rsd_bench as rsd
from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import load_aliases
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.endpoints.prices import load_prices
from rsd_bench.evaluation.costs import prices_of
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.types import InputError

SMALL, LARGE = "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"
RECIPE = f'name = "priced"\npair = {{ small = "{SMALL}", large = "{LARGE}" }}\n'
TOKENS = (1000, 100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`dataset`, and one submission to it in `submissions`."""
    root = tmp_path_factory.mktemp("priced")
    records = Records(root / "toy", n=200, models=(SMALL, LARGE))
    for row in records.responses:
        row["prompt_tokens"], row["completion_tokens"] = TOKENS
    problems: list = []
    import_source(open_records(records.write(), problems.append), root / "store", load_aliases(), problems)
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "dataset")
    make(root / "submissions" / "mine", open_benchmark(root / "dataset"))
    return root


def saved(folder: Path, small: float, large: float) -> float:
    benchmark = open_benchmark(folder / "dataset")
    (choice,) = open_submission(folder / "submissions" / "mine", benchmark).entries["in-domain", "low_energy"].choice
    return rsd.saved_usd(choice, costs=np.array([small, large]))


def price_file(path: Path, **models: tuple[float, float]) -> Path:
    tables = [f'[models."{name}"]\ninput = {i}\noutput = {o}\n' for name, (i, o) in models.items()]
    path.write_text("\n".join(['date = "2026-02-03"', *tables]))
    return path


def test_the_shipped_prices_find_the_models_that_a_build_renamed(folder: Path) -> None:
    benchmark = open_benchmark(folder / "dataset")
    assert benchmark.manifest.pair.small == "gpt-4o-mini", "the build named the model anew"
    shipped = load_prices().models
    assert prices_of(benchmark).models == {"gpt-4o-mini": shipped[SMALL], LARGE: shipped[LARGE]}
    result = rsd.evaluate(folder / "submissions" / "mine", folder / "dataset", n_boot=0)
    (score,) = (score for score in result.scores if score.scenario == "low_energy")
    want = saved(folder, shipped[SMALL].of(*TOKENS), shipped[LARGE].of(*TOKENS))
    assert score.saved_usd and score.saved_usd.value == pytest.approx(want, abs=1e-9) and want > 0
    assert result.prices_day == "2024-10-01"


def test_prices_of_ones_own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mine = price_file(tmp_path / "prices.toml", **{"GPT-4o-mini": (1.0, 2.0), LARGE: (3.0, 4.0)})
    shown = ("--data", folder / "dataset", "--n-boot", 20)
    run = call_cli("eval", folder / "submissions" / "mine", *shown, "--prices", mine)
    assert run.returncode == 0 and "USD at prices of 2026-02-03" in run.stdout
    out = tmp_path / "board"
    build = ("board", "build", "--submissions", folder / "submissions", "--out", out, *shown)
    for prices, day, costs in (
        ((), "2024-10-01", (0.00021, 0.0035)),
        (("--prices", mine), "2026-02-03", (0.0012, 0.0034)),
    ):  # the second time the score of the first is kept, under other prices
        assert call_cli(*build, *prices).returncode == 0
        board = json.loads((out / "leaderboard.json").read_text())
        (table,) = (table for table in board["tables"] if table["scenario"] == "low_energy")
        assert table["rows"][0]["saved_usd"]["value"] == pytest.approx(saved(folder, *costs), abs=1e-9)
        assert board["prices_day"] == day and f"USD at prices of {day}." in (out / "leaderboard.md").read_text()
        assert json.loads((out / "results" / "mine.json").read_text())["prices_day"] == day
        assert call_cli(*build, *prices, "--check").returncode == 0
    assert call_cli(*build, "--check").returncode == 1, "at other prices it is another board"


def test_a_faulty_price_file_is_refused_before_anything_is_scored(folder: Path, tmp_path: Path) -> None:
    twice = price_file(tmp_path / "twice.toml", **{SMALL: (1, 1), "GPT-4o-mini-2024-07-18": (2, 1)})
    none = tmp_path / "none.toml"
    for path, says in ((twice, "twice.toml: has 2 prices of 'gpt-4o-mini'"), (none, "none.toml")):
        for command in (
            ("eval", folder / "submissions" / "mine"),
            ("board", "build", "--submissions", folder / "submissions", "--out", tmp_path / "board"),
        ):
            run = call_cli(*command, "--data", folder / "dataset", "--prices", path)
            assert run.returncode == 1 and says in run.stderr and not (tmp_path / "board").exists()
    with pytest.raises(InputError, match="keep one of them"):
        rsd.evaluate(folder / "submissions" / "mine", folder / "dataset", n_boot=0, prices=twice)
    same = price_file(tmp_path / "same.toml", **{SMALL: (1, 1), "gpt-4o-mini": (2, 1)})
    assert prices_of(open_benchmark(folder / "dataset"), same).models["gpt-4o-mini"].input == 2, "its own name wins"

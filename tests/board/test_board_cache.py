"""Scores kept between builds change how long a board takes and nothing else.

Guards against cache keys that missed what a result depends on, and boards that differed with the order of a folder.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sound_submissions import make, probabilities

from rsd_bench.board import scored
from rsd_bench.board.build_board import build_board
from rsd_bench.board.sensitivity import MesRange, sensitivity, simplex
from rsd_bench.board.what_if import DomainFrame, domain_frames, levels_of, statistics_of, what_if
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.metrics.routing import routing_score
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.types import InputError, Scenario

BOOT = 60


@pytest.fixture
def folder(tmp_path: Path, toy_benchmark: Benchmark) -> Path:
    for seed in range(10):
        make(
            tmp_path / "s" / f"router-{seed}",
            toy_benchmark,
            probabilities(toy_benchmark, toy_benchmark.tracks, seed),
            name=f"Router {seed}",
        )
    return tmp_path / "s"


@pytest.fixture
def scorings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The folders that are scored; processes are left out, so that they are seen here."""
    seen: list[str] = []
    plain = scored._score

    def seeing(folder: Path, *rest: object) -> object:
        seen.append(folder.name)
        return plain(folder, *rest)

    monkeypatch.setattr(scored, "_score", seeing)
    monkeypatch.setattr(scored, "_WORTH_A_POOL", 1000)
    yield seen


def test_kept_scores_give_the_same_bytes_and_only_the_new_is_scored(
    tmp_path: Path, folder: Path, toy_benchmark: Benchmark, scorings: list[str]
) -> None:
    shutil.move(folder / "router-9", tmp_path / "later")
    build_board(folder, toy_benchmark, n_boot=BOOT, cached=tmp_path / "kept")
    assert len(scorings) == 9
    shutil.move(tmp_path / "later", folder / "router-9")
    scorings.clear()
    warm = build_board(folder, toy_benchmark, n_boot=BOOT, cached=tmp_path / "kept")
    assert scorings == ["router-9"]
    assert warm == build_board(folder, toy_benchmark, n_boot=BOOT)


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, folder: Path, toy_benchmark: Benchmark, scorings: list[str]
) -> None:
    # `board build --check` failed after all was scored, where the home folder was read only
    (tmp_path / "kept").write_text("no folder")
    assert build_board(folder, toy_benchmark, n_boot=BOOT, cached=tmp_path / "kept") == build_board(
        folder, toy_benchmark, n_boot=BOOT
    )
    assert len(scorings) == 20


@pytest.mark.parametrize("change", ["meta", "predictions", "n_boot", "seed", "extra", "code"])
def test_whatever_a_score_depends_on_is_in_its_key(
    tmp_path: Path,
    folder: Path,
    toy_benchmark: Benchmark,
    scorings: list[str],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    build_board(folder, toy_benchmark, n_boot=BOOT, cached=tmp_path / "kept")
    scorings.clear()
    options, own = {"n_boot": BOOT, "seed": 0}, folder / "router-3"
    if change == "meta":
        path = own / "submission.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"tau": dict.fromkeys(SCENARIOS, 0.1)}))
    elif change == "predictions":
        (own / "predictions.parquet").write_bytes((folder / "router-4" / "predictions.parquet").read_bytes())
    elif change == "extra":
        (own / "model.pkl").write_bytes(b"x")
    elif change == "code":
        monkeypatch.setattr(scored, "_code", lambda: "another")
    else:
        options[change] += 1
    files = build_board(folder, toy_benchmark, cached=tmp_path / "kept", **options)
    assert len(scorings) == (1 if change in ("meta", "predictions", "extra") else 10)
    assert files == build_board(folder, toy_benchmark, **options)
    if change == "extra":
        assert [r["slug"] for r in json.loads(files["leaderboard.json"])["refused"]] == ["router-3"]


def test_a_damaged_cache_is_scored_anew(
    tmp_path: Path, folder: Path, toy_benchmark: Benchmark, scorings: list[str]
) -> None:
    kept = tmp_path / "kept"
    whole = build_board(folder, toy_benchmark, n_boot=BOOT, cached=kept)
    for i, file in enumerate(sorted(kept.iterdir())):
        file.write_bytes([b"", b"{", file.read_bytes()[:-9]][i % 3])
    scorings.clear()
    assert build_board(folder, toy_benchmark, n_boot=BOOT, cached=kept) == whole
    assert len(scorings) == 10


@pytest.mark.parametrize("suffix", [".json", ".npy", ".orders.npy", ".result.json"])
@pytest.mark.parametrize("damage", [lambda old: b"", lambda old: b"{", lambda old: old[: len(old) // 2]])
def test_one_damaged_file_of_a_kept_score_is_enough(
    tmp_path: Path,
    folder: Path,
    toy_benchmark: Benchmark,
    scorings: list[str],
    suffix: str,
    damage: Callable[[bytes], bytes],
) -> None:
    # a result cut short by a full disk was published as it was, and the board of all broke until the cache was removed
    kept = tmp_path / "kept"
    for path in sorted(folder.iterdir())[1:]:
        shutil.rmtree(path)
    whole = build_board(folder, toy_benchmark, n_boot=BOOT, cached=kept)
    file = next(path for path in kept.iterdir() if path.name.partition(".")[2] == suffix[1:])
    file.write_bytes(damage(file.read_bytes()))
    scorings.clear()
    assert build_board(folder, toy_benchmark, n_boot=BOOT, cached=kept) == whole
    assert len(scorings) == 1


@pytest.mark.parametrize("table", ["pairs", "splits"])
def test_data_that_is_not_the_manifests_is_not_opened(tmp_path: Path, toy_dataset: Path, table: str) -> None:
    # scores kept under an unchanged manifest were ranked against references of replaced scores, with exit code 0
    copy = tmp_path / "copy"
    shutil.copytree(toy_dataset, copy)
    shard = next((copy / table).glob("test-*.parquet"))
    first, rows = shard.read_bytes(), pq.read_table(shard)
    pq.write_table(rows.take(np.arange(len(rows))[::-1]), shard)
    with pytest.raises(InputError, match=f"{table}/test.*is not the file that the manifest names.*data check"):
        open_benchmark(copy)
    shard.write_bytes(first)
    assert open_benchmark(copy).manifest_sha256 == open_benchmark(toy_dataset).manifest_sha256
    shutil.copy(shard, shard.with_name("test-00001-of-00002.parquet"))
    with pytest.raises(InputError, match="test-00001-of-00002"):
        open_benchmark(copy)
    shard.with_name("test-00001-of-00002.parquet").unlink()
    shard.unlink()
    with pytest.raises(InputError, match=f"{shard.name}: is missing"):
        open_benchmark(copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"files": None}))
    with pytest.raises(InputError, match="lists no files"):
        open_benchmark(copy)


def test_any_order_of_folders_and_any_number_of_processes_give_the_same_bytes(
    tmp_path: Path, folder: Path, toy_benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = build_board(folder, toy_benchmark, n_boot=BOOT)
    names = [path.name for path in folder.iterdir()]
    random.Random(1).shuffle(names)
    for name in names:
        shutil.copytree(folder / name, tmp_path / "turned" / name)
    plain = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(plain(self), reverse=True))
    monkeypatch.setattr(scored, "_WORTH_A_POOL", 1000)
    assert build_board(tmp_path / "turned", toy_benchmark, n_boot=BOOT) == alone


def test_sufficient_statistics_give_the_scores(folder: Path, toy_benchmark: Benchmark) -> None:
    submission = open_submission(folder / "router-2", toy_benchmark)
    for track in toy_benchmark.tracks:
        part = toy_benchmark.part(track, "test")
        frames = domain_frames(part)
        assert sum(f.n for f in frames) == len(part)
        for name, scenario in SCENARIOS.items():
            choice = submission.entries[track, name].choice
            route = choice[0] == 0
            rows = statistics_of(list(choice), part.tiers, part, submission.router_latency_s)
            expected = routing_score(route, part.outcomes, scenario, submission.router_latency_s)
            found = what_if(frames, rows, scenario)
            for metric in ("apsp", "ca", "ail", "rcs"):
                assert found[metric] == pytest.approx(getattr(expected, metric), abs=1e-9)
            for frame, row in zip(frames, rows, strict=True):
                inside = part.by_domain[frame.domain]
                own = routing_score(route[inside], part.outcomes.take(inside), scenario, submission.router_latency_s)
                assert what_if([frame], [row], scenario)["rcs"] == pytest.approx(own.rcs, abs=1e-9)


def test_sensitivity_finds_the_leader_at_the_scenario_itself(folder: Path, toy_benchmark: Benchmark) -> None:
    board = json.loads(build_board(folder, toy_benchmark, n_boot=BOOT)["leaderboard.json"])
    for table in board["tables"]:
        best = max(table["rows"], key=lambda row: row["rcs"]["value"])
        found = table["sensitivity"]
        assert found["mes"]["winner"] == best["slug"]
        low, mes = found["mes"]["low"], SCENARIOS[table["scenario"]].mes
        assert (low is None or low < mes) and mes <= found["mes"]["high"]
        assert sum(found["simplex"].values()) == pytest.approx(1)


def test_sensitivity_by_hand() -> None:
    # scores 0 or 10: `careful` solves 8 of 10 on the large model, `bold` 5 on the small one in a tenth of the time
    frames = [DomainFrame("d", 10, (0.0, 10.0), 10.0)]
    statistics = {"careful": [[0, 10.0, 10, 8]], "bold": [[10, 1.0, 10, 5]]}
    fixed = {"all-edge": [[10, 1.0, 10, 4]], "all-cloud": [[0, 10.0, 10, 7]]}
    hasty = Scenario(name="hasty", mes=6, alpha=0.6, beta=0.1, gamma=0.3)
    found = sensitivity(frames, statistics, fixed, hasty)
    # careful leads where 0.3 alpha > beta + 0.9 gamma; at alpha = 0 bold only ties with all-edge, which then leads
    share = sum(0.3 * a > b + 0.9 * c + 1e-9 for a, b, c in simplex()) / len(simplex())
    tied = sum(a == 0 for a, _, _ in simplex()) / len(simplex())
    assert found.simplex == pytest.approx({"(all-edge)": tied, "careful": share, "bold": 1 - share - tied})
    assert found.mes == MesRange("bold", None, 10.0)
    patient = replace(hasty, alpha=0.9, beta=0.05, gamma=0.05)  # at MES 0 whatever answers solves all
    assert sensitivity(frames, statistics, fixed, patient).mes == MesRange("careful", 0.0, 10.0)


def test_levels_of_many_scores_are_a_grid(toy_benchmark: Benchmark) -> None:
    assert len(levels_of(toy_benchmark.part("in-domain", "test").tiers.scores)) <= 101


def test_noise_ceiling_is_read_from_the_audit_and_shown(folder: Path, toy_benchmark: Benchmark) -> None:
    flips = {str(mes): mes / 100 for mes in range(1, 11)}
    audited = replace(toy_benchmark, manifest=replace(toy_benchmark.manifest, flip_prob={"all": flips}))
    files = build_board(folder, audited, n_boot=BOOT)
    board = json.loads(files["leaderboard.json"])
    for name, scenario in SCENARIOS.items():
        assert board["noise"][name] == {
            "flip_prob": pytest.approx(scenario.mes / 100),
            "agreement_ceiling": pytest.approx(1 - scenario.mes / 100),
        }
    assert b'"noise":[["fast_response"' in files["index.html"]
    assert json.loads(build_board(folder, toy_benchmark, n_boot=BOOT)["leaderboard.json"])["noise"] is None

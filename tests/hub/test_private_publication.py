"""Nothing in a public repository is a function of private outcomes.

The public manifest held an unsalted SHA-256 of the private shards: who knew all scores but one tried eleven and had it.
Audit counts over all splits, less those of the public ones, gave exact test counts at ten MES, and `pairs` kept the
clocked latencies of test rows. So two datasets that differ in private outcomes alone must look the same to everybody.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from private_builds import JUDGE, Row, build_live, ids_in_test, unchanged
from sound_submissions import make, probabilities
from toy_builds import list_files_again

from rsd_bench.build.build_dataset import write_lite
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import manifest_sha256, read_manifest
from rsd_bench.dataset.private_outcomes import NOISE_KEY, open_private_benchmark
from rsd_bench.evaluation.private_scoring import score_private
from rsd_bench.hub.publication import Version, write_publication
from rsd_bench.submission.check_submission import open_submission


def other_scores(row: Row) -> bool:
    """Scores, judge calls and texts."""
    row["score"] = round(10 - row["score"], 1)
    row["response"] += " and a good many more words than before" * 9
    row["calls"] = [10 - score for score in row["calls"]] if row["calls"] else None
    return True


def other_latencies(row: Row) -> bool:
    row |= {"latency_s": row["latency_s"] * 3 + 1, "completion_tokens": 77}
    return True


def one_latency_missing(row: Row) -> bool:
    """A source is clocked where all of it is, so that public rows said whether a private one was."""
    if row["model"] == "tiny":
        row["latency_s"] = None
    return True


def third_model_missing(row: Row) -> bool:
    """Without an outcome on some test queries, without a score on the others."""
    if row["model"] != "third":
        return True
    row |= {"score": None, "status": "error", "judge": None}
    return int(row["query_id"].split("/")[1]) % 4 > 1


def other_repeats(row: Row) -> bool:
    """Some answers judged once, some five times."""
    if row["calls"]:
        row["calls"] = row["calls"][:1] if len(row["response"]) % 2 else row["calls"] * 2 + [5.0]
    return True


def not_judged_live(row: Row) -> bool:
    """Published scores where a judge of ours gave them."""
    row["calls"] = None
    return True


CHANGES = (other_scores, other_latencies, one_latency_missing, third_model_missing, other_repeats, not_judged_live)
SERVED = {"live": {m: {"served_models": [f"{m}-1", f"{m}-2"], "prompt": "p"} for m in ("tiny", "huge", "third")}}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_live(tmp_path_factory.mktemp("built"))


def published(folder: Path, root: Path) -> tuple[Path, Path]:
    """(public, private) folders of a dataset."""
    public, private = root / "public", root / "private"
    public.mkdir(parents=True)
    private.mkdir()
    write_publication(folder, public, "org/toy", Version(1, 0, 0), ("org/toy-test", private))
    return public, private


@pytest.fixture(scope="module")
def sides(built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return published(built, tmp_path_factory.mktemp("sides"))


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def differing(one: Path, other: Path) -> list[str]:
    a, b = content(one), content(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_other_private_outcomes_give_the_same_public_folder(
    change: Any, built: Path, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    other = build_live(tmp_path / "other", change, ids_in_test(built))
    assert differing(built, other), "the change changes the dataset"
    public, private = published(other, tmp_path / "sides")
    assert differing(sides[0], public) == []
    assert differing(sides[1], private) != []
    assert check_dataset(public) == []


def test_what_answers_say_of_themselves_is_private(built: Path, sides: tuple[Path, Path], tmp_path: Path) -> None:
    """`served_models` is read from all answers, those of the test split with them."""
    other = build_live(tmp_path / "other", **SERVED)
    public, private = published(other, tmp_path / "sides")
    assert differing(sides[0], public) == []
    told = json.loads((private / "manifest.json").read_text())["sources"]["live"]
    assert told["live"] == SERVED["live"]


def test_public_figures_are_those_of_the_public_splits(built: Path, sides: tuple[Path, Path]) -> None:
    """They are still there: only the test split is left out of them."""
    before, after = read_manifest(built), read_manifest(sides[0])
    shown = before.splits["train"] + before.splits["validation"]
    assert before.latency_basis == {"measured": before.queries}
    assert after.latency_basis == {"measured": shown}
    assert before.flip_prob and after.flip_prob
    live = {i for i in ids_in_test(built) if i.startswith("live/")}
    assert after.flip_prob["queries"] == before.flip_prob["queries"] - len(live)
    assert max(after.flip_prob["all"].values()) > 0
    assert (after.flip_prob["judges"], after.flip_prob["sources"]) == ([JUDGE], ["live"])
    assert list(after.sources["live"].judging or {}) == [JUDGE]
    assert after.sources["live"].score_rule == f"scored live by {JUDGE}"
    card = (sides[0] / "README.md").read_text("utf-8")
    assert f"- `measured`: {shown} queries of the training and validation splits" in card
    for split in ("train", "validation"):
        name = f"pairs/{split}-00000-of-00001.parquet"
        assert (
            pd.read_parquet(sides[0] / name)
            .drop(columns="image")
            .equals(
                pd.read_parquet(built / name)
                .drop(columns="image")
                .assign(**{c: pd.read_parquet(sides[0] / name)[c] for c in ("question", "reference_answer")})
            )
        )


def test_test_rows_hold_nothing_and_digests_are_gone(built: Path, sides: tuple[Path, Path]) -> None:
    public, private = sides
    pairs = pd.read_parquet(public / "pairs" / "test-00000-of-00001.parquet")
    hidden = ["small_score", "large_score", "small_latency_s", "large_latency_s", "latency_basis"]
    assert pairs[hidden].isna().all(axis=None)
    outcomes = pd.read_parquet(public / "outcomes" / "test-00000-of-00001.parquet")
    assert outcomes.groupby("query_id")["model"].agg(set).map(sorted).tolist() == [["huge", "third", "tiny"]] * len(
        pairs
    )
    assert outcomes.drop(columns=["query_id", "model", "status"]).isna().all(axis=None)
    manifest = (public / "manifest.json").read_text()
    assert json.loads(manifest)["private_outcomes"] == {"repository": "org/toy-test"}
    everything = b"".join(content(public).values())
    assert manifest_sha256(built).encode() not in everything
    for entry in json.loads((private / "manifest.json").read_text())["files"].values():
        assert entry["sha256"].encode() not in everything


def test_the_private_side_names_the_public_one(sides: tuple[Path, Path]) -> None:
    public, private = sides
    told = json.loads((private / "manifest.json").read_text())
    assert told["of_manifest"] == manifest_sha256(public)


def test_a_lite_edition_tells_no_more(built: Path, tmp_path: Path) -> None:
    """It names the full edition by a digest, too, and carries label noise without the judge calls behind it."""
    publics = []
    for name, full in (("a", built), ("b", build_live(tmp_path / "other", other_scores, ids_in_test(built)))):
        (tmp_path / name).mkdir()
        write_lite(full, tmp_path / name)
        publics.append(published(tmp_path / name, tmp_path / f"{name}-sides")[0])
    assert differing(*publics) == []
    assert check_dataset(publics[0]) == []
    assert read_manifest(publics[0]).flip_prob is None


def test_a_public_folder_that_tells_is_no_sound_one(built: Path, sides: tuple[Path, Path], tmp_path: Path) -> None:
    """`data check` let the latencies of test rows and both digests pass."""
    folder = Path(shutil.copytree(sides[0], tmp_path / "telling"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"derived_from": "0" * 64, "private_outcomes": {"repository": "org/x", "sha256": "0" * 64}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for table in ("pairs", "outcomes", "judgments"):
        name = f"{table}/test-00000-of-00001.parquet"
        shutil.copyfile(built / name, folder / name)
    list_files_again(folder)
    said = {problem.what for problem in check_dataset(folder)}
    for name in ("small_score", "large_latency_s", "latency_basis", "label_mes_6"):
        assert f"{name} is private but stands here" in said
    assert {"is private but stands here", "a judge call is private but stands here"} <= said
    assert sum("is a digest of private outcomes" in what for what in said) == 2


@pytest.mark.parametrize("change", [unchanged, one_latency_missing], ids=lambda change: change.__name__)
def test_private_scoring_sees_the_outcomes_that_were_built(change: Any, built: Path, tmp_path: Path) -> None:
    """Test latencies were taken as clocked on their own, where the source as a whole is modelled."""
    folder = build_live(tmp_path / "other", change, ids_in_test(built))
    hidden, plain = opened(folder, tmp_path), open_benchmark(folder)
    ours, theirs = (benchmark.part("in-domain", "test").outcomes for benchmark in (hidden, plain))
    for name in ("small", "large", "small_latency", "large_latency"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


def test_intervals_do_not_look_at_private_latencies(built: Path, tmp_path: Path) -> None:
    """Their width was the exact spread of the test latencies, without noise."""
    widths = []
    for name, change in (("a", unchanged), ("b", other_latencies)):
        hidden = opened(build_live(tmp_path / name, change, ids_in_test(built)), tmp_path / name)
        frame = probabilities(hidden).assign(p_edge=0.0)
        submission = open_submission(make(tmp_path / name / "cloud", hidden, frame), hidden)
        ledger = tmp_path / name / "ledger.jsonl"
        scores = score_private(submission, hidden, ledger, author="ada", new_ledger=True).scores
        widths.append([score.ail.high - score.ail.low for score in scores])
    assert widths[0] == pytest.approx(widths[1], abs=2.1e-3)  # three decimals on either side
    assert min(widths[0]) > 0.1


def opened(folder: Path, root: Path) -> Benchmark:
    """The private benchmark of a built folder."""
    public, private = published(folder, root / "opened")
    (private / NOISE_KEY).write_text("ab" * 32)
    return open_private_benchmark(public, private)

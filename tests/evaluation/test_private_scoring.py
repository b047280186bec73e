"""Private outcomes: figures for everybody, answers for nobody.

Guards against copies of the truth that passed automatic checks: an author who may score without end, and subtract one
result from another, reads the answers off the board one query at a time; so does one who scores the same decisions
with other resampling seeds, or combines results whose decisions lie far apart.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import run_cli
from sound_submissions import make, probabilities
from toy_builds import list_files_again

from rsd_bench.config import MIN_CELL, NOISE_QUERIES, SCORING_BUDGET
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.private_outcomes import NOISE_KEY, open_private_benchmark
from rsd_bench.evaluation.evaluate import evaluate
from rsd_bench.evaluation.private_result import PrivateResult
from rsd_bench.evaluation.private_scoring import score_private
from rsd_bench.hub.publication import Version, write_publication
from rsd_bench.submission.check_submission import open_submission
from rsd_bench.types import InputError


@pytest.fixture(scope="module")
def split(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(public dataset without test scores, folder of private test outcomes)."""
    root = tmp_path_factory.mktemp("private")
    public, private = root / "public", root / "hidden"
    public.mkdir()
    private.mkdir()
    write_publication(toy_dataset, public, "org/toy", Version(1, 0, 0), ("org/toy-test", private))
    (private / NOISE_KEY).write_text("ab" * 32 + "\n")
    return public, private


@pytest.fixture(scope="module")
def hidden(split: tuple[Path, Path]) -> Benchmark:
    return open_private_benchmark(*split)


def routed(benchmark: Benchmark, flips: int = 0, seed: int = 0) -> pd.DataFrame:
    """Probabilities of 0 and 1, half each, the first `flips` of them turned."""
    frame = probabilities(benchmark)
    p = (np.random.default_rng(seed).permutation(len(frame)) < len(frame) / 2).astype(float)
    p[:flips] = 1 - p[:flips]
    return frame.assign(p_edge=p)


def ask(
    root: Path, name: str, benchmark: Benchmark, frame: pd.DataFrame, author: str = "ada", **more: int
) -> PrivateResult:
    folder, ledger = make(root / name, benchmark, frame, authors=["Somebody Else"]), root / "ledger.jsonl"
    more.setdefault("new_ledger", not ledger.exists())
    return score_private(open_submission(folder, benchmark), benchmark, ledger, author=author, **more)


def solved(result: PrivateResult, scenario: str = "fast_response") -> float:
    """Published count of solved queries."""
    score = next(score for score in result.scores if score.scenario == scenario)
    return score.apsp.value * score.n


def test_figures_are_those_of_open_scoring_within_the_noise(
    tmp_path: Path, toy_dataset: Path, split: tuple, hidden: Benchmark
) -> None:
    with pytest.raises(InputError, match="--private-outcomes"):
        open_benchmark(split[0])
    plain, inside, errors = open_benchmark(toy_dataset), [], []
    for seed in range(10):
        found = ask(tmp_path, f"mine-{seed}", hidden, routed(hidden, seed=seed))
        again = evaluate(
            make(tmp_path / "open" / f"mine-{seed}", plain, routed(plain, seed=seed)), toy_dataset, n_boot=9
        )
        for ours, theirs in zip(found.scores, again.scores, strict=True):
            assert ours.ca.value == pytest.approx(theirs.ca.value, abs=5.1e-4)
            assert ours.ail.value == pytest.approx(theirs.ail.value, abs=5.1e-4)  # a profile: no secret
            errors.append((ours.apsp.value - theirs.apsp.value) * ours.n)
            for told, exact in ((ours.apsp, theirs.apsp), (ours.rcs, theirs.rcs), (ours.gain, theirs.gain)):
                inside.append(told.low <= exact.value <= told.high)
                assert told.value == round(told.value, 3)
    assert 0.6 * NOISE_QUERIES < np.std(errors) < 1.5 * NOISE_QUERIES
    assert np.mean(inside) > 0.9  # an interval is of the population, and wider than noise alone


def test_nothing_that_depends_on_one_query_is_given(tmp_path: Path, hidden: Benchmark) -> None:
    result = ask(tmp_path, "mine", hidden, routed(hidden))
    found = result.to_dict()
    assert set(found["scores"][0]) == {"scenario", "n", "tau", "apsp", "ca", "ail", "rcs", "best_fixed", "gain"}
    text = json.dumps(found) + (tmp_path / "ledger.jsonl").read_text()
    ids = hidden.part("in-domain", "test").query_ids
    assert not any(str(i) in text for i in ids)
    assert "ab" * 32 not in text + repr(hidden)
    # probabilities that encode the labels in their digits change nothing as long as the decisions stay
    coded = routed(hidden)
    coded["p_edge"] = np.where(
        coded["p_edge"] > 0.5, 0.5 + 0.4 * np.random.default_rng(1).random(len(coded)), coded["p_edge"]
    )
    assert ask(tmp_path, "coded", hidden, coded).scores == result.scores


def test_the_same_question_gets_the_same_answer_and_another_key_another(tmp_path: Path, hidden: Benchmark) -> None:
    first = [ask(tmp_path, f"a-{k}", hidden, routed(hidden), author).scores for k, author in enumerate("xyz")]
    assert first[0] == first[1] == first[2]
    card_edited = replace(hidden, manifest_sha256="0" * 64)
    folder = make(tmp_path / "later" / "mine", card_edited, routed(hidden))
    submission = open_submission(folder, card_edited)
    asked = score_private(submission, card_edited, tmp_path / "ledger.jsonl", author="x")
    assert (asked.scores, asked.private.used) == (first[0], 1)
    other = replace(hidden, noise_key=b"x" * 32)
    assert ask(tmp_path / "other", "mine", other, routed(hidden)).scores != first[0]


def test_combined_results_tell_no_outcome(tmp_path: Path, hidden: Benchmark) -> None:
    """(b - a) of one pair of decisions minus (b - a) of another is one query's outcome where counts are exact."""
    part = hidden.part("in-domain", "test")
    differences = (part.outcomes.small >= 6).astype(int) - (part.outcomes.large >= 6)
    n, told = len(part), []
    base, rng = np.arange(n) % 2 == 0, np.random.default_rng(0)
    for k in range(40):
        query, *others = rng.permutation(n)[: MIN_CELL + 1]
        near = base.copy()
        near[others] = ~near[others]
        turned = near.copy()
        turned[query] = ~turned[query]
        counts = []
        for i, route in enumerate((near, turned)):
            frame = probabilities(hidden).assign(p_edge=route.astype(float))
            counts.append(solved(ask(tmp_path, f"q-{k}-{i}", hidden, frame, f"account-{k}")))
        sign = 1 if turned[query] else -1
        told.append(sign * (counts[1] - counts[0]) - differences[query])
    assert np.std(told) > NOISE_QUERIES  # the sum of two noises; 0 where counts are exact


def test_the_ledger_counts_and_refuses(tmp_path: Path, hidden: Benchmark) -> None:
    for k in range(3):
        assert ask(tmp_path, f"try-{k}", hidden, routed(hidden, seed=k), budget=3).private.used == k + 1
    again = ask(tmp_path, "try-0b", hidden, routed(hidden, seed=0), budget=3)
    assert again.private.used == 3  # the same again is free
    for name in ("ada", "ADA", "Ada"):
        with pytest.raises(InputError, match="has used 3 of 3 scorings"):
            ask(tmp_path, "try-4", hidden, routed(hidden, seed=4), name, budget=3)
    assert ask(tmp_path, "try-5", hidden, routed(hidden, seed=5), "grace", budget=3).private.used == 1


@pytest.mark.parametrize("name", ["", "Ada Lovelace", "Ada\u200b", "\u0410da", "a--b", "-a", "a" * 40, '"ada"'])
def test_an_account_is_no_spelling(tmp_path: Path, hidden: Benchmark, name: str) -> None:
    with pytest.raises(InputError, match="is no account name"):
        ask(tmp_path, "mine", hidden, routed(hidden), name)


@pytest.mark.parametrize(
    "text", ["{", "{}", "[]", "null", '{"key": "00"}', "{HEAD}\n{}", "{HEAD}\nnull", "{HEAD}\n[1]", '{"ledger": 2}']
)
def test_a_damaged_ledger_scores_nothing(tmp_path: Path, hidden: Benchmark, text: str) -> None:
    (tmp_path / "ledger.jsonl").write_text(text.replace("{HEAD}", '{"ledger": 1}') + "\n")
    with pytest.raises(InputError, match="is damaged"):
        ask(tmp_path, "mine", hidden, routed(hidden))


def test_400_deleted_ledgers_tell_no_more_than_one(tmp_path: Path, hidden: Benchmark) -> None:
    """A deleted ledger got a new key in silence, and the mean over 400 deletions was a count without noise."""
    part, ledger, errors = hidden.part("in-domain", "test"), tmp_path / "ledger.jsonl", []
    for seed in range(10):
        submission = open_submission(make(tmp_path / f"mine-{seed}", hidden, routed(hidden, seed=seed)), hidden)
        told = []
        for _ in range(40):
            told.append(solved(score_private(submission, hidden, ledger, author="ada", new_ledger=True)))
            ledger.unlink()
        assert set(told) == {told[0]}
        edge = routed(hidden, seed=seed)["p_edge"].to_numpy() > 0.5
        errors.append(np.mean(told) - (np.where(edge, part.outcomes.small, part.outcomes.large) >= 6).sum())
    assert np.std(errors) > 0.6 * NOISE_QUERIES  # a tenth of it where each deletion draws anew


@pytest.mark.parametrize("content", [None, b""])
def test_a_missing_ledger_is_begun_only_where_that_is_said(
    tmp_path: Path, hidden: Benchmark, content: bytes | None
) -> None:
    """With the ledger went the account of who was scored how often: everybody had ten scorings again."""
    if content is not None:
        (tmp_path / "ledger.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"who was scored how often with it -> restore it; .*--new-ledger"):
        ask(tmp_path, "mine", hidden, routed(hidden), new_ledger=False)
    assert ask(tmp_path, "mine", hidden, routed(hidden), new_ledger=True).private.used == 1
    with pytest.raises(InputError, match="is a ledger already -> leave out --new-ledger"):
        ask(tmp_path, "mine", hidden, routed(hidden, seed=1), new_ledger=True)


def test_a_ledger_with_a_key_of_its_own(tmp_path: Path, hidden: Benchmark) -> None:
    """Ledgers held the key: with another one beside the outcomes, figures that were told would be told anew."""
    entry = {"author": "ada", "slug": "earlier", "asked": "0"}
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(json.dumps({"key": "cd" * 32}) + "\n" + json.dumps(entry) + "\n")
    with pytest.raises(
        InputError, match=r"another noise key than noise\.key -> write the ledger's key into noise\.key"
    ):
        ask(tmp_path, "mine", hidden, routed(hidden))
    ledger.write_text(json.dumps({"key": "ab" * 32}) + "\n" + json.dumps(entry) + "\n")
    assert ask(tmp_path, "mine", hidden, routed(hidden)).private.used == 2


def test_command(tmp_path: Path, split: tuple[Path, Path], hidden: Benchmark) -> None:
    make(tmp_path / "mine", hidden, routed(hidden))
    common = ("eval", tmp_path / "mine", "--data", split[0], "--private-outcomes", split[1])
    refused = run_cli(*common, "--author", "octocat", cwd=tmp_path)
    assert refused.returncode == 1 and "--new-ledger" in refused.stderr and not (tmp_path / "ledger.jsonl").exists()
    run = run_cli(*common, "--author", "octocat", "--new-ledger", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f"1 of {SCORING_BUDGET} scorings used" in run.stdout
    _, entry = map(json.loads, (tmp_path / "ledger.jsonl").read_text().splitlines())
    assert entry["author"] == "octocat"
    for wrong in ((), ("--author", "octocat", "--n-boot", 1), ("--author", "octocat", "--seed", 2)):
        assert run_cli(*common, *wrong, cwd=tmp_path).returncode == 2
    open_run = run_cli("eval", tmp_path / "mine", "--data", split[0])
    assert open_run.returncode == 1 and "--private-outcomes" in open_run.stderr
    none = run_cli("eval", tmp_path / "mine", "--data", split[0], "--private-outcomes", tmp_path, "--author", "octocat")
    assert none.returncode == 1 and "has no outcomes/test" in none.stderr


def changed(private: Path, root: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """A copy of the private folder with other outcomes, which its manifest names."""
    folder = Path(shutil.copytree(private, root / "changed"))
    file = next((folder / "outcomes").glob("*.parquet"))
    pq.write_table(change(pq.read_table(file)), file)
    list_files_again(folder)
    return folder


@pytest.mark.parametrize(
    ("told", "change"),
    [
        ("lacks a score", lambda table: table.slice(2)),
        ("two outcomes", lambda table: pa.concat_tables([table, table.slice(0, 1)])),
    ],
)
def test_missing_and_doubled_outcomes_are_refused_without_naming_them(
    tmp_path: Path, split: tuple[Path, Path], told: str, change: Any
) -> None:
    with pytest.raises(InputError, match=told) as caught:
        open_private_benchmark(split[0], changed(split[1], tmp_path, change))
    assert "toy/" not in str(caught.value)


def test_the_outcomes_of_another_version_score_nothing(tmp_path: Path, split: tuple[Path, Path]) -> None:
    """Nothing held the private folder against the public one: another version's outcomes gave wrong figures."""

    def broken(what: str, change: Callable[[Path], object]) -> None:
        folder = Path(shutil.copytree(split[1], tmp_path / what.replace(" ", "-")))
        change(folder)
        with pytest.raises(InputError, match=what):
            open_private_benchmark(split[0], folder)

    def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
        def write(folder: Path) -> None:
            document = json.loads((folder / "manifest.json").read_text())
            change(document)
            (folder / "manifest.json").write_text(json.dumps(document))

        return write

    shard = "outcomes/test-00000-of-00001.parquet"
    broken("of another dataset or version", manifest(lambda m: m.update(of_manifest="0" * 64)))
    broken("of another dataset", manifest(lambda m: m.pop("of_manifest")))
    broken("has no manifest.json", lambda folder: (folder / "manifest.json").unlink())
    broken("is no manifest of private", lambda folder: (folder / "manifest.json").write_text("[]"))
    broken("not the file that the manifest names", lambda folder: (folder / shard).write_bytes(b"0"))
    broken("has no noise.key", lambda folder: (folder / NOISE_KEY).unlink())
    broken("is no key", lambda folder: (folder / NOISE_KEY).write_text("ab" * 31))


def test_a_publication_of_before_is_still_scored(tmp_path: Path, split: tuple[Path, Path], hidden: Benchmark) -> None:
    """Both sides named the built folder then, and the public manifest a digest of the outcomes."""
    public, private = (Path(shutil.copytree(side, tmp_path / side.name)) for side in split)
    built = {"derived_from": "1" * 64}
    for folder, more in ((public, {"private_outcomes": {"repository": "org/x", "sha256": "2" * 64}}), (private, {})):
        document = json.loads((folder / "manifest.json").read_text()) | built | more
        document.pop("of_manifest", None)
        (folder / "manifest.json").write_text(json.dumps(document))
    found = open_private_benchmark(public, private)
    assert ask(tmp_path, "mine", found, routed(found)).scores == ask(tmp_path, "mine", hidden, routed(hidden)).scores
    assert built["derived_from"] in found.accepted_manifests


def test_an_author_needs_no_outcome_to_submit(split: tuple[Path, Path], hidden: Benchmark, tmp_path: Path) -> None:
    # `submit new`, `check` and `pack` wanted scores that only the maintainers have
    probabilities(hidden)[["query_id", "p_edge"]].to_csv(tmp_path / "mine.csv", index=False)
    public = split[0]
    for command in (
        ("new", "mine", "--from", "mine.csv", "--author", "Ada"),
        ("check", "submissions/mine"),
        ("pack", "submissions/mine"),
    ):
        run = run_cli("submit", *command, "--data", public, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
    scored = run_cli("eval", "submissions/mine", "--data", public, cwd=tmp_path)
    assert scored.returncode == 1 and "`rsd-bench eval --private-outcomes` scores" in scored.stderr


def test_nobody_else_reads_the_ledger(tmp_path: Path, hidden: Benchmark) -> None:
    ask(tmp_path, "mine", hidden, routed(hidden))
    assert (tmp_path / "ledger.jsonl").stat().st_mode & 0o077 == 0

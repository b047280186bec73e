"""Submissions: nothing leaves the denominator, nothing of the submitter's counts but decisions.

Guards against a board where failed rows dropped out of the mean and lifted 0.22 to 0.76, one that took a duplicated id
in place of a missing one, and one where a submitter's own token counts made a false first place.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import run_cli
from sound_submissions import make, probabilities

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, scoring_problems
from rsd_bench.schemas import NAMES, schema, validator
from rsd_bench.submission.author_table import read_author_table
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.new_submission import default_tau
from rsd_bench.submission.pack_submission import pack_submission
from rsd_bench.types import InputError


def as_csv(folder: Path, change) -> Path:
    """The folder with its predictions as CSV, rows changed by `change(list of lines)`."""
    frame = pd.read_parquet(folder / "predictions.parquet")
    (folder / "predictions.parquet").unlink()
    lines = frame.to_csv(index=False, lineterminator="\n").splitlines()
    (folder / "predictions.csv").write_text("\n".join(change(lines)) + "\n")
    return folder


def problems_of(folder: Path, benchmark: Benchmark) -> str:
    submission, problems = check_submission(folder, benchmark)
    assert (submission is None) == bool(problems)
    return "\n".join(map(str, problems))


def test_a_sound_submission_is_accepted_in_all_formats(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    tracks = tuple(toy_benchmark.tracks)
    frame = probabilities(toy_benchmark, tracks)
    folder = make(tmp_path / "sound", toy_benchmark, frame)
    expected, problems = check_submission(folder, toy_benchmark)
    assert not problems
    assert {track for track, _ in expected.entries} == set(tracks)
    part = toy_benchmark.part("in-domain", "test")
    given = frame[frame["track"] == "in-domain"].set_index("query_id")["p_edge"]
    assert np.array_equal(expected.entries["in-domain", "fast_response"].p[0, :, 0], given[part.query_ids].to_numpy())

    table = pd.read_parquet(folder / "predictions.parquet").sample(frac=1, random_state=1)
    for suffix in ("csv", "jsonl"):
        other = tmp_path / suffix / "sound"
        shutil.copytree(folder, other)
        (other / "predictions.parquet").unlink()
        text = (
            table.to_csv(index=False)
            if suffix == "csv"
            else table.to_json(orient="records", lines=True, double_precision=15)
        )
        (other / f"predictions.{suffix}").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        again, problems = check_submission(other, toy_benchmark)
        assert not problems, problems
        for key, said in expected.entries.items():
            assert np.allclose(again.entries[key].p, said.p, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:3] + lines[4:], "is missing"),
        (lambda lines: [*lines, lines[5]], "stands twice"),
        (lambda lines: [*lines[:3], lines[4], *lines[4:]], "is missing"),  # a duplicate in place of a missing row
        (lambda lines: [*lines[:3], lines[4], *lines[4:]], "stands twice"),
        (lambda lines: [*lines, "in-domain,toy/no-such,*,0.5"], "query_id 'toy/no-such' is unknown"),
        (lambda lines: [*lines, "in-domain,toy/0,*,0.5"], "query_id 'toy/0' is no test query of its track"),
        (lambda lines: [*lines, lines[1].replace("in-domain,", "moon,")], "track 'moon' is unknown"),
        (lambda lines: [*lines, lines[1].replace(",*,", ",fast,")], "scenario 'fast' is not in tau"),
        (lambda lines: [*lines[:1], lines[1].rpartition(",")[0] + ",nan", *lines[2:]], "is not a number in [0, 1]"),
        (lambda lines: [*lines[:1], lines[1].rpartition(",")[0] + ",inf", *lines[2:]], "is not a number in [0, 1]"),
        (lambda lines: [*lines[:1], lines[1].rpartition(",")[0] + ",1.01", *lines[2:]], "is not a number in [0, 1]"),
        (lambda lines: [*lines[:1], lines[1].rpartition(",")[0] + ",-0.1", *lines[2:]], "is not a number in [0, 1]"),
        (lambda lines: [*lines[:1], lines[1].rpartition(",")[0] + ",", *lines[2:]], "is not a number in [0, 1]"),
        (lambda lines: [*lines[:1], lines[1].rpartition(",")[0] + ",0x1", *lines[2:]], "is not a number in [0, 1]"),
        (lambda lines: [*lines[:1], lines[1].rpartition(",")[0] + ",=1", *lines[2:]], "is not a number in [0, 1]"),
        (lambda lines: [line + ",1" for line in lines], "is not asked for"),
        (lambda lines: [line.rpartition(",")[0] for line in lines], "'p_edge' is missing"),
        (lambda lines: lines[:1], "has no rows"),
        (lambda lines: [*lines[:1], lines[1] + ",9", *lines[2:]], "cannot be read"),
        (lambda lines: [lines[0], *lines[1:] * 20], "at most"),
    ],
)
def test_bad_rows_are_refused_with_a_reason(tmp_path: Path, toy_benchmark: Benchmark, change, says: str) -> None:
    folder = as_csv(make(tmp_path / "bad", toy_benchmark), change)
    assert says in problems_of(folder, toy_benchmark)


def test_all_problems_are_listed_at_once_with_file_and_line(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    folder = as_csv(
        make(tmp_path / "bad", toy_benchmark),
        lambda lines: [lines[0], lines[1].rpartition(",")[0] + ",2", *lines[3:], "in-domain,toy/no-such,*,0.5"],
    )
    meta = json.loads((folder / "submission.json").read_text())
    meta["dataset"]["manifest_sha256"] = "0" * 64
    (folder / "submission.json").write_text(json.dumps(meta))
    found = problems_of(folder, toy_benchmark)
    assert "predictions.csv:2: p_edge '2.0' is not a number in [0, 1]" in found
    assert "is missing" in found
    assert "toy/no-such' is unknown" in found
    assert "another manifest" in found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"slug": "other"}, "slug is 'other'"),
        ({"slug": "../up"}, "does not match"),
        ({"cost": 0.01}, "'cost' was unexpected"),
        ({"authors": []}, "authors"),
        ({"name": ""}, "name"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"tau": {}}, "tau"),
        ({"tau": {"fast_response": 1.5}}, "tau.fast_response"),
        ({"tau": {"fastest": 0.5}}, "no scenario 'fastest'"),
        ({"tau": {"fast_response": {"moon": 0.5}}}, "no track 'moon'"),
        ({"tau": {"fast_response": {"chart-to-photo": 0.5}}}, "no value for track 'in-domain'"),
        ({"router_latency": {"seconds": -1, "hardware": "x"}}, "router_latency.seconds"),
        ({"router_latency": {"seconds": 0}}, "hardware"),
        ({"dataset": {"name": "rsd-open", "version": "9", "manifest_sha256": "f" * 64}}, "another manifest"),
        ({"schema_version": 3}, "schema_version"),
    ],
)
def test_bad_metadata_is_refused_with_a_reason(
    tmp_path: Path, toy_benchmark: Benchmark, change: dict, says: str
) -> None:
    folder = make(tmp_path / "bad", toy_benchmark)
    meta = json.loads((folder / "submission.json").read_text()) | change
    (folder / "submission.json").write_text(json.dumps(meta))
    assert says in problems_of(folder, toy_benchmark)


def test_the_folder_itself_is_checked(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    folder = make(tmp_path / "sound", toy_benchmark)
    (folder / "model.pkl").write_bytes(b"\x80\x04.")
    assert "model.pkl: does not belong here" in problems_of(folder, toy_benchmark)
    (folder / "model.pkl").unlink()
    (folder / "predictions.csv").write_text("track,query_id,scenario,p_edge\n")
    assert "has 2 predictions files" in problems_of(folder, toy_benchmark)
    (folder / "predictions.csv").unlink()
    (folder / "predictions.parquet").rename(tmp_path / "elsewhere.parquet")
    assert "has no predictions file" in problems_of(folder, toy_benchmark)
    (folder / "predictions.parquet").symlink_to(tmp_path / "elsewhere.parquet")
    assert "is not a plain file" in problems_of(folder, toy_benchmark)
    (folder / "predictions.parquet").unlink()
    (folder / "predictions.parquet").write_bytes(b"PAR1 not really PAR1")
    assert "cannot be read" in problems_of(folder, toy_benchmark)
    folder.rename(tmp_path / "Not A Slug")
    assert "is no slug" in problems_of(tmp_path / "Not A Slug", toy_benchmark)
    assert "is not a folder" in problems_of(tmp_path / "nowhere", toy_benchmark)


def test_parquet_of_wrong_types_is_refused(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    folder = make(tmp_path / "types", toy_benchmark)
    frame = pd.read_parquet(folder / "predictions.parquet").astype(dict.fromkeys(("track", "scenario"), str))
    frame.assign(p_edge=frame["p_edge"].astype(str)).to_parquet(folder / "predictions.parquet")
    assert "not numbers" in problems_of(folder, toy_benchmark)
    frame.assign(query_id=range(len(frame))).to_parquet(folder / "predictions.parquet")
    assert "not text" in problems_of(folder, toy_benchmark)
    frame.assign(p_edge=frame["p_edge"].where(frame.index > 0)).to_parquet(folder / "predictions.parquet")
    assert "is not a number in [0, 1]" in problems_of(folder, toy_benchmark)


def test_star_and_named_scenarios_may_not_be_mixed(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    frame = probabilities(toy_benchmark)
    mixed = pd.concat([frame, frame.assign(scenario="fast_response")])
    with pytest.raises(InputError, match=r"mixes scenario \*"):
        make(tmp_path / "mixed", toy_benchmark, mixed)
    named = pd.concat([frame.assign(scenario=name) for name in SCENARIOS])
    make(tmp_path / "named", toy_benchmark, named)
    with pytest.raises(InputError, match="scenario 'low_energy': query"):
        make(tmp_path / "two", toy_benchmark, named[named["scenario"] != "low_energy"])
    only = {"fast_response": 0.4}
    make(tmp_path / "one", toy_benchmark, frame, tau=only)


def test_a_refused_new_submission_leaves_nothing(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    with pytest.raises(InputError, match="is missing"):
        make(tmp_path / "half", toy_benchmark, probabilities(toy_benchmark).iloc[5:])
    assert not list(tmp_path.iterdir())


def test_problems_of_an_authors_file_name_that_file_and_its_lines(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # they named a line of the sorted copy, which is never kept, and each missing query once a scenario
    ids = toy_benchmark.part("in-domain", "test").query_ids
    rows = [f"{query},0.5" for query in reversed(ids[2:])]
    source = tmp_path / "mine.csv"
    source.write_text("\n".join(["query_id,p_edge", *rows, "a/stranger,0.5", rows[0], ""]))
    with pytest.raises(InputError) as caught:
        make(tmp_path / "mine", toy_benchmark, read_author_table(source).frame, source=source)
    told = [(problem.where, problem.what) for problem in caught.value.problems]
    last = len(rows) + 1
    assert (f"{source}:{last + 1}", "query_id 'a/stranger' is unknown") in told
    assert (f"{source}:{last + 2}", f"query_id {ids[-1]!r} stands twice for its track and scenario") in told
    assert [where for where, what in told if "is missing" in what] == [str(source)] * 2
    assert len(told) == 4
    strangers = pd.DataFrame({"track": "in-domain", "query_id": ["z", "b"], "scenario": "*", "p_edge": 0.5}, [7, 3])
    with pytest.raises(InputError) as caught:
        make(tmp_path / "mine", toy_benchmark, strangers)
    told = [str(problem) for problem in caught.value.problems]
    assert told[0].startswith("mine, the predictions: row 3: query_id 'b' is unknown")
    assert not any("scenario" in problem for problem in told), "the rows are for every scenario"


def test_problems_come_in_the_same_order_whatever_the_hashes(
    tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark
) -> None:
    # jsonschema walks a set of keys: leaderboard.json, which lists what is refused, had other bytes from run to run
    folder = make(tmp_path / "mine", toy_benchmark)
    meta = json.loads((folder / "submission.json").read_text())
    meta["tau"] = {f"scenario-{i}": "high" for i in range(9)}
    (folder / "submission.json").write_text(json.dumps(meta))
    command = [sys.executable, "-m", "rsd_bench", "submit", "check", str(folder), "--data", str(toy_dataset)]
    told = []
    for seed in "12":
        run = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True)
        assert run.stderr.count("must be a number in [0, 1.01], not 'high'") == 9
        told.append(run.stderr)
    assert told[0] == told[1]


def test_what_stands_beside_a_submission_is_not_lost(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # `submit new` on an existing slug erased README, code and the very table it was made from
    folder = make(tmp_path / "mine", toy_benchmark)
    (folder / "README.md").write_text("words")
    with pytest.raises(InputError, match=r"exists already.*--replace"):
        make(folder, toy_benchmark, replace_old=False)
    make(folder, toy_benchmark, authors=["Another"])
    assert (folder / "README.md").read_text() == "words"
    assert "Another" in (folder / "submission.json").read_text()
    (folder / "train.py").write_text("code")
    for again in (lambda: make(folder, toy_benchmark), lambda: pack_submission(folder, toy_benchmark)):
        with pytest.raises(InputError):
            again()
        assert {p.name for p in folder.iterdir()} == {
            "README.md",
            "submission.json",
            "predictions.parquet",
            "train.py",
        }


def test_a_dataset_that_cannot_score_says_so_before_anything_is_scored(toy_benchmark: Benchmark) -> None:
    # a domain without latency passed `data check` and ended `board build` in a ZeroDivisionError
    assert scoring_problems(toy_benchmark) == []
    queries = toy_benchmark.queries
    still = queries.assign(large_latency_s=queries["large_latency_s"].where(queries["domain"] != "math", 0.0))
    what = str(scoring_problems(replace(toy_benchmark, queries=still))[0])
    assert "domain 'math': the large model's latency is 0" in what
    empty = replace(toy_benchmark, queries=queries[queries["split"] != "test"])
    assert "track 'in-domain' has no test query" in str(scoring_problems(empty)[0])


def test_pack_is_canonical(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    first = make(tmp_path / "a" / "same", toy_benchmark)
    second = tmp_path / "b" / "same"
    shutil.copytree(first, second)
    as_csv(second, lambda lines: [lines[0], *reversed(lines[1:])])
    assert pack_submission(first, toy_benchmark) == pack_submission(second, toy_benchmark)
    assert {p.name for p in second.iterdir()} == {"submission.json", "predictions.parquet"}
    assert not problems_of(second, toy_benchmark)


def test_pack_does_not_depend_on_the_order_of_keys_or_the_form_of_numbers(
    tmp_path: Path, toy_benchmark: Benchmark
) -> None:
    # the same submission had as many hashes as its JSON had orders
    first = make(tmp_path / "a" / "same", toy_benchmark, tau=default_tau() | {"low_energy": 1.0})
    frame = pd.read_parquet(first / "predictions.parquet")
    frame.loc[0, "p_edge"] = 0.0
    frame.to_parquet(first / "predictions.parquet")
    second = tmp_path / "b" / "same"
    shutil.copytree(first, second)
    frame.loc[0, "p_edge"] = -0.0
    frame.to_parquet(second / "predictions.parquet")
    meta = json.loads((first / "submission.json").read_text())
    for key in ("tau", "dataset", "router_latency"):
        meta[key] = dict(reversed(meta[key].items()))
    meta["tau"]["low_energy"] = 1
    (second / "submission.json").write_text(json.dumps(dict(reversed(meta.items())), ensure_ascii=True))
    assert pack_submission(first, toy_benchmark) == pack_submission(second, toy_benchmark)
    written = json.loads((second / "submission.json").read_text())
    assert list(written) == [key for key in schema("submission")["properties"] if key in written]


def test_author_path_on_the_command_line(tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark) -> None:
    probabilities(toy_benchmark)[["query_id", "p_edge"]].to_csv(tmp_path / "mine.csv", index=False)
    made = run_cli("submit", "new", "mine", "--from", "mine.csv", "--data", toy_dataset, "--tau", "0.6", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    checked = run_cli("submit", "check", "submissions/mine", "--data", toy_dataset, "--json", cwd=tmp_path)
    assert json.loads(checked.stdout) == {"ok": True, "problems": [], "slug": "mine", "tracks": ["in-domain"]}
    scored = run_cli("eval", "submissions/mine", "--data", toy_dataset, "--n-boot", 200, cwd=tmp_path)
    assert scored.returncode == 0
    assert "in-domain  fast_response" in scored.stdout

    (tmp_path / "mine.csv").write_text("id,p\n1,2\n")
    refused = run_cli("submit", "new", "mine", "--from", "mine.csv", "--data", toy_dataset, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: mine.csv: has no column 'query_id'")
    usage = run_cli("submit", "new", "mine", "--from", "mine.csv", "--tau", "high", cwd=tmp_path)
    assert usage.returncode == 2
    wrong = run_cli("submit", "check", "submissions/mine", "--json", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "another manifest" in json.loads(wrong.stdout)["problems"][0]["what"]


def test_schemas_are_published_and_valid(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    for name in NAMES:
        validator(name).check_schema(schema(name))
        assert json.loads(run_cli("schema", name).stdout) == schema(name)
    template = Path(__file__).parents[2] / "submissions" / "_template" / "submission.json"
    assert validator("submission").is_valid(json.loads(template.read_text()))

"""All problems means all: a broken layer leaves the others to be told.

Incident: an unknown key and a wrong type in submission.json hid that the slug was not the folder's, that a file did not
belong, and what was wrong with the rows. Authors mended one thing a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import call_cli, run_cli
from folded import folded_dataset  # noqa: F401 (a fixture)
from hostile import clear, lines, meta, parquet, raw, sound, table
from sound_submissions import make, probabilities
from test_proposal import Repository

from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.evaluation.compare_submissions import compare_submissions
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.types import InputError

Change = Callable[[Path], object]
FAULTY_FIELDS = {"cost": 1, "name": 5, "slug": "other", "dataset": {"name": 1, "manifest_sha256": "0" * 64}}
OF_FIELDS = (
    "'cost' was unexpected",
    "name: 5 is not of type",
    "slug is 'other'",
    "'version' is a required",
    "another manifest",
)


def told(folder: Path, benchmark: Benchmark) -> str:
    submission, problems = check_submission(folder, benchmark)
    assert submission is None
    return "\n".join(map(str, problems))


def bad_rows(rows: list[str]) -> list[str]:
    """A probability of 2, a query that nobody knows, one that stands twice, one that is missing."""
    return [rows[0], rows[1].rpartition(",")[0] + ",2", *rows[3:], rows[5], "in-domain,toy/no-such,*,0.5"]


OF_ROWS = ("p_edge '2.0' is not a number", "'toy/no-such' is unknown", "stands twice", "is missing")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_layer_is_told_at_once(tmp_path: Path, toy_benchmark: Benchmark, kind: str) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    tau = {"fast_response": "high", "easiest": 0.5, "low_energy": {"moon": 0.5}}
    meta(**FAULTY_FIELDS, authors=["Ada", 7, "\u200b"], tau=tau, router_latency={"seconds": -1})(folder)
    lines(bad_rows)(folder)
    if kind == "parquet":
        pd.read_csv(folder / "predictions.csv").to_parquet(folder / "predictions.parquet", index=False)
        (folder / "predictions.csv").unlink()
    (folder / "model.pkl").write_text("x")
    (folder / "README.md").mkdir()
    folder = folder.rename(tmp_path / "No Slug")
    said = told(folder, toy_benchmark)
    for text in (*OF_FIELDS, *OF_ROWS, "is no slug", "model.pkl: does not belong", "README.md: is not a plain file",
                 "authors.1: 7 is not of type", "authors: '\\u200b' has no visible", "no scenario 'easiest'",
                 "no track 'moon'", "tau.fast_response must be", "tau.low_energy: no value for track 'in-domain'",
                 "router_latency.seconds must be", "'hardware' is a required"):  # fmt: skip
        assert text in said, f"{text}\n\n{said}"
    assert "no value for track" in said and "tau.fast_response: no value" not in said, "it has one, of the wrong type"


@pytest.mark.parametrize(
    "change", [lambda f: (f / "submission.json").unlink(), raw("submission.json", b"{"), raw("submission.json", b"[]")]
)
def test_rows_are_looked_at_without_a_submission_json(tmp_path: Path, toy_benchmark: Benchmark, change: Change) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    lines(bad_rows)(folder)
    change(folder)
    said = told(folder, toy_benchmark)
    assert "submission.json" in said and all(text in said for text in OF_ROWS), said


def test_rows_of_named_scenarios_ask_for_no_other_where_tau_is_not_known(
    tmp_path: Path, toy_benchmark: Benchmark
) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    parquet(lambda f: f.assign(scenario="low_energy"))(folder)
    (folder / "submission.json").unlink()
    said = told(folder, toy_benchmark)
    assert said.count("\n") == 0 and "submission.json: is missing" in said, said


UNREADABLE = {
    "no-predictions": (clear, "has no predictions file"),
    "two-files": (lambda f: (f / "predictions.csv").write_text("x"), "has 2 predictions files"),
    "no-parquet": (raw("predictions.parquet", b"PAR1"), "cannot be read"),
    "no-column": (parquet(lambda f: f.drop(columns="p_edge")), "'p_edge' is missing"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_fields_are_looked_at_without_readable_rows(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    change, says = UNREADABLE[name]
    folder = sound(tmp_path / "victim", toy_benchmark)
    meta(**FAULTY_FIELDS)(folder)
    change(folder)
    said = told(folder, toy_benchmark)
    assert says in said and all(text in said for text in OF_FIELDS), said


def test_a_faulty_row_of_a_text_file_hides_no_other(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # a line with a cell too many, a column too many or a row of JSON with a wrong type ended the reading of all others
    folder = sound(tmp_path / "csv" / "victim", toy_benchmark)
    lines(lambda rows: [*bad_rows(rows)[:4], "", rows[6] + ",9", *bad_rows(rows)[4:], "x"])(folder)
    said = told(folder, toy_benchmark)
    last = len((folder / "predictions.csv").read_text().splitlines())
    assert ":6: cannot be read: has 5 cells where the heading has 4" in said, said
    assert f":{last}: cannot be read: has 1 cells" in said
    assert f":{last - 1}: query_id 'toy/no-such' is unknown" in said, "lines below are still known"
    assert all(text in said for text in OF_ROWS), said

    for name, change in {
        "csv": lines(lambda rows: [line + ",9" for line in bad_rows(rows)]),
        "parquet": table(lambda t: t.append_column("9", [[1.0] * len(t)])),
    }.items():
        folder = sound(tmp_path / f"{name}-column" / "victim", toy_benchmark)
        if name == "parquet":
            parquet(lambda f: f.assign(p_edge=f["p_edge"].where(f.index > 0, 2.0)))(folder)
        change(folder)
        said = told(folder, toy_benchmark)
        assert "column '9' is not asked for" in said, said
        assert "p_edge '2.0' is not a number" in said, said

    folder = sound(tmp_path / "jsonl" / "victim", toy_benchmark)

    def change_json(rows: list[str]) -> list[str]:
        broken = [row.replace('"p_edge":', '"p_edge":"', 1).replace("}", '"}') for row in rows[:2]]
        stranger = '{"track":"in-domain","query_id":"toy/no-such","scenario":"*","p_edge":0.5}'
        return [*broken, rows[2].replace("}", ',"cost":1}'), "no json", *rows[4:], rows[5], stranger]

    lines(change_json, "jsonl")(folder)
    said = told(folder, toy_benchmark)
    for text in (
        ":1: p_edge: '",
        ":2: p_edge: '",
        ":3: Additional",
        ":4: not JSON",
        "stands twice",
        "'toy/no-such' is unknown",
    ):
        assert text in said, f"{text}\n\n{said}"
    assert said.count("is missing") == 1, "only the row that cannot be read leaves its place"


def test_every_column_of_a_wrong_type_is_named(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    rows = {"track": [1], "query_id": [2], "p_edge": ["x"], "more": [0]}
    pq.write_table(pa.table(rows), folder / "predictions.parquet")
    said = told(folder, toy_benchmark)
    for text in (
        "'track' holds int64",
        "'query_id' holds",
        "'p_edge' holds string",
        "'scenario' is missing",
        "'more' is not",
    ):
        assert text in said, said


def test_no_layer_crowds_out_another(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # 200 problems were shown, whoever had them
    folder = sound(tmp_path / "victim", toy_benchmark)
    for i in range(300):
        (folder / f"a{i}").write_text("x")
    meta(tau={f"scenario-{i}": 0.5 for i in range(300)}, name=7)(folder)
    lines(bad_rows)(folder)
    said = told(folder, toy_benchmark)
    assert all(text in said for text in ("name: 7", *OF_ROWS)), said
    assert len(said.splitlines()) == 201 and "has at least" in said.splitlines()[-1]


def test_submit_new_tells_all_of_table_and_options(tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark) -> None:
    # a row that was no number hid the ids that were wrong, the url, the slug and that the slug was taken
    frame = probabilities(toy_benchmark)[["query_id", "p_edge"]].astype({"p_edge": object})
    frame.loc[0, "p_edge"], frame.loc[1, "query_id"] = "high", "toy/no-such"
    frame.to_csv(tmp_path / "mine.csv", index=False)
    make(tmp_path / "submissions" / "taken", toy_benchmark)
    for slug, says in {"taken": "exists already", "../Up": "is no slug", "free": "mine.csv"}.items():
        options = ("--from", "mine.csv", "--data", toy_dataset, "--author", "\u200b", "--url", "javascript:1")
        run = run_cli("submit", "new", slug, *options, "--router-latency", "-1", cwd=tmp_path)
        assert run.returncode == 1 and "Traceback" not in run.stderr
        for text in (says, ":2: p_edge 'high' is no number", ":3: query_id 'toy/no-such' is unknown", "is missing",
                     "url", "has no visible character", "--router-latency -1: is not in [0, 1e+09]"):  # fmt: skip
            assert text in run.stderr, f"{text}\n\n{run.stderr}"
        assert run.stderr.count("is missing") == 1, "a row that is no number is not missing"
    assert {path.name for path in tmp_path.iterdir()} == {"mine.csv", "submissions"}
    assert {path.name for path in (tmp_path / "submissions").iterdir()} == {"taken"}
    (tmp_path / "none.csv").write_text("")
    run = run_cli("submit", "new", "a", "--from", "none.csv", "--data", toy_dataset, "--url", "x", cwd=tmp_path)
    assert "no column 'query_id'" in run.stderr and "url" in run.stderr and "has no rows" not in run.stderr


def test_options_of_submit_new_are_refused_by_name(tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark) -> None:
    # a submission.json that was never written had the fault, and of two tau for one scenario the last one counted
    probabilities(toy_benchmark)[["query_id", "p_edge"]].to_csv(tmp_path / "mine.csv", index=False)
    new = ("submit", "new", "mine", "--from", tmp_path / "mine.csv", "--data", toy_dataset, "--submissions", tmp_path)
    for options, says in {
        ("--tau", "nan"): "--tau nan: is not in [0, 1.01]",
        ("--tau", "1.5"): "--tau 1.5: is not in [0, 1.01]",
        ("--tau", "low_energy=-1"): "--tau low_energy=-1: is not in [0, 1.01]",
        ("--tau", "low_energy=0.3", "--tau", "low_energy=0.4"): "is given a second time for low_energy",
        ("--tau", "0.3", "--tau", "0.4"): "is given a second time for all scenarios",
        ("--router-latency", "-1"): "--router-latency -1: is not in",
        ("--router-latency", "nan"): "--router-latency nan: is not in",
    }.items():
        run = call_cli(*new, *options)
        assert run.returncode == 1 and says in run.stderr and len(run.stderr.splitlines()) == 1, run.stderr
        as_json = call_cli(*new, *options, "--json")
        assert as_json.returncode == 1 and len(json.loads(as_json.stdout)["problems"]) == 1
    assert not (tmp_path / "mine").exists()
    run = call_cli(*new, "--tau", "0.3", "--tau", "low_energy=1.01", "--json")
    made = json.loads(run.stdout)
    assert run.returncode == 0 and made["slug"] == "mine" and made["folder"] == str(tmp_path / "mine")
    assert made["tau"] == {"fast_response": 0.3, "high_quality": 0.3, "low_energy": 1.01}
    run = call_cli(*new, "--tau", "low_energy=0.9", "--tau", "0.2", "--replace", "--json")
    assert json.loads(run.stdout)["tau"]["low_energy"] == 0.9, "whichever stands first"


def test_a_repeat_is_told_as_it_was_written(tmp_path: Path, folded_dataset: Path) -> None:  # noqa: F811
    frame = probabilities(open_benchmark(folded_dataset))[["query_id", "p_edge"]]
    frame.assign(repeat=-1).to_csv(tmp_path / "mine.csv", index=False)
    frame.assign(repeat=-1).to_parquet(tmp_path / "mine.parquet")
    for kind in ("csv", "parquet"):
        new = ("submit", "new", "mine", "--from", tmp_path / f"mine.{kind}", "--data", folded_dataset)
        run = call_cli(*new, "--submissions", tmp_path / "s")
        assert run.returncode == 1 and "repeat '-1'" in run.stderr and "-1.0" not in run.stderr, run.stderr


def test_compare_tells_of_both(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    for name in "ab":
        meta(name=5)(sound(tmp_path / f"{name}1", toy_benchmark))
    with pytest.raises(InputError) as error:
        compare_submissions(tmp_path / "a1", tmp_path / "b1", toy_benchmark, "in-domain", n_boot=0)
    assert "a1" in str(error.value) and "b1" in str(error.value)


def test_a_proposal_is_looked_at_whatever_else_it_holds(
    tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark
) -> None:
    # another file, or a tau that was scored, hid all that was wrong with the submission itself
    repository = Repository(tmp_path / "repository", toy_dataset)
    folder = make(repository.root / "submissions" / "mine", toy_benchmark)
    repository.commit()
    meta(**FAULTY_FIELDS, tau={"low_energy": 0.1})(folder)
    (folder / "model.pkl").write_text("x")
    (folder / "README.md").symlink_to("/etc/passwd")
    (repository.root / "run.py").write_text("x")
    code, said = repository.propose("HEAD~1", "--json")
    report = json.loads(said)
    said = "\n".join(f"{p['where']}: {p['what']}" for p in report["problems"])
    assert code == 1 and report["result"] is None
    for text in (*OF_FIELDS, "run.py: is no file", "mine/model.pkl: does not belong there", "README.md: has mode",
                 "changes tau after it was scored"):  # fmt: skip
        assert text in said, f"{text}\n\n{said}"
    assert said.count("README.md") == 1 and "/tmp" not in said


NO_VALUES = {
    "nan": lambda text: text.replace('"seconds": 0.01', '"seconds": NaN'),
    "too-large": lambda text: text.replace('"seconds": 0.01', '"seconds": 1e400'),
    "many-digits": lambda text: text.replace('"seconds": 0.01', f'"seconds": {"9" * 5000}'),
    "key-twice": lambda text: text.replace("{", '{"slug": "x",', 1),
}


@pytest.mark.parametrize("name", NO_VALUES)
def test_a_value_that_is_no_json_hides_no_other_field(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    meta(**FAULTY_FIELDS)(folder)
    path = folder / "submission.json"
    text = path.read_text("utf-8")
    changed = NO_VALUES[name](text)
    assert changed != text
    path.write_text(changed, "utf-8")
    said = told(folder, toy_benchmark)
    shown = {
        "nan": "NaN is not JSON",
        "too-large": "too large a number",
        "many-digits": "seconds",
        "key-twice": "twice",
    }
    assert shown[name] in said and all(text in said for text in OF_FIELDS), said

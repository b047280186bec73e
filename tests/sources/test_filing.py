"""Live answers and scores in a store: what a later run may replace, and what it must leave alone.

Guards against runs that gave nothing and took what was there: an estimate (`--max-cost 0`) that made 40 scores
unscored, `--limit 5` that left 5 of 20 outcomes, a judge that was down, published scores overwritten by live ones - and
against provenance that speaks of one setting or judge where outcomes stem from two.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Records

from rsd_bench import folders
from rsd_bench.endpoints.answer_store import AnswerStore, open_answers
from rsd_bench.endpoints.calls import Answer, Endpoint
from rsd_bench.folders import new_folder
from rsd_bench.generate.answer_queries import Plan, file_outcomes, require_live
from rsd_bench.judge.audit import audit_source
from rsd_bench.judge.closed import exact_match
from rsd_bench.judge.model_judge import ModelJudge, first_requests, open_scope
from rsd_bench.judge.prompt import load_prompt
from rsd_bench.judge.score_answers import file_scores, score_by_model, score_closed
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.sources.store.store_media import image_path, store_image
from rsd_bench.sources.store.store_tables import rows_of, source_info
from rsd_bench.types import InputError

N = 6
JUDGE = ModelJudge(Endpoint("judge", "http://j/v1"), load_prompt("reference"), params={"temperature": 0})


class Live:
    """A store of N queries in which `tiny` has answered all and JUDGE has scored all, 7 each."""

    def __init__(self, store: Path, answers: AnswerStore) -> None:
        self.store, self.answers = store, answers
        self.plan = Plan(store, ["toy"], [Endpoint("tiny", "http://t/v1")], {"temperature": 0})

    def answer(self, plan: Plan, queries: int = N, text: str = "{}", **fields: Any) -> Counter[tuple[str, str]]:
        """Store answers to the first queries, their number in place of {}, and file them."""
        for i, row in enumerate(rows_of(self.store, "toy", "queries")):
            if i < queries:
                key = plan.request("tiny", row).key
                self.answers.put(Answer(key, "tiny", "ok", text=text.format(i), served_model="tiny-1", **fields))
        return file_outcomes(plan, self.answers)

    def judge(self, judge: ModelJudge, score: int, calls: int = 100, status: str = "ok") -> Any:
        """Store the first calls of a judge, and file the scores."""
        scope = open_scope(self.store, None, None)
        for request in list(first_requests(judge, scope))[:calls]:
            text = json.dumps({"rationale": "r", "score": score}) if status == "ok" else None
            self.answers.put(Answer(request.key, "judge", status, text=text))
        return file_scores(scope, judge.name, score_by_model(judge, self.answers), judge.provenance())

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.store / "sources" / "toy").iterdir()}

    def table(self, name: str = "responses") -> pd.DataFrame:
        table = pd.read_parquet(self.store / "sources" / "toy" / f"{name}.parquet")
        return table[table["model"] == "tiny"].reset_index(drop=True)

    @property
    def info(self) -> dict[str, Any]:
        return source_info(self.store, "toy")


def imported(folder: Path, change: Callable[[Records], None] = lambda records: None) -> Path:
    records = Records(folder / "toy", n=N, models=("published",))
    change(records)
    problems: list = []
    import_source(open_records(records.write(), problems.append), folder / "store", {}, problems)
    return folder / "store"


@pytest.fixture
def live(tmp_path: Path) -> Any:
    store = imported(tmp_path)
    with open_answers(store) as answers:
        made = Live(store, answers)
        made.answer(made.plan, latency_s=1.0)
        made.judge(JUDGE, 7)
        assert made.table()["score"].tolist() == [7.0] * N
        yield made


@pytest.mark.parametrize("status", [None, "error"])
def test_a_run_that_got_nothing_changes_no_byte(live: Live, status: str | None) -> None:
    audit_source(live.store, "toy", n_boot=10)
    before = live.files()
    other_judge = replace(JUDGE, endpoint=Endpoint("judge-2", "http://j/v1"))
    filed = live.judge(other_judge, 0, calls=100 if status else 0, status="error")
    assert filed.counts == {("tiny", "kept"): N}
    other_plan = replace(live.plan, params={"temperature": 0.5}, hardware={"tiny": "another"})
    if status:
        for row in rows_of(live.store, "toy", "queries"):
            live.answers.put(Answer(other_plan.request("tiny", row).key, "tiny", "error", detail="down"))
    assert file_outcomes(other_plan, live.answers) == {("tiny", status or "not asked"): N}
    assert live.files() == before
    assert "audit.json" in before


def test_limit_keeps_the_outcomes_beyond_it(live: Live) -> None:
    before = live.files()
    limited = replace(live.plan, limit=2)
    assert file_outcomes(limited, live.answers) == {("tiny", "ok"): 2}
    assert live.files() == before
    hotter = replace(limited, params={"temperature": 1})
    live.answer(hotter, 2, "other {}", latency_s=2.0)
    table = live.table()
    assert table["response"].tolist() == ["other 0", "other 1", "2", "3", "4", "5"]
    assert table["status"].tolist() == ["unscored"] * 2 + ["ok"] * (N - 2)
    assert len(live.table("judgments")) == N - 2


def test_equal_texts_of_another_setting_keep_scores_and_take_its_latency_and_provenance(live: Live) -> None:
    longer = replace(live.plan, params={"temperature": 0, "max_tokens": 99}, hardware={"tiny": "B"})
    live.answer(longer, 2, latency_s=5.0, output_tokens=3)
    table = live.table()
    assert table["latency_s"].tolist() == [5.0] * 2 + [1.0] * (N - 2)
    assert table["score"].tolist() == [7.0] * N
    assert len(live.table("judgments")) == N
    entry = live.info["live"]["tiny"]
    assert (entry["parameters"], entry["hardware"]) == (longer.params, "B")
    (earlier,) = entry["earlier"]
    assert (earlier["parameters"], earlier["hardware"]) == ({"temperature": 0}, "")
    assert "http" not in json.dumps(entry["earlier"])  # endpoints are the builder's own affair
    live.answer(longer, N, latency_s=5.0, output_tokens=3)
    assert set(live.table()["latency_s"]) == {5.0}
    assert "earlier" not in live.info["live"]["tiny"]


def test_a_hardware_note_speaks_of_the_latencies_measured_under_it(tmp_path: Path) -> None:
    store = imported(tmp_path)
    with open_answers(store) as answers:
        live = Live(store, answers)
        live.answer(replace(live.plan, hardware={"tiny": "A"}), 4, latency_s=1.0)
        other = replace(live.plan, hardware={"tiny": "B"})
        file_outcomes(other, answers)
        assert live.info["live"]["tiny"]["hardware"] == "A"  # nothing was measured on B
        live.answer(other, N, latency_s=2.0)
        entry = live.info["live"]["tiny"]
        assert live.table()["latency_s"].tolist() == [1.0] * 4 + [2.0] * 2
        assert (entry["hardware"], [e["hardware"] for e in entry["earlier"]]) == ("B", ["A"])
        file_outcomes(live.plan, answers)  # no note: says nothing else
        assert live.info["live"]["tiny"] == entry


def test_another_judge_takes_over_answer_by_answer_when_it_is_done_with_one(live: Live) -> None:
    judge = replace(JUDGE, params={"temperature": 1}, repeats=2)
    filed = live.judge(judge, 3, calls=5)  # both calls of two answers, one of a third
    assert filed.counts == {("tiny", "ok"): 2, ("tiny", "kept"): N - 2}
    table = live.table()
    assert table["score"].tolist() == [3.0] * 2 + [7.0] * (N - 2)
    assert Counter(live.table("judgments")["judge"]) == {judge.name: 4, JUDGE.name: N - 2}
    assert live.info["judging"].keys() == {judge.name, JUDGE.name}
    assert live.info["score_rule"].endswith(f"scored live by {', '.join(sorted([judge.name, JUDGE.name]))}")
    with pytest.raises(InputError, match=r"\(2 answers\), .* \(4 answers\)|\(4 answers\), .* \(2 answers\)"):
        audit_source(live.store, "toy")
    live.judge(judge, 3)
    assert set(live.table()["score"]) == {3.0}
    assert live.info["judging"].keys() == {judge.name}  # no outcome names the first any more
    live.judge(replace(judge, repeats=1), 3)
    assert set(live.table()["n_judgments"]) == {2}  # fewer repeats take no verdict away


def test_a_closed_judge_that_cannot_decide_leaves_the_score_of_another(tmp_path: Path) -> None:
    store = imported(tmp_path)
    with open_answers(store) as answers:
        live = Live(store, answers)
        live.answer(live.plan, N, "Answer: \\boxed{{{}")
        live.judge(JUDGE, 7)
        closed = exact_match()
        filed = file_scores(open_scope(store, None, None), "rsd-bench:x", score_closed(closed), {})
    assert filed.counts == {("tiny", "kept"): N}
    assert set(live.table()["score"]) == {7.0}
    assert live.info["judging"].keys() == {JUDGE.name}


def test_answers_with_fewer_verdicts_than_repeats_are_counted(live: Live) -> None:
    filed = live.judge(replace(JUDGE, repeats=3), 7, calls=3 * N - 2)
    assert filed.short == 1  # the last answer has one verdict of three
    assert live.table()["n_judgments"].tolist() == [3] * (N - 1) + [1]


def test_published_scores_stay_whether_or_not_their_judge_is_named(tmp_path: Path) -> None:
    def nameless(records: Records) -> None:
        for row in records.responses:
            row["judge"] = None

    store = imported(tmp_path, nameless)
    before = pd.read_parquet(store / "sources" / "toy" / "responses.parquet")
    scope = open_scope(store, None, None)
    filed = file_scores(scope, "rsd-bench:exact-match", score_closed(exact_match()), {})
    assert not filed.counts
    pd.testing.assert_frame_equal(pd.read_parquet(store / "sources" / "toy" / "responses.parquet"), before)


def test_live_answers_are_refused_under_the_id_of_published_ones(live: Live) -> None:
    require_live(live.plan)
    with pytest.raises(InputError, match=r"toy: holds published outcomes of 'published' -> import them under another"):
        require_live(replace(live.plan, endpoints=[*live.plan.endpoints, Endpoint("published", "http://p/v1")]))


def test_half_a_surrogate_pair_in_a_record_is_a_fault_of_its_line(tmp_path: Path) -> None:
    """It passed the schema, and the table could not be written: an error without file or line."""

    def broken(records: Records) -> None:
        records.queries[2]["question"] = "How many \ud800?"

    with pytest.raises(InputError, match=r"queries\.jsonl:3: holds half of a surrogate pair"):
        imported(tmp_path, broken)


def test_an_interruption_between_the_two_renames_keeps_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the old folder was set aside and before the new one took its place: both were deleted."""
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "kept").write_text("old")
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(folders, "_exchanged", lambda one, other: False)  # as where the file system cannot
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), new_folder(dest, may_replace=lambda _: True):
        pass
    assert (dest / "kept").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["dest"]


def test_a_damaged_image_is_not_sent(live: Live) -> None:
    """A changed file was sent under the hash of the one that was imported: an answer about another image."""
    sha256 = next(rows_of(live.store, "toy", "queries"))["image_sha256"]
    path = image_path(live.store, sha256)
    data = path.read_bytes()
    assert live.plan.media(sha256) == data
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(OSError, match=rf"{sha256}: is damaged.* -> import the source again"):
        live.plan.media(sha256)
    store_image(live.store, lambda: data)  # importing again fixes it, though the size is the same
    assert live.plan.media(sha256) == data


def test_figures_of_an_older_reading_of_images_are_not_kept(live: Live) -> None:
    """Photos lay on their side in figures that a store had from before EXIF was looked at."""
    sha256 = next(iter(rows_of(live.store, "toy", "queries")))["image_sha256"]
    path = image_path(live.store, sha256)
    sidecar, right = path.with_suffix(".json"), json.loads(path.with_suffix(".json").read_bytes())
    sidecar.write_text(json.dumps(right | {"version": 1, "width": 1.0}))
    assert store_image(live.store, path.read_bytes)[2]["width"] == right["width"]
    assert json.loads(sidecar.read_bytes()) == right

"""Score the answers of a store: what the verdicts of a judge make of each outcome.

The score is the mean of the verdicts; an outcome without any verdict is `unparseable`, or stays `unscored` where calls
failed or are still to be made.

A score of ours gives way to another judge's only when that one is done with the answer, and to the same judge's only
when it has more verdicts: a run that was stopped, or only an estimate, takes no score away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from rsd_bench.endpoints.answer_store import AnswerStore
from rsd_bench.endpoints.calls import Answer, Request
from rsd_bench.judge.closed import ClosedJudge
from rsd_bench.judge.model_judge import ModelJudge, Scope, repair_of
from rsd_bench.judge.no_verdict import Unread, why_no_verdict
from rsd_bench.judge.texts import QueryTexts, query_texts
from rsd_bench.judge.verdict import Verdict
from rsd_bench.metrics.arrays import entered
from rsd_bench.sources.source import UNSENT
from rsd_bench.sources.store.outcomes import Outcome, replace_outcomes
from rsd_bench.sources.store.store_tables import rows_of, scored_by_us, source_info, spread

_REPEAT = "repeat-{}"


class Scored(NamedTuple):
    """What a judge made of an outcome. Of the repeats without a verdict, `pending` are still to be asked."""

    status: str
    verdicts: list[tuple[str, Verdict]]  # with the name of the repeat
    missing: int = 0
    pending: int = 0
    served: Collection[str] = ()  # the names under which the judge gave them
    unread: Collection[tuple[str, str]] = ()  # why a repeat has no verdict, and its reply
    unsent: str = ""  # why the judge was not asked, its prompt showing media


Score = Callable[[Mapping[str, Any], QueryTexts], Scored]  # of an outcome


def score_by_model(judge: ModelJudge, answers: AnswerStore) -> Score:
    """Verdicts from the answers in the store."""

    def score(row: Mapping[str, Any], texts: QueryTexts) -> Scored:
        messages = judge.messages(texts, row["response"])
        if not messages:
            return Scored("unscored", [], unsent=judge.unsent(texts))
        verdicts: list[tuple[str, Verdict]] = []
        served: set[str] = set()
        unread: list[tuple[str, str]] = []
        pending = 0
        for repeat in range(judge.repeats):
            request: Request | None = judge.request(messages, repeat)
            last: Answer | None = None
            for _ in range(2):  # the first try, then its repair
                answer = answers.get(request.key) if request else None
                if request and (answer is None or not answer.final):
                    pending += 1  # to be asked, or to be asked again
                    break
                last = answer or last
                found = judge.verdict(answer.text) if answer and answer.text else None
                if found and answer:
                    served |= {answer.served_model} if answer.served_model else set()
                    verdicts.append((_REPEAT.format(repeat + 1), found))
                    break
                request = repair_of(judge, messages, repeat, answers)
            else:
                if last:
                    unread.append(why_no_verdict(judge, last))
        status = "ok" if verdicts else "unscored" if pending else "unparseable"
        return Scored(status, verdicts, judge.repeats - len(verdicts), pending, served, unread)

    return score


def score_closed(judge: ClosedJudge) -> Score:
    """Verdicts from a comparison with the reference answer."""

    def score(row: Mapping[str, Any], texts: QueryTexts) -> Scored:
        if not texts.reference or not judge.usable(texts.reference):
            return Scored("unscored", [])
        verdict = judge.decide(texts.reference, row["response"], texts.question)
        return Scored("ok", [(_REPEAT.format(1), verdict)]) if verdict else Scored("unparseable", [])

    return score


KEPT = "kept"  # in the counts: outcomes that keep the score of another judge of ours


@dataclass
class Filed:
    """How many judged outcomes ended how, by (model, status); `short`: those with fewer verdicts than repeats.

    served: the names under which the judge gave verdicts about them. unread: why others gave none. unsent: why the
    judge was not asked about some, by reason.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    short: int = 0
    served: set[str] = field(default_factory=set)
    unread: Unread = field(default_factory=Unread)
    unsent: Counter[str] = field(default_factory=Counter)


@dataclass
class _Judges:
    """Whose scores a source holds as its outcomes now stand. `filed`: whether any of them took a new verdict.

    served: the names under which the judge of this run gave those that stand.
    """

    ours: set[str] = field(default_factory=set)
    published: bool = False
    filed: bool = False
    served: set[str] = field(default_factory=set)


def file_scores(scope: Scope, judge: str, score: Score, provenance: Mapping[str, Any]) -> Filed:
    """Write scores and judge calls into the sources."""
    filed = Filed()
    for source in scope.sources:
        judges = _Judges()
        outcomes = _rescored(scope, source, judge, score, filed, judges)
        info = partial(_judging, source_info(scope.store, source), judge, provenance, judges)
        replace_outcomes(scope.store, source, outcomes, info)
    return filed


_LIVE_RULE = "scored live by "


def _judging(held: Mapping[str, Any], judge: str, provenance: Mapping[str, Any], judges: _Judges) -> dict[str, Any]:
    """Entries of source.json: the judges that outcomes name and no others, and how the scores came about."""
    entries: dict[str, Any] = {}
    known = dict(held.get("judging", {}))
    if judges.filed:
        served = judges.served.union(known.get(judge, {}).get("served_models", ()))
        known[judge] = dict(provenance) | ({"served_models": sorted(served)} if served else {})
    if known:
        entries["judging"] = {name: entry for name, entry in known.items() if name in judges.ours}
    if judges.ours:
        entries["score_rule"] = score_rule(held.get("score_rule", ""), judges.ours, published=judges.published)
    return entries


def score_rule(held: str, ours: Collection[str], *, published: bool) -> str:
    """How scores came about: the imported part of the rule held, where published scores stand, then judges of ours."""
    imported = held.split(_LIVE_RULE)[0].removesuffix("; ") if published else ""
    return "; ".join(filter(None, [imported, _LIVE_RULE + ", ".join(sorted(ours)) if ours else ""]))


def _rescored(scope: Scope, source: str, judge: str, score: Score, filed: Filed, judges: _Judges) -> Iterator[Outcome]:
    """Every outcome of a source, in order, those in scope with their new score where it takes the place of the old."""
    with query_texts(scope.store, source) as texts:
        for row in rows_of(scope.store, source, "responses"):
            calls = None
            if scope.covers(row):
                scored = score(row, texts(row["query_id"]))
                if _replaces(scored, judge, row):
                    row, calls = _judged(row, judge, scored)
                    judges.filed = judges.filed or bool(calls)
                kept = row["score"] is not None and row["judge"] != judge
                filed.counts[row["model"], KEPT if kept else UNSENT if scored.unsent else row["status"]] += 1
                filed.unsent.update([scored.unsent] if scored.unsent else [])
                filed.short += bool(scored.verdicts and scored.missing)
                filed.served |= set(scored.served)
                filed.unread.add(scored.unread)
                if row["judge"] == judge:
                    judges.served |= set(scored.served)
            if scored_by_us(row):
                judges.ours.add(row["judge"])
            elif row["status"] == "ok":
                judges.published = True
            yield row, calls


def _replaces(scored: Scored, judge: str, row: Mapping[str, Any]) -> bool:
    """Whether what a judge made of an outcome takes the place of the score that it has."""
    if row["score"] is None:
        return scored.status != "unscored"
    if row["judge"] == judge:
        return len(scored.verdicts) > int(row["n_judgments"])
    return bool(scored.verdicts) and not scored.pending


def _judged(row: Mapping[str, Any], judge: str, scored: Scored) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An outcome with its new score, and its judge calls."""
    given = [verdict.score for _, verdict in scored.verdicts]
    mean = entered(sum(given) / len(given)) if given else None
    outcome = {**row, "status": scored.status, "score": mean, "judge": judge if given else None, **spread(given)}
    key = {"query_id": row["query_id"], "model": row["model"], "judge": judge}
    calls = [
        {**key, "repeat": repeat, "score": verdict.score, "verdict": verdict.rationale}
        for repeat, verdict in scored.verdicts
    ]
    return outcome, calls

"""What becomes of a query, an outcome or a source that the store holds already and an import brings again.

The same is kept as it is; what one side lacks is filled in from the other; two that contradict each other are a Problem
that names both, and the store keeps what it has. Only `--replace` takes the new in place of the old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rsd_bench.sources.source import SourceInfo, SourceProblem, metric_of
from rsd_bench.types import Problem

REPLACE = "correct one of the two, or import with --replace, which drops what the store has of this source"
AS_BEFORE = "import with the options of the first (domain column, images), or --replace, which drops what the store has"
_QUERY = ("domain", "group", "question", "modality")  # must be equal; a reference answer and media may be added
_UNSTATED = "unknown"  # licence of files that state none
_SHOWN = 60  # characters of a value in a message


def query_conflict(held: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In words, how the query that an import brings differs from that in the store; "" where both may be one.

    A reference answer or media that only one side has are no difference, nor is white space: tools trim it.
    """
    for name in _QUERY:
        if _folded(held[name]) != _folded(new[name]):
            return _two(name, held[name], new[name])
    for name in ("reference_answer", "media"):
        if held[name] and new[name] and _folded(held[name]) != _folded(new[name]):
            return _two(name, held[name], new[name])
    return ""


def _folded(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def merged_outcome(held: Mapping[str, Any], new: Mapping[str, Any], ours: bool) -> dict[str, Any] | str:
    """The row of an outcome after an import that has it too, or in words how the two differ.

    ours: a judge of this package gave the score that the store holds: an import that has none does not take it away.
    """
    for name in new.keys() - {"status", "query_id", "model"}:
        if held[name] is not None and new[name] is not None and held[name] != new[name]:
            if name in ("latency_basis", "energy_basis", "detail") or (
                name == "n_judgments" and not (held[name] and new[name])
            ):
                continue  # follow from what they belong to, which is compared itself
            return _two(name, held[name], new[name])
    status = _status(held, new, ours)
    if status is None:
        return _two("status", held["status"], new["status"])
    filled = {name: held[name] if held[name] is not None else value for name, value in new.items()}
    filled["status"] = status
    filled["n_judgments"] = max(held["n_judgments"] or 0, new["n_judgments"] or 0)
    return filled


def _status(held: Mapping[str, Any], new: Mapping[str, Any], ours: bool) -> str | None:
    """The status of an outcome that two imports tell of; None where they contradict each other.

    `unscored` says only that nobody has looked at an answer: any verdict on the same answer goes beyond it.
    """
    statuses: tuple[str, str] = (held["status"], new["status"])
    if statuses[0] == statuses[1]:
        return statuses[0]
    if "unscored" not in statuses or held["response"] != new["response"]:
        return statuses[0] if ours and new["status"] == "unscored" and new["response"] is None else None
    return next(status for status in statuses if status != "unscored")


def _two(name: str, held: Any, new: Any) -> str:
    shown = [repr(value) if len(repr(value)) <= _SHOWN else f"{repr(value)[:_SHOWN]}..." for value in (held, new)]
    if shown[0] == shown[1]:
        return f"its {name} differs after the first {_SHOWN} characters: the store has {shown[0]}"
    return f"its {name} is {shown[1]} here and {shown[0]} in the store"


def merged_info(
    held: Mapping[str, Any], new: SourceInfo, where: str, *, covers: bool, adds: bool
) -> tuple[dict[str, Any], list[Problem]]:
    """Provenance of a source after another import into it, and what of it contradicts what the store says.

    covers: the import has every query of the source. adds: it has queries that the store has not. A licence speaks of
    the queries that came with it: it is not spread over others. Scores by two metrics are no scores of one source.
    """
    info = dict(held)
    problems: list[Problem] = []
    stated = asdict(new)
    licences = [(info["license"], bool(info.get("redistributable"))) for info in (held, stated)]
    if licences[0] != licences[1]:
        if licences[0][0] == _UNSTATED and covers:
            info |= {name: stated[name] for name in ("license", "redistributable")}
        elif licences[1][0] != _UNSTATED or adds:
            what = f"source {new.source!r} " + _two("licence", _licence(held), _licence(stated))
            problems.append(SourceProblem(where, what, "state one licence for the source, or import with --replace"))
    metrics = [metric for metric in (held.get("metric", ""), new.metric) if metric]
    if len(set(metrics)) > 1:
        what = f"source {new.source!r}: its scores are {metrics[1]!r} here and {metrics[0]!r} in the store"
        fix = "score all by one metric, scorer and scale (or import all in one command), or import with --replace"
        problems.append(SourceProblem(where, what, fix))
    info["metric"] = metrics[0] if metrics else ""
    info["notes"] = _joined(held.get("notes", ""), new.notes)
    rules = [rule for rule in (held.get("score_rule", ""), new.score_rule) if metric_of(rule)]
    info["score_rule"] = "; ".join(dict.fromkeys(rules)) or new.score_rule
    for name in ("repository", "commit"):
        if held.get(name) and stated[name] and held[name] != stated[name]:
            info["notes"] = _joined(info["notes"], f"also {name} {stated[name]}")
        else:
            info[name] = held.get(name) or stated[name]
    return info, problems


def _joined(held: str, new: str) -> str:
    return held if new in held else f"{held}; {new}" if held else new


def _licence(info: Mapping[str, Any]) -> str:
    return f"{info['license']} ({'may' if info.get('redistributable') else 'may not'} be re-hosted)"

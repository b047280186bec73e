"""What becomes of a query, an outcome or a source that the store holds already and an import brings again.

The same is kept as it is; what one side lacks is filled in from the other; two that contradict each other are a Problem
that names both, and the store keeps what it has. Only `--replace` takes the new in place of the old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rsd_bench.config import UNSUPPORTED
from rsd_bench.sources.source import SourceInfo, SourceProblem
from rsd_bench.types import Problem

REPLACE = "correct one of the two, or import with --replace, which drops what the store has of this source"
AS_BEFORE = "import with the options of the first (domain column, images), or --replace, which drops what the store has"
_QUERY = ("domain", "group", "question", "modality")  # must be equal; a reference answer and media may be added
_UNSTATED = "unknown"  # licence of files that state none
_SHOWN = 60  # characters of a value in a message


def query_conflict(held: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In words, how the query that an import brings differs from that in the store; "" where both may be one.

    A reference answer or media that only one side has are no difference.
    """
    for name in _QUERY:
        if held[name] != new[name]:
            return _two(name, held[name], new[name])
    for name in ("reference_answer", "media"):
        if held[name] and new[name] and held[name] != new[name]:
            return _two(name, held[name], new[name])
    return ""


def merged_outcome(held: Mapping[str, Any], new: Mapping[str, Any], ours: bool) -> dict[str, Any] | str:
    """The row of an outcome after an import that has it too, or in words how the two differ.

    ours: a judge of this package gave the score that the store holds: an import that has none does not take it away.
    """
    statuses = {held["status"], new["status"]}
    scored_later = "unscored" in statuses or (ours and new["score"] is None)
    for name in new.keys() - {"status", "query_id", "model"}:
        if held[name] is not None and new[name] is not None and held[name] != new[name]:
            if name in ("n_judgments", "latency_basis", "energy_basis", "detail"):
                continue  # follow from what they count or belong to, which is compared itself
            return _two(name, held[name], new[name])
    if len(statuses) > 1 and not scored_later:
        return _two("status", held["status"], new["status"])
    filled = {name: held[name] if held[name] is not None else value for name, value in new.items()}
    if UNSUPPORTED in statuses:
        filled["status"] = UNSUPPORTED
    else:
        filled["status"] = "ok" if filled["score"] is not None else held["status"]
    filled["n_judgments"] = max(held["n_judgments"] or 0, new["n_judgments"] or 0)
    return filled


def _two(name: str, held: Any, new: Any) -> str:
    shown = [repr(value) if len(repr(value)) <= _SHOWN else f"{repr(value)[:_SHOWN]}..." for value in (held, new)]
    if shown[0] == shown[1]:
        return f"its {name} differs after the first {_SHOWN} characters: the store has {shown[0]}"
    return f"its {name} is {shown[1]} here and {shown[0]} in the store"


def merged_info(held: Mapping[str, Any], new: SourceInfo, where: str) -> tuple[dict[str, Any], list[Problem]]:
    """Provenance of a source after another import into it; a licence that was stated otherwise is a Problem."""
    info = dict(held)
    problems: list[Problem] = []
    stated = asdict(new)
    if held.get("license") in (None, _UNSTATED):
        info |= {name: stated[name] for name in ("license", "redistributable")}
    elif new.license != _UNSTATED and (new.license, new.redistributable) != (
        held["license"],
        held.get("redistributable"),
    ):
        what = f"source {new.source!r} " + _two("licence", _licence(held), _licence(stated))
        problems.append(SourceProblem(where, what, "state one licence for the source, or import with --replace"))
    for name in ("notes", "score_rule"):
        info[name] = _joined(held.get(name, ""), stated[name])
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

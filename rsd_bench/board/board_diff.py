"""`board diff OLD NEW`: which published numbers moved, and why. One that moved without a reason no longer reproduces.

Reasons, the first that explains every figure that moved: the data (another manifest), the metric (another metrics
version), the scenario (another MES or weights under its name, or it is gone), the submission (other probabilities,
tau or router latency there), the field (others came, went or decide otherwise there: bands, flags and sensitivity
only), the interval (made another way) or the resampling (n_boot or seed), both for bounds, bands and flags that the
field does not explain, else the code. A row that is gone is removed where its submission is, else it counts as moved:
the code refuses or drops what it scored. What only the new board has was never published, so that it cannot have
moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_bench.types import InputError

_SAME = 1.5e-9  # the last published decimal, in which machines differ
_FIX = "name a folder that `board build` wrote"
_DECISIONS = "decisions_sha256"
_OF_TABLE = ("n", "groups", "protocol", "tiers", "best_fixed", "minimum_detectable_gap", "no_bands")
_OF_BANDS = ("band", "flags", "no_bands", "minimum_detectable_gap")  # what depends on other rows, and on the draws
_OVERALL = "(overall)"  # in place of a track and a scenario
_Key = tuple[str, str, str]
TABLE = "(table)"  # in place of a slug: what a table says of no router in particular


@dataclass(frozen=True)
class Move:
    """A row, or what a table says besides its rows, that differs.

    old, new: RCS and band (0: it has none), None where there is no row.
    """

    track: str
    scenario: str
    slug: str
    reason: str  # data, metric, scenario, interval, resampling, submission, field, code, added, removed
    old: tuple[float, int] | None
    new: tuple[float, int] | None
    figures: tuple[str, ...] = ()  # which moved, as paths: rcs.low, domains.chart.band

    @property
    def reproduces(self) -> bool:
        return self.reason != "code"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "reproduces": self.reproduces}


def read_board(path: Path) -> dict[str, Any]:
    """leaderboard.json of a board's folder, or that file itself. InputError where it is none."""
    file = path / "leaderboard.json" if path.is_dir() else path
    try:
        board = dict(json.loads(file.read_bytes()))
        _check_shape(board)
    except OSError as error:
        raise InputError.at(file, error.strerror or "cannot be read", _FIX) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError.at(file, "is no leaderboard.json", _FIX) from None
    return board


def _check_shape(board: Mapping[str, Any]) -> None:
    """Read once all that a comparison reads; one of the errors that a wrong shape gives otherwise."""
    _files(board)
    _shared_reason(board, board, "")
    for row in _rows(board).values():
        _seen(row)


def diff_boards(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Move]:
    """Rows that moved between two boards, in the order of the new one."""
    before, after = _rows(old), _rows(new)
    fields = _fields(before), _fields(after)
    moves = []
    for key in [*after, *(k for k in before if k not in after)]:
        a, b = before.get(key), after.get(key)
        figures = () if a is None or b is None else tuple(_moved(a, b))
        if a is None:
            reason = "added"
        elif b is None and key[2] not in _files(new):
            reason = "removed"
        elif b is None or figures:
            field_moved = fields[0].get(key[:2]) != fields[1].get(key[:2])
            submitted = _submitted(a, b, key[2], old, new)
            reason = _shared_reason(old, new, key[1]) or _reason(submitted, field_moved, figures, old, new)
        else:
            continue
        moves.append(Move(*key, reason, _seen(a), _seen(b), figures))
    return [move for move in moves if move.slug != TABLE or move.figures]  # of a table that is gone its rows tell


def _submitted(a: Mapping[str, Any], b: Mapping[str, Any] | None, slug: str, old: Any, new: Any) -> bool:
    """Whether a submission's own decisions on that track and scenario are others; its files, where no row says."""
    was, now = a.get(_DECISIONS), b and b.get(_DECISIONS)
    if not (was and now):
        was, now = _files(old).get(slug), _files(new).get(slug)
    return bool(now and now != was)


def _fields(rows: Mapping[_Key, Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """By track and scenario: who enters, with which decisions."""
    fields: dict[tuple[str, str], dict[str, Any]] = {}
    for (track, scenario, slug), row in rows.items():
        fields.setdefault((track, scenario), {})[slug] = row.get(_DECISIONS)
    return fields


def _reason(
    submitted: bool, field_moved: bool, figures: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]
) -> str:
    """Why a row has other figures, or none, in the new board, where data and metric are the same."""
    if submitted:
        return "submission"
    unexplained, reason = list(figures), "code"
    if field_moved:
        unexplained, reason = [figure for figure in unexplained if not _of_field(figure)], "field"
    if unexplained and old["bootstrap"] != new["bootstrap"]:
        made = [board["bootstrap"].get("interval") for board in (old, new)]  # a board of before has no such key
        reason = "interval" if made[0] != made[1] else "resampling"
        unexplained = [figure for figure in unexplained if not _of_resampling(figure)]
    return reason if figures and not unexplained else "code"


def _shared_reason(old: Mapping[str, Any], new: Mapping[str, Any], scenario: str) -> str:
    if old["dataset"]["manifest_sha256"] != new["dataset"]["manifest_sha256"]:
        return "data"
    if old["metrics_version"] != new["metrics_version"]:
        return "metric"
    asked = [board.get("scenarios", {}).get(scenario) for board in (old, new)]
    return "scenario" if asked[0] != asked[1] else ""


def _of_field(figure: str) -> bool:
    """Whether a figure of a row depends on the other rows."""
    return _name(figure) in _OF_BANDS or figure.startswith("sensitivity.")


def _of_resampling(figure: str) -> bool:
    """Whether a figure depends on the draws of the bootstrap, or on what is made of them."""
    return _name(figure) in ("low", "high", *_OF_BANDS) and not figure.startswith("sensitivity.")


def _name(figure: str) -> str:
    return figure.rpartition(".")[2]


def _files(board: Mapping[str, Any]) -> dict[str, str | None]:
    """SHA-256 of the files of every submission that the board knows, accepted or refused."""
    return {row["slug"]: row.get("sha256") for row in [*board.get("refused", []), *board["submissions"]]}


def _rows(board: Mapping[str, Any]) -> dict[_Key, dict[str, Any]]:
    """All that is published, by track, scenario and slug; lists whose items have a name become dicts."""
    rows = {}
    for table in board["tables"]:
        key, what_if = (table["track"], table["scenario"]), table.get("what_if", {})
        for row in table["rows"]:
            slug = row["slug"]
            rows[*key, slug] = row | {
                "domains": _by("domain", row["domains"]),
                "auroc": row["auroc"] if isinstance(row["auroc"], Mapping) else {"value": row["auroc"]},  # as before
                "apsp_at_ca": {str(point["ca"]): point for point in row.get("apsp_at_ca", [])},
                "auroc_tiers": {str(k): area for k, area in enumerate(row.get("auroc_tiers", []))},
                "random": table.get("random", {}).get(slug),
                "statistics": what_if.get("statistics", {}).get(slug),
            }
        rows[*key, TABLE] = {
            **{name: table[name] for name in _OF_TABLE if name in table},
            "references": _by("policy", table["references"]),
            "domain_references": {k: _by("policy", v) for k, v in table.get("domain_references", {}).items()},
            "frames": what_if.get("domains"),
            "fixed": what_if.get("fixed"),
            "sensitivity": table.get("sensitivity"),
        }
    return rows | _overall_rows(board)


def _overall_rows(board: Mapping[str, Any]) -> dict[_Key, dict[str, Any]]:
    """The rows over the suite, as those of a table. RCS stands for no figure there: gain is shown in its place."""
    overall = board.get("overall") or {"rows": []}
    told = {name: overall.get(name) for name in ("tracks", "groups", "minimum_detectable_gap", "no_bands")}
    rows = {(_OVERALL, "", row["slug"]): row | {"rcs": row["gain"]} for row in overall["rows"]}
    return rows | ({(_OVERALL, "", TABLE): told} if rows else {})


def _by(name: str, items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item[name]: item for item in items}


def _moved(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Paths of the figures of `old` that `new` has not, or has with another value; a list counts as one figure."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key, value in old.items():
            if key == _DECISIONS:
                continue
            yield from _moved(value, new.get(key), f"{path}.{key}" if path else key)
    elif not _same(old, new):
        yield path


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_same(value, new[key]) for key, value in old.items())
    if isinstance(old, (int, float)) and isinstance(new, (int, float)):
        return abs(old - new) <= _SAME
    return bool(old == new)


def _seen(row: Mapping[str, Any] | None) -> tuple[float, int] | None:
    return (float(row["rcs"]["value"]), int(row["band"] or 0)) if row and "slug" in row else None

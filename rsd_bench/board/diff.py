"""`board diff OLD NEW`: which rows moved, and why. A number that moved without a reason no longer reproduces.

Reasons, the first that holds: the data (another manifest), the metric (another metrics version), the resampling (n_boot
or seed), the submission (other files), the field (others came or went: bands only), else the code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_bench.types import InputError

_SAME = 1e-9
_FIGURES = ("rcs", "apsp", "ca", "ail", "gain")


@dataclass(frozen=True)
class Move:
    """One row that differs. old, new: RCS and band, None where the row is not there."""

    track: str
    scenario: str
    slug: str
    reason: str  # data, metric, resampling, submission, field, code, added, removed
    old: tuple[float, int] | None
    new: tuple[float, int] | None

    @property
    def reproduces(self) -> bool:
        return self.reason != "code"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "reproduces": self.reproduces}


def read_board(path: Path) -> dict[str, Any]:
    """leaderboard.json of a board's folder, or that file itself. InputError where it is none."""
    file = path / "leaderboard.json" if path.is_dir() else path
    try:
        board = json.loads(file.read_bytes())
        assert isinstance(board["tables"], list)
    except OSError as error:
        raise InputError.at(
            file, error.strerror or "cannot be read", "name a folder that `board build` wrote"
        ) from None
    except (ValueError, KeyError, TypeError, AssertionError):
        raise InputError.at(file, "is no leaderboard.json", "name a folder that `board build` wrote") from None
    return dict(board)


def diff_boards(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Move]:
    """Rows that moved between two boards, in the order of the new one."""
    before, after = _rows(old), _rows(new)
    hashes = [{s["slug"]: s.get("sha256") for s in board["submissions"]} for board in (old, new)]
    everything = _shared_reason(old, new)
    moves = []
    for key in [*after, *(k for k in before if k not in after)]:
        a, b = before.get(key), after.get(key)
        if a is None or b is None:
            reason = "added" if a is None else "removed"
        elif not (figures := _moved(a, b)) and a["band"] == b["band"]:
            continue
        else:
            slug = key[2]
            own = "submission" if hashes[0].get(slug) != hashes[1].get(slug) else ""
            field = "field" if not figures and hashes[0] != hashes[1] else ""
            reason = everything or own or field or "code"
        moves.append(Move(*key, reason, _seen(a), _seen(b)))
    return moves


def _rows(board: Mapping[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(t["track"], t["scenario"], row["slug"]): row for t in board["tables"] for row in t["rows"]}


def _shared_reason(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if old["dataset"]["manifest_sha256"] != new["dataset"]["manifest_sha256"]:
        return "data"
    if old["metrics_version"] != new["metrics_version"]:
        return "metric"
    return "resampling" if old["bootstrap"] != new["bootstrap"] else ""


def _moved(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return any(abs(a[name][k] - b[name][k]) > _SAME for name in _FIGURES for k in ("value", "low", "high"))


def _seen(row: Mapping[str, Any] | None) -> tuple[float, int] | None:
    return None if row is None else (row["rcs"]["value"], row["band"])

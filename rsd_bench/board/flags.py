"""What a reader of the board should know about a row: policies that decide nothing, or know too much."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from rsd_bench.submission.model import Submission

_NEAR_ORACLE = 0.99


def decision_flags(row: Mapping[str, Any]) -> list[str]:
    """Flags of one score row: constant policy, below the best fixed policy, at the oracle."""
    flags = []
    if row["ca"]["value"] in (0.0, 1.0):
        flags.append("constant policy")
    elif row["gain"]["value"] < 0:
        flags.append(f"below {row['best_fixed']}")
    if row["rcs"]["value"] >= _NEAR_ORACLE * row["oracle_rcs"] > 0:
        flags.append("at the oracle")
    return flags


def duplicate_flags(submissions: Iterable[Submission]) -> dict[str, list[str]]:
    """slug -> flag for submissions whose probabilities are identical on every track and scenario."""
    same: dict[str, list[str]] = defaultdict(list)
    for submission in submissions:
        digest = hashlib.sha256()
        for key in sorted(submission.p_edge):
            digest.update(repr(key).encode() + submission.p_edge[key].tobytes())
        same[digest.hexdigest()].append(submission.slug)
    return {
        slug: [f"same predictions as {', '.join(other for other in slugs if other != slug)}"]
        for slugs in same.values()
        if len(slugs) > 1
        for slug in slugs
    }

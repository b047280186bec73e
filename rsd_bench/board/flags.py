"""What a reader of the board should know about a row: policies that decide nothing, or know too much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

from rsd_bench.evaluation.result import EvalScore

_NEAR_ORACLE = 0.99
_NEAR_PERFECT = 0.98  # AUROC that no router of unseen queries reaches
DECLARED = "router latency declared, not measured"


def decision_flags(score: EvalScore) -> list[str]:
    """Flags of one score: constant policy, below the best fixed policy, at the oracle."""
    flags = []
    if score.ca.value in (0.0, 1.0):
        flags.append("constant policy")
    elif score.gain.value < 0:
        flags.append(f"below {score.best_fixed}")
    knows_labels = score.auroc is not None and score.auroc >= _NEAR_PERFECT
    if score.rcs.value >= _NEAR_ORACLE * score.oracle_rcs > 0 or knows_labels:
        flags.append("at the oracle")
    return flags


def duplicate_flags(digests: Mapping[str, Mapping[tuple[str, str], str]]) -> dict[str, list[str]]:
    """slug -> flag where two hold the same probabilities wherever both enter; digests by (track, scenario).

    Fewer tracks, or other ones besides, make no other router.
    """
    alike: dict[tuple[tuple[str, str], str], list[str]] = defaultdict(list)
    for slug, of_slug in digests.items():
        for item in of_slug.items():
            alike[item].append(slug)
    same: dict[str, list[str]] = defaultdict(list)
    pairs = {pair for slugs in alike.values() for pair in combinations(slugs, 2)}  # alike somewhere, so few
    for a, b in sorted(pairs):
        if all(digests[a][key] == digests[b][key] for key in digests[a].keys() & digests[b].keys()):
            same[a].append(b)
            same[b].append(a)
    return {slug: [f"same predictions as {', '.join(sorted(others))}"] for slug, others in same.items()}

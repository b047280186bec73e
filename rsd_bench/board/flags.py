"""What a reader of the board should know, or ask, about a row: policies that decide nothing, or seem to know too much.

A flag with a question mark is a question to the author, with the figure that raises it, and no verdict: a router may be
that good, and two honest runs of one recipe may be that alike (copies.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rsd_bench.evaluation.result import EvalScore

_NEAR_PERFECT = 0.98  # AUROC that no router of unseen queries reaches
_NOTABLE = 0.3  # share of the oracle's gain below which nothing is asked
_AHEAD = 2.0  # times what any router reaches of which nothing is asked
_NEAR_ORACLE = 0.75  # share of the oracle's gain at which it is asked whatever others reach
_LEAST_HEADROOM = 1e-9
_NAMED = 5  # routers that a flag names
DECLARED = "router latency declared, not measured"


def share_captured(score: EvalScore) -> float | None:
    """Share of the RCS oracle's gain over the best fixed policy that a router captures; None where there is none."""
    headroom = score.oracle_rcs - (score.rcs.value - score.gain.value)
    return score.gain.value / headroom if headroom > _LEAST_HEADROOM else None


def decision_flags(score: EvalScore) -> list[str]:
    """Flags of one score, where nothing is known of other routers."""
    return _flags(score, 0.0)[0]


def table_flags(scores: Mapping[str, EvalScore]) -> dict[str, list[str]]:
    """slug -> flags of the scores of one track and scenario.

    What is captured is held against the highest of the routers of which nothing is asked: from the lowest up, so that
    those who copied the answers are no measure for one another.
    """
    reach, flags = 0.0, {}
    for slug in sorted(scores, key=lambda slug: (share_captured(scores[slug]) or 0.0, slug)):
        flags[slug], asked = _flags(scores[slug], reach)
        if not asked:
            reach = max(reach, share_captured(scores[slug]) or 0.0)
    return flags


def _flags(score: EvalScore, reach: float) -> tuple[list[str], bool]:
    """Flags of a score, and whether one asks for what it captures. reach: what others capture."""
    flags = []
    if score.ca.value in (0.0, 1.0):
        flags.append("constant policy")
    elif score.gain.value < 0:
        flags.append(f"below {score.best_fixed}")
    figures = []
    share, shown = share_captured(score), not score.gain.low <= 0  # without an interval, the value has to do
    if share is not None and shown and (share >= _NEAR_ORACLE or share >= max(_NOTABLE, _AHEAD * reach)):
        others = f", other routers up to {100 * reach:.0f} %" if reach > 0 else ""
        figures.append(f"{100 * share:.0f} % of its gain over {score.best_fixed}{others}")
    if score.auroc.value >= _NEAR_PERFECT:
        figures.append(f"AUROC {score.auroc.value:.3f}")
    return flags + [f"near the oracle? {'; '.join(figures)}"] * bool(figures), bool(figures)


def copy_flag(others: Mapping[str, float]) -> str:
    """The flag of a router that decides as others do. others: slug -> share of the contested queries decided alike."""
    named: Sequence[str] = sorted(others)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    least = 100 * min(others.values())
    return (
        f"same decisions as {', '.join(named[:_NAMED])}{more}? {least:.1f} % of the contested queries of a track alike"
    )

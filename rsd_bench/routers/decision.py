"""From the features of queries to decisions, of any router: who answers, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rsd_bench.features.blocks import Features
from rsd_bench.metrics.tiers import decide_tiers
from rsd_bench.routers.saved_router import Decider, SavedRouter

if TYPE_CHECKING:
    from rsd_bench.routers.network import ReferenceRouter

TOP_WORDS, TOP_NEAREST = 10, 5


@dataclass(frozen=True)
class Decision:
    """Who answers: `edge` where p_edge >= tau, else `cloud`; of more than two tiers `edge` is the cheapest.

    tier: 0 (the cheapest) ... K - 1. expected_gain: points of RCS that the edge is expected to gain against the best of
    the others on this query, from routers that decide by it. words: with `explain`, the n-grams that moved the decision
    most, each with what it adds in favour of the edge: points of RCS, or of a classifier logits. nearest: with
    `explain`, of a router of words, the training queries that are most alike: id, and cosine of the weighted n-grams.
    """

    model: Literal["edge", "cloud"]
    p_edge: float
    tau: float
    tier: int = 0
    scenario: str = ""
    expected_gain: float | None = None
    words: tuple[tuple[str, float], ...] = ()
    nearest: tuple[tuple[str, float], ...] = ()


def decisions_of(
    router: ReferenceRouter | SavedRouter,
    decider: Decider,
    features: Features,
    questions: Sequence[str],
    limit: float | None = None,
    explain: bool = False,
) -> list[Decision]:
    """The decisions of one batch, from its features. limit: in place of the decider's tau."""
    head, tau = decider.router, decider.tau if limit is None else limit
    p = head.predict_p_edge(features)
    tiers = np.where(p >= tau, 0, 1)
    if getattr(head, "tiers", 2) > 2:
        tiers = decide_tiers(head.predict_p_tiers(features), head.tier_thresholds() if limit is None else limit)
    told = hasattr(head, "expected_gain") and decider.tau == head.threshold(None)  # else it was adapted
    gains = head.expected_gain(features).tolist() if told else [None] * len(p)
    words: Sequence[Any] = [()] * len(p)
    nearest: Sequence[Any] = words
    if explain and hasattr(head, "words"):
        words = [tuple(head.words(question)[:TOP_WORDS]) for question in questions]
    if explain and isinstance(router, SavedRouter) and router.known is not None:
        nearest = router.known.nearest(features.ngrams, TOP_NEAREST)
    name = decider.scenario.name
    return [
        Decision("cloud" if tier else "edge", value, tau, tier, name, *why)
        for value, tier, *why in zip(p.tolist(), tiers.tolist(), gains, words, nearest, strict=True)
    ]

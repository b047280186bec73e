"""What a score is read against: fixed policies, oracles, and dealing queries at random, under the names of a board."""

from __future__ import annotations

from dataclasses import replace

from rsd_bench.metrics.routing import score_of
from rsd_bench.metrics.tier_policies import best_fixed_tier, fixed_rows, label_oracle_choice, rcs_oracle_choice
from rsd_bench.metrics.tiers import Tiers, tier_columns
from rsd_bench.types import RoutingScore, Scenario


def fixed_names(count: int) -> tuple[str, ...]:
    """The fixed policies of K tiers, the cheapest first: all-edge and all-cloud of two, else all-at-1 ... all-at-K."""
    return ("all-edge", "all-cloud") if count == 2 else tuple(f"all-at-{k + 1}" for k in range(count))


def references_of(tiers: Tiers, scenario: Scenario) -> dict[str, RoutingScore]:
    """Fixed policies, which go straight to their tier in a cascade too, and the oracles of the router's kind."""
    fixed = fixed_rows(replace(tiers, cascade=False), scenario).values()
    rows = dict(zip(fixed_names(tiers.count), fixed, strict=True))
    oracles = {"label-oracle": label_oracle_choice(tiers, scenario), "rcs-oracle": rcs_oracle_choice(tiers, scenario)}
    return rows | {name: score_of(tier_columns(of, tiers, scenario.mes), scenario) for name, of in oracles.items()}


def best_fixed_name(rows: dict[str, RoutingScore], count: int) -> str:
    """The fixed policy of the highest RCS among the references of K tiers; ties go to the dearest."""
    names = fixed_names(count)
    return names[best_fixed_tier([rows[name] for name in names])]

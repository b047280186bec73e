"""Adapt a router to a domain that it never saw, from few labelled queries of it: only its threshold moves.

Queries without outcomes say how p_edge is spread in the new domain, and so which threshold keeps which share of it on
the edge. Labelled ones say what each of these thresholds earns. The router's own stays unless another one earns more by
a standard error: few labels leave a router as it was trained, many choose among fixed policies and shares between.
What the rule is worth is measured in `studies/domains.py`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import (
    ADAPT_ERRORS,
    ADAPT_PRIOR_QUERIES,
    ADAPT_PRIOR_VARIANCE,
    ADAPT_SHARES,
    IN_DOMAIN,
    TAU_ALL_CLOUD,
)
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.check_figures import LATENCIES, SCORES
from rsd_bench.dataset.manifest_entries import ModelPair
from rsd_bench.features.blocks import ANSWER, Features
from rsd_bench.folders import new_folder
from rsd_bench.metrics.arrays import FloatArray, group_codes
from rsd_bench.metrics.bootstrap import group_sums
from rsd_bench.metrics.routing import Outcomes, routing_gain
from rsd_bench.routers.pipeline import deciders_of, open_checkpoint, p_of
from rsd_bench.routers.registry import Entry, router_entry
from rsd_bench.routers.saved_router import (
    ADAPTED_TO,
    OWN_FILE,
    SavedRouter,
    adapted_sentence,
    is_checkpoint,
    write_router,
)
from rsd_bench.routers.saved_state import CONFIG, read_settings
from rsd_bench.types import InputError, Scenario


@dataclass(frozen=True)
class AdaptedTau:
    """A threshold for a new domain. kept: the share of its queries that stays on the edge; None: tau is as trained.

    more, error: points of RCS that it earned on labelled queries over the router as trained, and their standard error.
    """

    tau: float
    kept: float | None = None
    more: float = 0.0
    error: float = 0.0


def adapted_tau(
    p_domain: FloatArray,
    p_labelled: FloatArray,
    outcomes: Outcomes,
    groups: NDArray[np.object_],
    scenario: Scenario,
    tau: float,
) -> AdaptedTau:
    """The threshold for a domain: `tau` itself, or that of a share of ADAPT_SHARES which is certainly better.

    p_domain: p_edge of any queries of the domain. p_labelled, outcomes, groups: of the labelled ones, shape (n,).
    """
    gain, own, n = routing_gain(outcomes, scenario), p_labelled >= tau, len(p_labelled)
    best, best_bound = AdaptedTau(tau), 0.0
    codes = group_codes(groups, n)
    for share in ADAPT_SHARES:
        limit = _keeping(p_domain, share)
        each = ((p_labelled >= limit).astype(np.float64) - own) * gain
        sums = group_sums(np.column_stack([each, np.ones(n)]), codes)
        mean = float(each.mean())
        spread = float(((sums[:, 0] - mean * sums[:, 1]) ** 2).sum()) + ADAPT_PRIOR_QUERIES * ADAPT_PRIOR_VARIANCE
        error = float(np.sqrt(spread / (n + ADAPT_PRIOR_QUERIES) / n))
        likely = mean * n / (n + ADAPT_PRIOR_QUERIES)
        if (bound := likely - ADAPT_ERRORS * error) > best_bound:
            best, best_bound = AdaptedTau(limit, share, 100 * mean, 100 * error), bound
    return best


def _keeping(p: FloatArray, share: float) -> float:
    """The tau that keeps a share of queries of these p on the edge."""
    if share in (0.0, 1.0):
        return TAU_ALL_CLOUD if share == 0 else 0.0
    return float(np.quantile(p, 1 - share))


@dataclass(frozen=True)
class Adapted:
    """What `adapt_router` did: thresholds by scenario, from how many queries of which dataset."""

    dataset: str
    pair: ModelPair
    queries: int
    labelled: int
    thresholds: dict[str, AdaptedTau]


def adapt_router(
    checkpoint: Path, out: Path, benchmark: Benchmark, features: Features, *, trust: bool = False
) -> Adapted:
    """Write the checkpoint of a router for the queries of another dataset, whole or not at all.

    benchmark: may lack outcomes (`read_queries`); queries that have them are labelled. features: of all queries.
    InputError where the router is none that this can adapt, or no query is labelled.
    """
    router = open_checkpoint(checkpoint, trust)
    own = deciders_of(router)
    if any(getattr(of.router, "tiers", 2) > 2 for of in own.values()):
        raise InputError.at(checkpoint, "decides among more than two models", "adapt a router of two")
    if isinstance(router, SavedRouter) and ANSWER in router.blocks:
        raise InputError.at(checkpoint, "is a cascade", "adapt a router that decides by the query alone")
    known = benchmark.queries[[*SCORES, *LATENCIES]].notna().all(axis=1).to_numpy(np.bool_)
    labelled = np.flatnonzero(known)
    if not len(labelled):
        raise InputError.at(
            benchmark.folder, "holds no query with the outcomes of both models", "label some: 20 or more"
        )
    part = benchmark.at(IN_DOMAIN, labelled)
    thresholds = {}
    for name, of in own.items():
        p = p_of(router, features, name)
        thresholds[name] = adapted_tau(p, p[labelled], part.outcomes, part.groups, of.scenario, of.tau)
    manifest = benchmark.manifest
    told = Adapted(f"{manifest.name} {manifest.version}", manifest.pair, len(known), len(labelled), thresholds)
    with new_folder(out, may_replace=is_checkpoint) as folder:
        if isinstance(router, SavedRouter):
            deciders = {name: replace(of, tau=thresholds[name].tau) for name, of in own.items()}
            trained_on = {**router.trained_on, **_adaptation(told)}
            write_router(folder, replace(router, deciders=deciders, trained_on=trained_on), _entry(checkpoint, router))
        else:
            _write_reference(folder, checkpoint, told)
    return told


def _adaptation(told: Adapted) -> dict[str, Any]:
    """Of `trained_on`. No manifest: no submission, since it may have seen whatever would test it."""
    return {ADAPTED_TO: asdict(told), "manifests": []}


def _entry(checkpoint: Path, router: SavedRouter) -> Entry:
    return router_entry(str(checkpoint / OWN_FILE) if (checkpoint / OWN_FILE).is_file() else router.name)


def _write_reference(folder: Path, checkpoint: Path, told: Adapted) -> None:
    """Its weights and what was said of its training as they are, with another threshold."""
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    (found,) = told.thresholds.values()
    config = read_settings(folder / CONFIG)
    config |= {"tau": found.tau, "trained_on": {**(config.get("trained_on") or {}), **_adaptation(told)}}
    (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
    with (folder / "README.md").open("a", encoding="utf-8", newline="\n") as card:
        card.write(f"\n{adapted_sentence(asdict(told))} Its tau is now {found.tau:g}.\n")

"""Latency of a (small, large) pair, with its basis: clocked where a source clocked both sides, else a declared profile.

A source is never mixed: it uses its own latencies only where both models have one on every query, else the profile.
Whatever it rests on, a latency is a number of seconds from 0 to `config.MAX_SECONDS`.
RCS divides by the mean latency of the large model, in each resample anew: `unclocked_groups` says whether it may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import MAX_SECONDS, MAX_UNCLOCKED, MEASURED_BASES, NO_LATENCY_S, LatencyProfile
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray, outside
from rsd_bench.types import InputError


@dataclass(frozen=True)
class TierOutcomes:
    """One model's clocked figures for n queries; NaN where unknown. basis: measured, reported or None."""

    tier: str  # small or large of a pair, else the model
    model: str
    latency_s: FloatArray
    basis: NDArray[Any]
    output_tokens: FloatArray


@dataclass(frozen=True)
class PairLatency:
    """Seconds for both sides and the basis of each row, shape (n,)."""

    small_s: FloatArray
    large_s: FloatArray
    basis: NDArray[Any]


def pair_latency(
    query_ids: Sequence[str] | NDArray[Any],
    sources: NDArray[Any],
    small: TierOutcomes,
    large: TierOutcomes,
    profile: LatencyProfile,
) -> PairLatency:
    """Latencies of a pair for n queries of the named sources, each source on one basis (a token profile: each row).

    InputError naming the query where one, clocked or modelled, is none.
    """
    seconds, basis = tier_latency(query_ids, sources, (small, large), profile)
    return PairLatency(seconds[:, 0], seconds[:, 1], basis)


def tier_latency(
    query_ids: Sequence[str] | NDArray[Any],
    sources: NDArray[Any],
    tiers: Sequence[TierOutcomes],
    profile: LatencyProfile,
) -> tuple[FloatArray, NDArray[Any]]:
    """`pair_latency` of K tiers in order of cost: seconds, shape (n, K), and the basis of each row, shape (n,).

    Tiers between the first and the last, of which a profile says nothing, are evenly spaced between them.
    """
    seconds = np.empty((len(sources), len(tiers)), order="F")
    basis = np.empty(len(sources), dtype=object)
    for source in np.unique(sources):
        rows = sources == source
        if clocked := _clocked_basis(tiers, rows):
            seconds[rows], basis[rows] = np.column_stack([tier.latency_s[rows] for tier in tiers]), clocked
        else:
            seconds[rows], basis[rows] = _modelled(tiers, rows, profile)
    for k, tier in enumerate(tiers):
        if (bad := outside(seconds[:, k], MAX_SECONDS)).any():
            i = int(np.argmax(bad))
            what = f"{tier.tier}_latency_s is {seconds[i, k]:g}, which is no latency ({basis[i]})"
            raise InputError.at(query_ids[i], what, f"give a number of seconds from 0 to {MAX_SECONDS:g}")
    return seconds, basis


def _clocked_basis(tiers: Sequence[TierOutcomes], rows: BoolArray) -> str | None:
    """`measured` or `reported` where every row has a latency of every tier, the weakest of them; else None."""
    if any(np.isnan(tier.latency_s[rows]).any() for tier in tiers):
        return None
    found = {basis for tier in tiers for basis in tier.basis[rows]}
    return MEASURED_BASES[0] if found == {MEASURED_BASES[0]} else MEASURED_BASES[1]


def _modelled(
    tiers: Sequence[TierOutcomes], rows: BoolArray, profile: LatencyProfile
) -> tuple[FloatArray, NDArray[Any]]:
    """Seconds, shape (rows, K), and the basis of each row."""
    n, constant = int(rows.sum()), profile.fallback or profile
    stated = np.linspace(constant.tiers["small"], constant.tiers["large"], len(tiers))
    seconds = np.tile(stated, (n, 1))
    if profile.fallback is None:
        return seconds, np.full(n, profile.basis, dtype=object)
    by_tokens = np.zeros(n, np.bool_)
    for k, tier in enumerate(tiers):
        first, per_token = profile.models.get(tier.model, (np.nan, np.nan))
        fitted = first + per_token * tier.output_tokens[rows]
        known = ~np.isnan(fitted)
        seconds[known, k] = fitted[known]
        by_tokens |= known
    return seconds, np.where(by_tokens, profile.basis, constant.basis).astype(object)


def unclocked_groups(large_latency: FloatArray, codes: IntArray) -> str:
    """ "3 of 5 groups" where so many have no latency of the large model that a resample may have none; else "".

    codes: group of each query, >= 0. At most MAX_UNCLOCKED of the groups may be such, so none of fewer than ten. NaN,
    as private outcomes have it, is not 0.
    """
    queries, seconds = np.bincount(codes), np.bincount(codes, large_latency)
    groups, none = np.count_nonzero(queries), np.count_nonzero((queries > 0) & (seconds < NO_LATENCY_S))
    return f"{none:,} of {groups:,} groups" if none > MAX_UNCLOCKED * groups else ""


def check_latency(large_latency: FloatArray, codes: IntArray) -> None:
    """Refuse latencies of which `unclocked_groups` warns (ValueError)."""
    if found := unclocked_groups(large_latency, codes):
        raise ValueError(f"large_latency: is 0 in {found}, so that a resample may save no latency; clock it")

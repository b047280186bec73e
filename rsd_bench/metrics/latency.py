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

    tier: str  # small or large
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
    small_s, large_s, basis = np.empty(len(sources)), np.empty(len(sources)), np.empty(len(sources), dtype=object)
    for source in np.unique(sources):
        rows = sources == source
        clocked = _clocked_basis(small, large, rows)
        if clocked:
            small_s[rows], large_s[rows], basis[rows] = small.latency_s[rows], large.latency_s[rows], clocked
        else:
            small_s[rows], large_s[rows], basis[rows] = _modelled(small, large, rows, profile)
    for tier, seconds in (("small", small_s), ("large", large_s)):
        if (bad := outside(seconds, MAX_SECONDS)).any():
            i = int(np.argmax(bad))
            what = f"{tier}_latency_s is {seconds[i]:g}, which is no latency ({basis[i]})"
            raise InputError.at(query_ids[i], what, f"give a number of seconds from 0 to {MAX_SECONDS:g}")
    return PairLatency(small_s, large_s, basis)


def _clocked_basis(small: TierOutcomes, large: TierOutcomes, rows: BoolArray) -> str | None:
    """`measured` or `reported` where every row has a latency of both sides, the weaker of the two; else None."""
    if np.isnan(small.latency_s[rows]).any() or np.isnan(large.latency_s[rows]).any():
        return None
    found = {*small.basis[rows], *large.basis[rows]}
    return MEASURED_BASES[0] if found == {MEASURED_BASES[0]} else MEASURED_BASES[1]


def _modelled(
    small: TierOutcomes, large: TierOutcomes, rows: BoolArray, profile: LatencyProfile
) -> tuple[FloatArray, FloatArray, NDArray[Any]]:
    n = int(rows.sum())
    fallback = profile.fallback
    if fallback is None:
        fast, slow = (np.full(n, profile.tiers[side.tier], np.float64) for side in (small, large))
        return fast, slow, np.full(n, profile.basis, dtype=object)
    sides, by_tokens = [], np.zeros(n, np.bool_)
    for side in (small, large):
        first, per_token = profile.models.get(side.model, (np.nan, np.nan))
        fitted = first + per_token * side.output_tokens[rows]
        by_tokens |= ~np.isnan(fitted)
        sides.append(np.where(np.isnan(fitted), fallback.tiers[side.tier], fitted))
    basis = np.where(by_tokens, profile.basis, fallback.basis).astype(object)
    return sides[0], sides[1], basis


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

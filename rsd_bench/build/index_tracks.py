"""The tracks of a dataset: those that a recipe names, each with queries, and one for each domain that can be held out.

A track's rows are the queries with a score of every model that it routes between.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from rsd_bench.build.recipe import Recipe
from rsd_bench.config import DOMAIN_OUT, FIXED_TEST, SPLITS
from rsd_bench.dataset.tier_outcomes import TierFigures
from rsd_bench.dataset.tracks import FOLD, Track, in_domain, leave_one_out, parts_of
from rsd_bench.types import InputError, Problem

_Tiers = Mapping[tuple[str, ...], TierFigures]


def tracks_with_rows(recipe: Recipe, queries: pd.DataFrame, tiers: _Tiers) -> tuple[Track, ...]:
    """Leave-one-domain-out tracks that have every part, and the recipe's own, which must have every part.

    tiers: figures of `queries` for each list of models that a track names. InputError listing every problem.
    """
    domains = sorted(queries["domain"].unique())
    named = {track.name for track in recipe.tracks}
    held_out = FIXED_TEST if recipe.protocol == FIXED_TEST else DOMAIN_OUT
    left_out = [track for track in leave_one_out(domains, held_out) if track.name not in named]
    problems = [problem for track in recipe.tracks for problem in _problems(track, recipe, queries, tiers)]
    if problems:
        raise InputError(problems)
    kept = [track for track in left_out if not _lacking(track, queries, tiers)]
    return (in_domain(recipe.protocol), *kept, *recipe.tracks)


def track_parts(track: Track, queries: pd.DataFrame, tiers: _Tiers) -> list[str | None]:
    """The part of each query in a track."""
    return parts_of(track, queries, tiers[track.tiers].scored if track.tiers else None)


def _problems(track: Track, recipe: Recipe, queries: pd.DataFrame, tiers: _Tiers) -> list[Problem]:
    """Why a recipe's track cannot be."""
    where = f"track {track.name!r}"
    known = {"domain": sorted(queries["domain"].unique()), "source": sorted(queries["source"].unique())}
    found = [
        Problem(recipe.name, f"{where}: no {kind} {name!r}", f"use {', '.join(known[kind])}")
        for kind, names in (("domain", (*track.train, *track.test)), ("source", track.sources))
        for name in names
        if name not in known[kind]
    ]
    if found:
        return found
    if track.tiers:
        inside = queries["source"].isin(track.sources or known["source"]).to_numpy()
        if not (tiers[track.tiers].scored & inside).any():
            what = f"{where}: no query has a score of all of {', '.join(track.tiers)}"
            return [Problem(recipe.name, what, "name models that answered the same queries, or leave out the track")]
    if lacking := _lacking(track, queries, tiers):
        what = f"{where} has no {' and no '.join(lacking)} query"
        return [Problem(recipe.name, what, "name domains of more groups, or leave out the track")]
    return []


def _lacking(track: Track, queries: pd.DataFrame, tiers: _Tiers) -> list[str]:
    """The parts of a track without a query (a domain of a few groups may have none in some split)."""
    parts = set(track_parts(track, queries, tiers))
    return [part for part in ((FOLD,) if track.cross_fitted else SPLITS) if part not in parts]

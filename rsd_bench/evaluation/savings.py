"""USD that a routing saves, from the tokens of a dataset's answers and a price file whose day is named.

Tokens are those that a source noted, never what the author of a submission says. A query counts where the tokens of all
models are known, whichever of them answered: what a router decides must not choose the queries it is measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsd_bench.config import N_BOOT
from rsd_bench.endpoints.prices import Prices
from rsd_bench.metrics.arrays import group_codes
from rsd_bench.metrics.tier_intervals import saved_usd_interval
from rsd_bench.types import Interval


@dataclass(frozen=True)
class SavedUsd:
    """USD per 1,000 queries against all of them on the last model, at the prices of `day`, over `n` of the queries."""

    usd: Interval
    n: int
    day: str


def saved_by_tokens(
    choice: Any,
    *,
    input_tokens: Any,
    output_tokens: Any,
    models: Sequence[str],
    prices: Prices,
    cascade: bool = False,
    groups: Any = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> SavedUsd | None:
    """What a routing saves; None where a model has no price or no query has the tokens of all models.

    choice: the tier that answers, 0 ... K - 1, shape (n,) or (n, repeats). input_tokens, output_tokens: shape (n, K),
    NaN where unknown. models: the K ids by which `prices` knows them, the cheapest first. cascade: a query pays for
    every tier up to the one that answers. groups: ids, shape (n,). Raises ValueError naming the argument.
    """
    tokens = [
        _tokens(of, name, len(models))
        for of, name in ((input_tokens, "input_tokens"), (output_tokens, "output_tokens"))
    ]
    if len(tokens[0]) != len(tokens[1]):
        raise ValueError(f"output_tokens: has {len(tokens[1])} rows where {len(tokens[0])} are needed")
    chosen, codes = np.asarray(choice), group_codes(groups, len(tokens[0]))
    if not chosen.ndim or len(chosen) != len(codes):
        raise ValueError(f"choice: must have {len(codes)} rows, a tier for each query")
    known = ~np.isnan(np.hstack(tokens)).any(axis=1)
    priced = [prices.models.get(model) for model in models]
    if None in priced or not known.any():
        return None
    each = [price.of(*(of[known, k] for of in tokens)) for k, price in enumerate(priced) if price]
    saved = saved_usd_interval(
        chosen[known], costs=np.column_stack(each), cascade=cascade, groups=codes[known], n_boot=n_boot, seed=seed
    )
    return SavedUsd(saved, int(known.sum()), prices.day)


def _tokens(values: Any, name: str, models: int) -> Any:
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: not a table of numbers") from None
    if table.ndim != 2 or table.shape[1] != models:
        raise ValueError(f"{name}: must have a row for each query and a column for each of {models} models")
    if (table < 0).any():
        raise ValueError(f"{name}: holds a negative number of tokens")
    return table

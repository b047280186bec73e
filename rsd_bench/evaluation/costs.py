"""What a query costs on each tier, from the tokens of its outcomes and a file of prices.

Tokens are the dataset's and prices those of a dated file, the shipped one or that of whoever scores: nothing that the
author of a submission says counts. A price file names models as their providers do, a dataset by their canonical names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from rsd_bench.config import load_aliases
from rsd_bench.dataset.benchmark import Benchmark, verify_files
from rsd_bench.dataset.parts import Part
from rsd_bench.dataset.tables import read_rows
from rsd_bench.endpoints.prices import Price, Prices, load_prices
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.model_names import models_meant
from rsd_bench.types import InputError, Problem

_TOKENS = {"query_id": pa.string(), "model": pa.string(), "input_tokens": pa.int64(), "output_tokens": pa.int64()}
_READ: dict[str, pd.DataFrame] = {}  # tokens of the dataset that was scored last


def prices_of(benchmark: Benchmark, path: Path | None = None) -> Prices:
    """The price file at `path` (default: the shipped one) by the dataset's own names of models.

    InputError listing every fault of the file, and every model whose price it says twice.
    """
    told, aliases = load_prices(path), load_aliases()
    manifest = benchmark.manifest
    pairs = [manifest.pair_of(source) for source in manifest.sources]
    models = {model for pair in pairs for model in (pair.small, pair.large)}
    models |= {model for track in manifest.tracks for model in track.tiers}
    found: dict[str, dict[str, Price]] = {}
    for name, price in told.models.items():
        if len(meant := models_meant(name, models, aliases)) == 1:
            found.setdefault(meant.pop(), {})[name] = price
    prices = {model: named.get(model, next(iter(named.values()))) for model, named in sorted(found.items())}
    problems = [
        Problem(str(path or "prices"), f"has {len(named)} prices of {model!r}: {', '.join(named)}", "keep one of them")
        for model, named in sorted(found.items())
        if model not in named and len(set(named.values())) > 1
    ]
    if problems:
        raise InputError(problems)
    return Prices(told.day, prices)


def tier_costs(benchmark: Benchmark, track: str, part: Part, prices: Prices) -> FloatArray | None:
    """USD of each query of a part of a track on each tier, shape (n, K). prices: by the dataset's names (`prices_of`).

    NaN where an outcome has no tokens, None where a model has no price or no query tokens of all models: a cost that is
    not known is never 0.
    """
    models = _models(benchmark, track, part)
    if not all(model in prices.models for of in models for model in np.unique(of)):
        return None
    tokens = _tokens(benchmark)
    costs = np.empty((len(part), len(models)))
    for k, of in enumerate(models):
        asked = tokens.reindex(pd.MultiIndex.from_arrays([part.query_ids, of]))
        for model in np.unique(of):
            rows, price = of == model, prices.models[model]
            costs[rows, k] = price.of(*(asked[name].to_numpy(np.float64)[rows] for name in list(_TOKENS)[2:]))
    return None if np.isnan(costs).any(axis=1).all() else costs


def _models(benchmark: Benchmark, track: str, part: Part) -> list[np.ndarray]:
    """The model of each tier, one array of shape (n,) a tier."""
    tiers = benchmark.track(track).tiers
    if tiers:
        return [np.full(len(part), model, object) for model in tiers]
    pairs = [benchmark.manifest.pair_of(source) for source in part.queries["source"]]
    return [np.array([getattr(pair, side) for pair in pairs], object) for side in ("small", "large")]


def _tokens(benchmark: Benchmark) -> pd.DataFrame:
    """Tokens by query and model, NaN where nobody counted them. InputError where they are not the manifest's."""
    if benchmark.manifest_sha256 not in _READ:
        verify_files(benchmark.folder, benchmark.manifest, ("outcomes",))
        frame = read_rows(benchmark.folder, "outcomes", _TOKENS).frame
        _READ.clear()
        _READ[benchmark.manifest_sha256] = frame.set_index(["query_id", "model"]).astype(np.float64)
    return _READ[benchmark.manifest_sha256]

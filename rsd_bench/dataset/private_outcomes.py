"""Private test outcomes: a dataset that is published without the test scores, and the scores that only scoring sees.

The public folder has its test rows in `pairs` with null scores and latencies. `data push --private-outcomes` writes the
private one (a folder, or a gated Hub repository), which names the public manifest that it belongs to:

    outcomes/test-*.parquet   in the layout of the dataset's own `outcomes` table; judgments/ likewise
    manifest.json             of_manifest: SHA-256 of the public manifest.json; files: SHA-256 of what lies here
    noise.key                 64 hex digits: the secret key of the noise on published figures
    ledger.jsonl              where scorings are entered in place (score.yml): of `evaluation.private_scoring`

The key lies with the outcomes and not in the ledger of scorings, so that a ledger that is lost changes no figure. It is
made once, by the first push, and later pushes keep it: with a new key, equal questions get new noise, and the mean of
many tells what the noise hides.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import MAX_SECONDS, MEASURED_BASES, SCORE_MAX
from rsd_bench.dataset.benchmark import Benchmark, latency_problems, read_queries
from rsd_bench.dataset.check_figures import LATENCIES, SCORES
from rsd_bench.dataset.layout import LATENCY, MANIFEST, PRIVATE_SPLIT
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.dataset.tier_outcomes import tier_outcomes
from rsd_bench.metrics.arrays import entered
from rsd_bench.metrics.latency import pair_latency
from rsd_bench.types import InputError

NOISE_KEY, LEDGER = "noise.key", "ledger.jsonl"
KEY_BYTES = 32
_KEY = re.compile(rb"[0-9a-f]{%d}" % (2 * KEY_BYTES))
_COLUMNS = ["query_id", "model", "score", "latency_s", "latency_basis", "output_tokens"]


def open_private_benchmark(folder: Path, private: Path) -> Benchmark:
    """The benchmark of a dataset folder with its in-domain test outcomes taken from `private`.

    InputError where `private` belongs to another dataset or version, was changed or has no noise key, and where an
    outcome of a test query is missing, doubled or no score; it never says which one.
    """
    benchmark = read_queries(folder)
    shards = sorted((private / "outcomes").glob(f"{PRIVATE_SPLIT}-*.parquet"))
    if not shards:
        raise InputError.at(private, "has no outcomes/test-*.parquet", "name the folder of the private test outcomes")
    manifest = _manifest_of(private, shards, benchmark)
    key = _key_of(private)
    try:
        outcomes = pa.concat_tables(pq.read_table(s, columns=_COLUMNS, partitioning=None) for s in shards).to_pandas()
    except (pa.ArrowException, KeyError, OSError):
        raise InputError.at(private, "cannot be read", f"columns: {', '.join(_COLUMNS)}") from None
    queries = benchmark.queries.copy()
    test = np.flatnonzero((queries["split"] == PRIVATE_SPLIT).to_numpy(np.bool_, na_value=False))
    ids = pd.Index(queries["query_id"].iloc[test])
    sides = []
    for tier in ("small", "large"):
        model = getattr(benchmark.manifest.pair, tier)
        side = outcomes[outcomes["model"] == model]
        if side["query_id"].duplicated().any():
            raise InputError.at(private, f"has two outcomes of {model} for one query", "keep one")
        side = side.set_index("query_id").reindex(ids)
        scores = side["score"].to_numpy(np.float64, na_value=np.nan)
        if not ((scores >= 0) & (scores <= SCORE_MAX)).all():
            raise InputError.at(private, f"lacks a score in [0, 10] of {model} for a test query", "add the outcomes")
        queries.loc[queries.index[test], f"{tier}_score"] = [entered(score) for score in scores]
        sides.append(tier_outcomes(tier, model, side))
    profile = benchmark.manifest.profile
    sources = queries["source"].iloc[test].to_numpy(object)
    modelled = ~np.isin(sources, _clocked_sources(queries))
    sides = [replace(side, latency_s=np.where(modelled, np.nan, side.latency_s)) for side in sides]
    try:
        latency = pair_latency(ids, sources, sides[0], sides[1], profile)
    except InputError:  # names the query
        fix = f"a latency is a number of seconds from 0 to {MAX_SECONDS:g}"
        raise InputError.at(private, "has a latency of a test query that is none", fix) from None
    for name, values in zip(LATENCY, (latency.small_s, latency.large_s, latency.basis), strict=True):
        queries.loc[queries.index[test], name] = values
    # a submission may name the built folder: the private side alone may tell which that was
    named = replace(benchmark.manifest, derived_from=manifest.get("derived_from", benchmark.manifest.derived_from))
    digest = _digest(queries.iloc[test])
    opened = replace(benchmark, manifest=named, queries=queries, private_sha256=digest, noise_key=key)
    if latency_problems(opened):  # which name the domain
        what = "lacks latency of the large model for so many test queries that none can be saved against it"
        raise InputError.at(private, what, "give its latencies, or name a latency profile")
    return opened


def _clocked_sources(queries: pd.DataFrame) -> list[str]:
    """Sources whose public rows are clocked: a source is on one basis, in the test split as in the others."""
    public = queries[queries["split"] != PRIVATE_SPLIT]
    return sorted(public.loc[public["latency_basis"].isin(MEASURED_BASES), "source"].unique())


def _manifest_of(private: Path, shards: list[Path], benchmark: Benchmark) -> Mapping[str, Any]:
    """The manifest of a private folder; InputError where it is not that of this public folder and these shards."""
    fix = "fetch both as they were pushed, at the same version"
    try:
        manifest = json.loads((private / MANIFEST).read_bytes())
        files = {name: entry["sha256"] for name, entry in manifest["files"].items()}
        of, derived = manifest.get("of_manifest"), manifest.get("derived_from")
    except FileNotFoundError:
        what = f"has no {MANIFEST}, so that nothing says which dataset it belongs to"
        raise InputError.at(private, what, "name the folder that `data push --private-outcomes` wrote") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError.at(private / MANIFEST, "is no manifest of private outcomes", fix) from None
    # before of_manifest there was the built folder, which both sides named
    belongs = of == benchmark.manifest_sha256 if of else derived and derived == benchmark.manifest.derived_from
    if not belongs:
        what = f"holds the outcomes of another dataset or version than {benchmark.folder}"
        raise InputError.at(private, what, fix)
    found = {f"outcomes/{shard.name}": file_sha256(shard) for shard in shards}
    listed = {name: sha256 for name, sha256 in files.items() if name.startswith("outcomes/")}
    for name in sorted(found.keys() | listed.keys()):
        if found.get(name) != listed.get(name):
            raise InputError.at(private / name, "is not the file that the manifest names", fix)
    return dict(manifest)


def _key_of(private: Path) -> bytes:
    """The key of the noise. InputError where there is none: a key made here would be another one tomorrow."""
    path = private / NOISE_KEY
    try:
        return read_noise_key(path.read_bytes(), path)
    except OSError:
        fix = f"push the dataset again, or write the `key` of its ledger's first line into {NOISE_KEY} there"
        raise InputError.at(private, f"has no {NOISE_KEY}, the key of the noise", fix) from None


def read_noise_key(text: bytes, where: object) -> bytes:
    """The key that a key file holds. InputError where it holds none."""
    if not _KEY.fullmatch(text.strip()):
        raise InputError.at(where, f"is no key: it must be {2 * KEY_BYTES} hex digits, 0-9 and a-f", "restore it")
    return bytes.fromhex(text.decode())


def _digest(test: pd.DataFrame) -> str:
    """SHA-256 of the test outcomes themselves, whatever the files they came in look like."""
    text = test[["query_id", *SCORES, *LATENCIES]].to_csv(index=False, float_format="%r", lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()

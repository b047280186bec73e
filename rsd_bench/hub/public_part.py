"""What is public of a dataset whose test outcomes are private: its tables and the facts of its manifest.

Everything is computed from the queries and from the outcomes of training and validation, as if those of the test split
did not exist: no count, mean, digest, byte or size of a public file is a function of a private outcome. So

- every test query stands in `pairs` without scores, labels and latencies, in `outcomes` once a model that the public
  splits of its source name, and in `judgments` not at all: how many answers and judge calls there are is private, too;
- a source is clocked in public where its public rows are, whatever the test rows have, and shards end where their
  public bytes say;
- label noise, judges and score rules are those of the public splits; what answers say of themselves (served models)
  goes with the private files, and so does `derived_from`, a digest of the built files.

That a query is there at all says that both models have a score, and no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rsd_bench.build.provenance import mean_noise
from rsd_bench.build.shards import SplitShards
from rsd_bench.config import SPLITS
from rsd_bench.dataset.layout import (
    LATENCY,
    OUTCOME_COLUMNS,
    PRIVATE,
    PRIVATE_SPLIT,
    PRIVATE_TABLES,
    ROWS_PER_GROUP,
)
from rsd_bench.dataset.manifest import Manifest, SourceEntry
from rsd_bench.dataset.tier_outcomes import tier_outcomes
from rsd_bench.hub.withheld_content import without_content
from rsd_bench.judge.audit import Judged, Key, label_flips
from rsd_bench.judge.prompt import mark_code
from rsd_bench.judge.score_answers import score_rule
from rsd_bench.metrics.latency import pair_latency
from rsd_bench.sources.store.store_tables import scored_by_us
from rsd_bench.types import InputError

PUBLIC_SPLITS = tuple(split for split in SPLITS if split != PRIVATE_SPLIT)
_CLOCKED = ("query_id", "model", "latency_s", "latency_basis", "output_tokens")
_OF_ANSWERS = ("served_models", "earlier")  # of a `live` entry: read from answers, not set by who asked


def public_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest without what could be computed from private outcomes; keys that this version does not know go.

    InputError where all queries are in the test split.
    """
    if not _sources_of(folder):
        fix = "add queries; private outcomes need public ones beside them"
        raise InputError.at(folder, "has no training and no validation query", fix)
    judges = _judges_by_source(folder)
    basis = public_latencies(folder, manifest)["latency_basis"].value_counts().sort_index()
    return replace(
        manifest,
        derived_from=None,
        others={},
        latency_basis={str(name): int(n) for name, n in basis.items()},
        sources={name: _public_source(entry, judges.get(name, {})) for name, entry in manifest.sources.items()},
        flip_prob=_public_noise(folder, manifest),
    )


def _read(
    folder: Path,
    table: str,
    columns: list[str],
    splits: tuple[str, ...] = PUBLIC_SPLITS,
    models: tuple[str, ...] | None = None,
) -> pa.Table:
    """Columns of all rows of some splits of a table, in order; of these models only, where any are named."""
    shards = [shard for split in splits for shard in sorted((folder / table).glob(f"{split}-*.parquet"))]
    wanted = None if models is None else pc.field("model").isin(list(models))
    return pa.concat_tables(pq.read_table(s, columns=columns, filters=wanted, partitioning=None) for s in shards)


def _sources_of(folder: Path, splits: tuple[str, ...] = PUBLIC_SPLITS) -> dict[str, str]:
    """query_id -> source, in the order of `pairs`."""
    ids, sources = _read(folder, "pairs", ["query_id", "source"], splits).to_pydict().values()
    return dict(zip(ids, sources, strict=True))


def _judges_by_source(folder: Path) -> dict[str, dict[str | None, bool]]:
    """source -> who gave its public scores -> whether that is a judge of ours."""
    sources = _sources_of(folder)
    found: defaultdict[str, dict[str | None, bool]] = defaultdict(dict)
    for row in _read(folder, "outcomes", ["query_id", "judge", "score"]).to_pylist():
        if row["score"] is not None:
            found[sources[row["query_id"]]][row["judge"]] = scored_by_us(row)
    return found


def _public_source(entry: SourceEntry, judges: Mapping[str | None, bool]) -> SourceEntry:
    ours = {judge for judge, own in judges.items() if own and judge}
    live, judging = entry.live or {}, entry.judging or {}
    return replace(
        entry,
        score_rule=score_rule(entry.score_rule, ours, published=not all(judges.values())),
        live={model: _asked(told) for model, told in live.items()} or None,
        judging={judge: _asked(told) for judge, told in judging.items() if judge in ours} or None,
        others={},
    )


def _asked(told: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked of a model or a judge, without what only its answers tell."""
    return {name: value for name, value in told.items() if name not in _OF_ANSWERS}


def public_latencies(folder: Path, manifest: Manifest) -> pd.DataFrame:
    """Latencies and basis of the public queries, by query_id, from public outcomes alone."""
    ids, sources = zip(*_sources_of(folder).items(), strict=True)
    pair = asdict(manifest.pair)
    outcomes = _read(folder, "outcomes", list(_CLOCKED), models=tuple(pair.values())).to_pandas()
    small, large = (
        tier_outcomes(tier, model, outcomes[outcomes["model"] == model].set_index("query_id").reindex(list(ids)))
        for tier, model in pair.items()
    )
    found = pair_latency(ids, np.array(sources, object), small, large, manifest.profile)
    return pd.DataFrame(dict(zip(LATENCY, (found.small_s, found.large_s, found.basis), strict=True)), list(ids))


def _public_noise(folder: Path, manifest: Manifest) -> dict[str, Any] | None:
    """`flip_prob` of the public splits of the sources that were audited; None where that cannot be told."""
    if manifest.flip_prob is None or manifest.lite:
        return None
    pair = (manifest.pair.small, manifest.pair.large)
    calls: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in _read(folder, "judgments", ["query_id", "model", "judge", "score"], models=pair).to_pylist():
        calls[row["query_id"], row["model"], row["judge"]].append(row["score"])
    sources = _sources_of(folder)
    answers: defaultdict[str, dict[Key, Judged]] = defaultdict(dict)
    for row in _read(folder, "outcomes", ["query_id", "model", "score", "judge", "response"], models=pair).to_pylist():
        if scored_by_us(row):
            text = row["response"] or ""
            judged = Judged(row["score"], row["judge"], len(text.split()), mark_code(text))
            answers[sources[row["query_id"]]][row["query_id"], row["model"]] = judged
    audits = []
    for source in manifest.flip_prob["sources"]:
        its_answers = answers[source]
        repeats = {key: np.array(calls[(*key, judged.judge)]) for key, judged in its_answers.items()}
        if flips := label_flips(its_answers, repeats, pair):
            judge = min(answer.judge for answer in its_answers.values())  # an audited source has one
            audits.append({"source": source, "judge": judge, "flip_prob": asdict(flips)})
    return mean_noise(audits) if audits else None


def is_public(name: str) -> bool:
    """Whether a Parquet file of a built folder holds nothing of the private outcomes, so that it may stay as it is."""
    table, _, shard = name.partition("/")
    return table != "pairs" and not (table in PRIVATE_TABLES and shard.startswith(f"{PRIVATE_SPLIT}-"))


def write_public_tables(folder: Path, out: Path, manifest: Manifest, hidden: pa.Array) -> None:
    """Write what is public of the files that are not: `pairs`, and the test rows of `outcomes` and `judgments`.

    hidden: ids of queries whose content must stay behind.
    """
    _write_pairs(folder, out, public_latencies(folder, manifest), hidden)
    for table, rows in zip(PRIVATE_TABLES, (_hidden_outcomes(folder, manifest), ()), strict=True):
        if shard := next((folder / table).glob(f"{PRIVATE_SPLIT}-*.parquet"), None):
            schema = pq.read_schema(shard)
            with SplitShards(out / table, schema, ROWS_PER_GROUP[table], (PRIVATE_SPLIT,)) as shards:
                shards.write(PRIVATE_SPLIT, rows)


def _write_pairs(folder: Path, out: Path, latencies: pd.DataFrame, hidden: pa.Array) -> None:
    """Every row of `pairs` anew: where a shard ends must not depend on figures that go."""
    schema = pq.read_schema(next((folder / "pairs").glob("*.parquet")))
    with SplitShards(out / "pairs", schema, ROWS_PER_GROUP["pairs"]) as shards:
        for split in SPLITS:
            for shard in sorted((folder / "pairs").glob(f"{split}-*.parquet")):
                with pq.ParquetFile(shard) as file:
                    for i in range(file.num_row_groups):
                        rows = without_content("pairs", file.read_row_group(i), hidden)
                        shards.write_group(split, _public_rows(rows, split, latencies).cast(schema))


def _public_rows(rows: pa.Table, split: str, latencies: pd.DataFrame) -> pa.Table:
    if split == PRIVATE_SPLIT:
        figures: Mapping[str, Any] = dict.fromkeys(OUTCOME_COLUMNS, [None] * len(rows))
    else:
        figures = latencies.loc[rows.column("query_id").to_pylist()].to_dict("list")
    for name, values in figures.items():
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))
    return rows


def _hidden_outcomes(folder: Path, manifest: Manifest) -> Iterator[dict[str, Any]]:
    """A row for every test query and model of its source."""
    sources, pair = _sources_of(folder), asdict(manifest.pair).values()
    models: defaultdict[str, set[str]] = defaultdict(lambda: set(pair))
    for row in _read(folder, "outcomes", ["query_id", "model"]).to_pylist():
        models[sources[row["query_id"]]].add(row["model"])
    for query_id, source in _sources_of(folder, (PRIVATE_SPLIT,)).items():
        for model in sorted(models[source]):
            yield {"query_id": query_id, "model": model, "status": PRIVATE}

"""A live-built dataset whose test outcomes can be changed: clocked, judged twice, audited, with a third model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from conftest import RECIPE, Records
from hub_datasets import imported

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.judge.audit import audit_source
from rsd_bench.sources.store.outcomes import Outcome, replace_outcomes
from rsd_bench.sources.store.store_tables import JUDGE_PREFIX, rows_of, spread

JUDGE = f"{JUDGE_PREFIX}judge/closed"
Row = dict[str, Any]
#: Changes the row of a test outcome; True where it stays. `calls`: scores of its judge calls, None where published.
Change = Callable[[Row], bool]


def unchanged(row: Row) -> bool:
    return True


def build_live(root: Path, change: Change = unchanged, test_ids: frozenset[str] = frozenset(), **info: Any) -> Path:
    """A dataset folder below `root`. `info`: entries of source.json to set for the live source."""
    live = Records(root / "live", source="live", models=("tiny", "huge", "third"))
    closed = Records(root / "closed", source="closed", models=("tiny", "huge", "third"))
    closed.info |= {"redistributable": False, "license": "none stated"}
    calls: dict[tuple[str, str], list[float]] = {}
    for records in (live, closed):
        records.info["latency_basis"] = "measured"
        kept = []
        for i, row in enumerate(records.responses):
            row |= {"latency_s": 0.5 + (i * 7 % 13) / 8, "completion_tokens": 20 + i % 9}
            row["calls"] = [row["score"], max(row["score"] - 2, 0.0)] if records is live else None
            if row["query_id"] not in test_ids or change(row):
                kept.append(row)
            calls[row["query_id"], row["model"]] = row.pop("calls")
        records.responses = kept
    store = imported(root, [live, closed])
    told = {JUDGE: {"endpoint": "http://127.0.0.1", "prompt": "closed", "repeats": 2}}
    served = {m: {"served_models": [f"{m}-1"], "prompt": "p", "earlier": []} for m in ("tiny", "huge", "third")}
    rule = f"scores are published on 0-10; scored live by {JUDGE}"
    entries = {"judging": told, "live": served, "score_rule": rule} | info
    replace_outcomes(store, "live", _judged(store, calls), lambda: entries)
    audit_source(store, "live", pair=("tiny", "huge"), n_boot=9)
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), store, root / "dataset")
    return root / "dataset"


def _judged(store: Path, calls: dict[tuple[str, str], list[float]]) -> Iterator[Outcome]:
    for row in rows_of(store, "live", "responses"):
        given = calls[row["query_id"], row["model"]]
        if given is None or row["score"] is None:
            yield row, None
            continue
        key = {"query_id": row["query_id"], "model": row["model"], "judge": JUDGE}
        its_calls = [key | {"repeat": str(i), "score": s, "verdict": f"so {s}"} for i, s in enumerate(given)]
        yield row | {"judge": JUDGE, "score": round(sum(given) / len(given), 6), **spread(given)}, its_calls


def ids_in_test(folder: Path) -> frozenset[str]:
    """Ids of the queries of the test split."""
    shards = sorted((folder / "pairs").glob("test-*.parquet"))
    return frozenset(pd.concat([pd.read_parquet(shard, columns=["query_id"]) for shard in shards])["query_id"])

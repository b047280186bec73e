"""Change the outcomes of a source that a store holds: the way in for live answers and live scores.

Rows are streamed from the old tables into new ones, and the source is replaced whole or not at all, as by an import.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rsd_bench.folders import new_folder, write_file
from rsd_bench.sources.store.import_variants import TABLE as VARIANTS
from rsd_bench.sources.store.store_tables import TableWriter, rows_of, scored_by_us, source_info

_TABLES = ("responses.parquet", "judgments.parquet")
AUDIT = "audit.json"

#: A row of responses.parquet with its new judge calls; None where it keeps those that the store holds.
Outcome = tuple[Mapping[str, Any], Iterable[Mapping[str, Any]] | None]


def replace_outcomes(
    store: Path, source: str, outcomes: Iterable[Outcome], info: Callable[[], Mapping[str, Any]]
) -> None:
    """Write `outcomes`, all of the source in their new order, and their judge calls.

    New calls of an outcome take the place of those that a judge of this package made about it; every other call stays.
    info: gives the entries of source.json to set, once all outcomes are written. Counts of scored answers are renewed.
    """
    old = store / "sources" / source
    with new_folder(old, may_replace=lambda folder: (folder / "source.json").is_file()) as folder:
        for name in ("queries.parquet", VARIANTS):
            if (old / name).is_file():
                _link(old / name, folder / name)
        scored: Counter[str] = Counter()
        renewed: set[tuple[str, str]] = set()
        with (
            TableWriter(folder / "responses.parquet", "responses") as responses,
            TableWriter(folder / "judgments.parquet", "judgments") as judgments,
        ):
            for outcome, its_calls in outcomes:
                if its_calls is not None:
                    renewed.add((outcome["query_id"], outcome["model"]))
                    for call in its_calls:
                        judgments.write(call)
                responses.write(outcome)
                scored[outcome["model"]] += outcome["score"] is not None
            for call in rows_of(store, source, "judgments"):
                if (call["query_id"], call["model"]) not in renewed or not scored_by_us(call):
                    judgments.write(call)
        keep_audit(old, folder)
        changed = source_info(store, source) | {"models": dict(sorted(scored.items()))} | dict(info())
        write_file(folder / "source.json", (json.dumps(changed, indent=1, ensure_ascii=False) + "\n").encode())


def keep_audit(old: Path, folder: Path) -> None:
    """Keep the audit of a source where both tables came out as they were: it speaks of those scores and no others."""
    if (old / AUDIT).is_file() and all(_same(old / name, folder / name) for name in _TABLES):
        _link(old / AUDIT, folder / AUDIT)


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def _link(source: Path, dest: Path) -> None:
    try:
        os.link(source, dest)
    except OSError:  # a file system without hard links
        shutil.copy2(source, dest)

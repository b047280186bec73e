"""Scores on the variants of a question go into a source's new folder or are merged into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsd_bench.config import canonical_model
from rsd_bench.sources.source import Source, SourceProblem
from rsd_bench.sources.store.merge import REPLACE
from rsd_bench.sources.store.store_tables import TableWriter, rows_of
from rsd_bench.types import Problem, Report

TABLE = "variants.parquet"


def import_variants(
    source: Source,
    store: Path,
    folder: Path,
    merging: bool,
    groups: set[str],
    aliases: Mapping[str, str],
    report: Report,
) -> None:
    """Write folder/variants.parquet where the source has variants, or had; a group has one number of them."""
    name = source.info.source
    had = merging and (store / "sources" / name / TABLE).is_file()
    held = {(row["group"], row["model"]): row for row in rows_of(store, name, "variants")} if had else {}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    lengths = {group: len(row["scores"]) for (group, _), row in held.items()}
    for given in source.variants:
        key = given.group, canonical_model(aliases, name, given.model)
        whose = f"variants of {key[0]!r} for {key[1]!r}"
        scores = list(given.scores)
        if given.group not in groups:
            report(Problem(given.where, f"group {given.group!r} is that of no query of {name}", "fix the group"))
        elif len(scores) != lengths.setdefault(given.group, len(scores)):
            what = f"{whose}: {len(scores)} scores, where another model has {lengths[given.group]}"
            report(Problem(given.where, what, "give one score for each variant of the question"))
        elif key in held and held[key]["scores"] != scores:
            report(Problem(given.where, f"{whose} differ from those in the store", REPLACE))
        elif key in rows:
            report(SourceProblem(given.where, f"{whose} stand twice", "one line a group and model"))
        elif key not in held:
            rows[key] = {"group": key[0], "model": key[1], "scores": scores}
    if rows or held:
        with TableWriter(folder / TABLE, "variants") as table:
            for row in (*rows.values(), *held.values()):
                table.write(row)

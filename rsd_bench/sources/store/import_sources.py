"""Importing: sources go into a store in one uniform layout, from which datasets are built.

    STORE/images, STORE/media                media by content (`store_media`)
    STORE/sources/<source>/                  provenance and tables (`store_tables`)

All sources of a command go in, or none. What the store has of a source stays: an import adds queries, outcomes and what
was missing of them (`merge`), before what was there. Rows stay in the order of the source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_bench.folders import clear_unfinished, new_folder, settle, write_file
from rsd_bench.sources.source import Source, SourceProblem
from rsd_bench.sources.store.import_outcomes import import_outcomes
from rsd_bench.sources.store.import_queries import import_queries
from rsd_bench.sources.store.import_variants import import_variants
from rsd_bench.sources.store.merge import merged_info
from rsd_bench.sources.store.outcomes import keep_audit
from rsd_bench.sources.store.store_media import FOLDERS
from rsd_bench.sources.store.store_tables import is_held, source_info
from rsd_bench.types import InputError, Problem

_RECORDS = ("queries.jsonl", "responses.jsonl")


@dataclass(frozen=True)
class Policy:
    """replace: what the store has of a source is dropped. skip_bad: rows that have problems are left out."""

    replace: bool = False
    skip_bad: bool = False


@dataclass(frozen=True)
class Opened:
    """A source to import and the list that its importer reports into, which several sources may share."""

    source: Source
    problems: list[Problem]


def import_source(
    source: Source, store: Path, aliases: Mapping[str, str], problems: list[Problem], policy: Policy = Policy()
) -> dict[str, Any]:
    """Import one source; see `import_sources`."""
    return import_sources([Opened(source, problems)], store, aliases, policy)[0]


def import_sources(
    opened: Sequence[Opened], store: Path, aliases: Mapping[str, str], policy: Policy = Policy()
) -> list[dict[str, Any]]:
    """Store sources and return their provenance with counts, in order; queries and responses are streamed.

    Raises InputError with all problems where there are any, the store being as it was. With `policy.skip_bad`, rows
    that have problems are left out instead and listed as `left_out` in source.json; what is wrong with a source as a
    whole still ends the import.
    """
    _require_store(store)
    infos: list[dict[str, Any]] = []
    for shelf in (path for name in FOLDERS for path in store.glob(f"{name}/*")):
        clear_unfinished(shelf)
    with ExitStack() as stack:
        folders = []
        for one in opened:
            place = store / "sources" / one.source.info.source
            _require_own_folder(place)
            settle(place)
            folders.append(stack.enter_context(new_folder(place, may_replace=_is_source)))
            infos.append(_import(one, store, folders[-1], aliases, policy))
        problems = list(dict.fromkeys(problem for one in opened for problem in one.problems))
        if problems and not (policy.skip_bad and not any(isinstance(found, SourceProblem) for found in problems)):
            raise InputError(problems)
        for one, info, folder in zip(opened, infos, folders, strict=True):
            if left_out := [problem.to_dict() for problem in dict.fromkeys(one.problems)]:
                info["left_out"] = left_out
            write_file(folder / "source.json", (json.dumps(info, indent=1, ensure_ascii=False) + "\n").encode())
    return infos


def _require_store(store: Path) -> None:
    """InputError where a store can neither be nor be made, or where it would lie within the records of a source."""
    below = next((path for path in (store, *store.parents) if path.exists() or path.is_symlink()), store)
    what = "is no folder" if (below.exists() or below.is_symlink()) and not below.is_dir() else ""
    if not what and not (store / "sources").exists() and any((store / name).is_file() for name in _RECORDS):
        what = "is a records folder"
    if what:
        raise InputError.at(below, what, "name a new or an empty folder, or a store")


def _is_source(folder: Path) -> bool:
    return (folder / "source.json").is_file()


def _require_own_folder(folder: Path) -> None:
    """InputError where the store has a source that this file system does not tell from it: "Chart" and "chart"."""
    if folder.is_dir() and folder.name not in (held := [path.name for path in folder.parent.iterdir()]):
        twin = next((other for other in held if other.casefold() == folder.name.casefold()), folder.name)
        raise InputError.at(folder, f"is the folder of source {twin!r} here", "give one of them another id")


def _import(one: Opened, store: Path, folder: Path, aliases: Mapping[str, str], policy: Policy) -> dict[str, Any]:
    """Write the tables of a source into `folder`; return its provenance with counts."""
    source, report = one.source, one.problems.append
    name = source.info.source
    merging = not policy.replace and is_held(store, name)
    info: dict[str, Any] = asdict(source.info)
    ids = import_queries(source, store, folder, merging, report)
    if merging:
        where, shares = str(store / "sources" / name), {"covers": ids.covers, "adds": ids.adds}
        info, contradictions = merged_info(source_info(store, name), source.info, where, **shares)
        one.problems.extend(contradictions)
    models, not_scored = import_outcomes(source, store, folder, merging, ids, aliases, report)
    import_variants(source, store, folder, merging, ids.groups, aliases, report)
    if merging:
        keep_audit(store / "sources" / name, folder)
    info.pop("left_out", None)
    return info | {"queries": ids.total, "models": models, "not_scored": not_scored}

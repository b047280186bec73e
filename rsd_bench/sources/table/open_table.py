"""Any table of outcomes, through a map: long, a row for each query and model, or wide, a row for each query.

The files are read as `table_files` says and the map as `table_map` does. Rows are streamed, three times: to look at
what they say of queries, for the queries, for the outcomes. Queries may stand in files of their own (`[queries]`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rsd_bench.sources.source import Source, SourceInfo, SourceProblem, metric_of
from rsd_bench.sources.table.table_files import TableFile, table_file
from rsd_bench.sources.table.table_map import TableMap, read_table_map
from rsd_bench.sources.table.table_outcomes import outcomes_of, score_rule
from rsd_bench.sources.table.table_queries import Queries, has_columns, media_columns, queries_of, scan
from rsd_bench.types import InputError, Problem, Report

_SHOWN_FILES = 5


def open_table(files: Sequence[Path], mapping: Path, report: Report) -> Source:
    """Open tables of one source through the map `mapping`.

    Raises InputError where the map is none, naming each of its faults, or where a file is no table that is read. Faults
    of rows, missing columns and contradictions between rows go to `report`.
    """
    chosen = read_table_map(mapping)
    tables = _tables(files, str(chosen.fields.get("records", "")))
    if chosen.query_files:
        of_queries = _tables(chosen.query_files, str(chosen.fields["queries"].get("records", "")))
    else:
        of_queries = tables
    queries = Queries(chosen, of_queries, media_columns(chosen))
    columns = chosen.query_columns() + ([] if chosen.query_files else chosen.long_columns())
    complete = scan(queries, list(dict.fromkeys(columns)), report)
    if complete and chosen.query_files:
        lacking = [table for table in tables if not has_columns(table, chosen.long_columns(), chosen, report)]
        complete = not lacking
    outcomes = outcomes_of(queries, tables, report) if complete and chosen.outcomes else iter(())
    return Source(_info(chosen, files), queries_of(queries), outcomes)


def _tables(files: Sequence[Path], records: str) -> list[TableFile]:
    """The tables at these paths; InputError naming every file that is none."""
    tables: list[TableFile] = []
    problems: list[Problem] = []
    for path in files:
        if any(table.path.resolve() == path.resolve() for table in tables):
            problems.append(SourceProblem(str(path), "is named twice", "name each file once"))
        try:
            tables.append(table_file(path, records))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return tables


def _info(mapping: TableMap, files: Sequence[Path]) -> SourceInfo:
    fields = mapping.fields
    names = ", ".join(path.name for path in files[:_SHOWN_FILES])
    more = f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
    noted = str(fields.get("notes", ""))
    return SourceInfo(
        source=mapping.source,
        name=str(fields.get("name", mapping.source)),
        license=str(fields.get("license", "unknown")),
        redistributable=bool(fields.get("redistributable", False)),
        repository=str(fields.get("repository", "")),
        commit=str(fields.get("commit", "")),
        notes=f"{noted}; table: {names}{more}" if noted else f"table: {names}{more}",
        score_rule=score_rule(mapping),
        metric=metric_of(score_rule(mapping)),
        latency_basis=str(fields.get("latency_basis", "reported")),
    )

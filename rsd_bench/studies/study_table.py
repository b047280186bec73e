"""Experiments as files: a table with the command that made it, a picture, and one page over all of them.

OUT/<name>.json    columns, rows, notes, command, data manifest, versions
OUT/<name>.svg     its picture
OUT.md             every table in OUT, rendered; a pure function of the JSON files
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_bench.config import INTERVAL, PLAIN_INTERVAL
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.folders import write_file
from rsd_bench.types import InputError

#: Order of the page; a table of another name follows these.
ORDER = (
    "baselines",
    "ablate",
    "sweep",
    "thresholds",
    "tracks",
    "domains",
    "models",
    "cascade",
    "pairs",
    "ceiling",
    "perturb",
)

_LONGEST = 70  # rows of a table that the page shows; a longer one stays in its file

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """One experiment. Numbers in `rows` are as measured; `digits` says how many decimals each column is shown with."""

    name: str
    title: str
    command: str
    reading: str  # what the figures say, in a sentence or two that name no figure
    columns: tuple[str, ...]
    digits: tuple[int | None, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    dataset: dict[str, str]
    interval: str = INTERVAL  # how `low` and `high` were made

    def column(self, name: str) -> list[Any]:
        index = self.columns.index(name)
        return [row[index] for row in self.rows]

    def where(self, **values: Cell) -> list[dict[str, Any]]:
        """Rows as dicts, those whose columns hold the given values."""
        dicts = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return [row for row in dicts if all(row[key] == value for key, value in values.items())]


def dataset_of(benchmark: Benchmark) -> dict[str, str]:
    """What a table says of its data."""
    manifest = benchmark.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "manifest_sha256": benchmark.manifest_sha256,
    }


def read_table(path: Path) -> Table:
    """InputError where the file is no table."""
    try:
        data = json.loads(path.read_bytes())
        rows = tuple(tuple(row) for row in data.pop("rows"))
        listed: Any = {key: tuple(data.pop(key)) for key in ("columns", "digits", "notes")}
        return Table(**{"interval": PLAIN_INTERVAL, **data}, **listed, rows=rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError.at(path, f"is no table of an experiment: {error!r}", "run its command again") from None


def write_table(out: Path, table: Table, draw: Callable[[Table, Path], None]) -> Table:
    """Write a table and its picture, then the page over all tables. The table as it was written."""
    out.mkdir(parents=True, exist_ok=True)
    rounded = asdict(table) | {"rows": [[_rounded(cell) for cell in row] for row in table.rows]}
    write_file(out / f"{table.name}.json", (json.dumps(rounded, indent=1, ensure_ascii=False) + "\n").encode())
    written = read_table(out / f"{table.name}.json")
    draw(written, out / f"{table.name}.svg")
    write_file(page_of(out), render_page(out).encode())
    return written


def page_of(out: Path) -> Path:
    """The page over a folder of tables, beside it."""
    folder = Path(os.path.abspath(out))  # noqa: PTH100 - as it was named: "." has a name, a link keeps its own
    return folder.parent / f"{folder.name}.md"


def _rounded(cell: Cell) -> Cell:
    if isinstance(cell, float) and math.isnan(cell):
        return None
    return round(cell, 6) + 0.0 if isinstance(cell, float) else cell


def render_page(out: Path) -> str:
    """The page over every table in a folder."""
    tables = [read_table(path) for path in sorted(out.glob("*.json")) if b'"columns"' in path.read_bytes()]
    tables.sort(key=lambda table: (ORDER.index(table.name) if table.name in ORDER else len(ORDER), table.name))
    lines = [
        "# Results",
        "",
        "Every table and picture here was written by the command above it, from the dataset that it names. RCS gains "
        "are in points: 100 times the RCS of the router minus that of the best fixed policy on the same queries, which "
        "is chosen in hindsight. Scores are real; latency is modelled (profile `paper-bounds`) where none was clocked.",
    ]
    for table in tables:
        data = table.dataset
        lines += [
            "",
            f"## {table.title}",
            "",
            f"    {table.command}",
            "",
            f"{data['name']} {data['version']}, manifest `{data['manifest_sha256'][:12]}`. {table.reading}",
            "",
            f"![{table.title}]({page_of(out).stem}/{table.name}.svg)",
            "",
            *(_markdown(table) if len(table.rows) <= _LONGEST else [f"{len(table.rows)} rows: {_link(out, table)}"]),
        ]
        for note in table.notes:
            lines += ["", note]
        if "low" in table.columns:
            lines += ["", f"Intervals: {table.interval} ([metrics](metrics.md#uncertainty))."]
    return "\n".join(lines) + "\n"


def _link(out: Path, table: Table) -> str:
    return f"[{page_of(out).stem}/{table.name}.json]({page_of(out).stem}/{table.name}.json)"


def _markdown(table: Table) -> list[str]:
    rows: list[Sequence[str]] = [table.columns, ["---"] * len(table.columns), *shown(table)]
    return [f"| {' | '.join(row)} |" for row in rows]


def shown(table: Table) -> list[list[str]]:
    """The cells of the rows as people read them."""
    return [[_shown(cell, d) for cell, d in zip(row, table.digits, strict=True)] for row in table.rows]


def _shown(cell: Cell, digits: int | None) -> str:
    if cell is None:
        return ""
    return str(cell) if digits is None or not isinstance(cell, (int, float)) else f"{cell:.{digits}f}"

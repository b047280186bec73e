"""How commands speak: figures on stdout, problems on stderr one line each, JSON on stdout with --json."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from rsd_bench.types import InputError, Problem

_SHORT_LIST, _SHOWN_OF_A_KIND = 20, 5  # problems: as many are listed whole; of more, the first few of each kind
_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*")  # what differs between problems of one kind
LEDGER = Path("ledger.jsonl")
LEDGER_HELP = "With --private-outcomes: who was scored how often; keep it as private as the outcomes."
NEW_LEDGER_HELP = "With --private-outcomes: begin the ledger; without it a missing one is refused."
AUTHOR_HELP = "With --private-outcomes: the account that asks, as the code host verified it."
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR|REPO", help="Dataset folder or Hub id; default: the embedded rsd-open lite."),
]
Scenarios = Annotated[
    Path | None,
    typer.Option(
        "--scenarios", metavar="FILE", help="TOML of scenarios; default: the dataset's own, else the presets."
    ),
]
DryRun = Annotated[
    bool | None, typer.Option("--dry-run/--no-dry-run", help="Default: only show the plan unless at a terminal.")
]


def only_shows(dry_run: bool | None, as_json: bool) -> bool:
    """Whether a command that publishes stops after its plan: as told, else unless somebody at a terminal agrees."""
    if dry_run is not None:
        return dry_run
    return as_json or not (sys.stdin.isatty() and sys.stdout.isatty()) or not typer.confirm("Publish?")


def say(text: str = "") -> None:
    """A line for people."""
    typer.echo(text)


def print_json(value: Any) -> None:
    """JSON on stdout, stable and strict."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def fail(problems: Sequence[Problem], as_json: bool | None = None, traceback: str = "") -> typer.Exit:
    """Report problems and give the Exit (code 1) to raise. traceback: of the user's own code, where that failed."""
    if "--json" in sys.argv if as_json is None else as_json:
        told = {"traceback": traceback.splitlines()} if traceback else {}
        print_json({"ok": False, "problems": [problem.to_dict() for problem in problems], **told})
    else:
        for line in by_kind(problems):
            typer.echo(f"error: {line}", err=True)
        if len(problems) > 1:
            typer.echo(f"{len(problems)} problems", err=True)
        for line in traceback.splitlines():
            typer.echo(one_line(line), err=True)
    return typer.Exit(1)


def warn(problems: Sequence[Problem]) -> None:
    """Name what is odd and stops nothing."""
    for line in by_kind(problems):
        typer.echo(f"warning: {line}", err=True)


def by_kind(problems: Sequence[Problem]) -> list[str]:
    """A line a problem; of a long list, the first few of those that differ in names and numbers only, and a count."""
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((_DETAIL.sub("", problem.what), _DETAIL.sub("", problem.fix)), []).append(problem)
    lines = []
    for kind in kinds.values():
        whole = len(problems) <= _SHORT_LIST or len(kind) <= _SHOWN_OF_A_KIND + 1
        shown = kind if whole else kind[:_SHOWN_OF_A_KIND]
        lines += [one_line(str(problem)) for problem in shown]
        if more := len(kind) - len(shown):
            last = one_line(kind[-1].where)
            lines.append(f"... and {more:,} more like this, the last at {last} (--json lists all)")
    return lines


def one_line(text: str) -> str:
    """Without line breaks and control characters, which an input could smuggle in."""
    return "".join(c if c.isprintable() else " " for c in text)


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """A command that Ctrl-C ends with one line, or JSON, and exit code 130."""

    @wraps(command)
    def run(**given: Any) -> None:
        try:
            command(**given)
        except KeyboardInterrupt:
            fail([Problem("run", "interrupted", "what was stored stays; run again to go on")], given["as_json"])
            raise typer.Exit(130) from None

    return run


def refuse(problems: list[Problem]) -> None:
    """Raise InputError when there are problems."""
    if problems:
        raise InputError(problems)


def table(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as text columns, the first one the header."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)

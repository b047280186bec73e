"""What every `data import` command does: open sources, store them, say what went in or what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.output import AsJson, print_json, say, table, warn
from rsd_bench.types import InputError, Problem

if TYPE_CHECKING:
    from rsd_bench.sources.source import Source
    from rsd_bench.sources.store.import_sources import Opened

Opener = Callable[[Callable[[Problem], None]], "list[Source]"]


@dataclass(frozen=True)
class LicenceOptions:
    """Under which licence the images and texts of an importer stand whose files state none."""

    licence: Annotated[
        str | None,
        typer.Option(
            "--license",
            metavar="TEXT",
            help="Licence of images and texts, in their authors' words.",
            rich_help_panel=panels.LICENCE,
        ),
    ] = None
    redistributable: Annotated[
        bool,
        typer.Option(
            "--redistributable",
            help="That licence allows re-hosting: `data push` may publish them.",
            rich_help_panel=panels.LICENCE,
        ),
    ] = False

    def stated(self, opened: Opener) -> Opener:
        """The same sources with this licence."""
        if self.redistributable and not self.licence:
            raise typer.BadParameter("needs the --license that allows it", param_hint="--redistributable")
        licence, may = self.licence or "unknown", self.redistributable

        def open_sources(report: Callable[[Problem], None]) -> list[Source]:
            return [
                replace(source, info=replace(source.info, license=licence, redistributable=may))
                for source in opened(report)
            ]

        return open_sources


@dataclass(frozen=True)
class ImportOptions:
    """Where an import goes, and what it may do to what is there."""

    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="The store to add to.")]
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Drop what the store has of these sources; default: add to it."),
    ] = False
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out rows that have problems and list them in source.json."),
    ] = False
    models: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="FILE",
            help="TOML of model aliases; default: the shipped one.",
            rich_help_panel=panels.CONTENT,
        ),
    ] = None
    as_json: AsJson = False


def run_import(inputs: dict[str, Opener], options: ImportOptions) -> None:
    """Open and store the sources of all inputs, or none of them; say what went in, or every problem."""
    from rsd_bench.config import load_aliases
    from rsd_bench.sources.store.import_sources import Policy, import_sources
    from rsd_bench.sources.store.store_tables import is_held

    aliases = load_aliases(options.models)
    opened = _open(inputs)
    held = [name for one in opened if is_held(options.out, name := one.source.info.source)]
    infos = import_sources(opened, options.out, aliases, Policy(options.replace, options.skip_bad))
    left_out = list(dict.fromkeys(problem for one in opened for problem in one.problems))
    done = {"replaced" if options.replace else "merged": held} if held else {}
    if options.as_json:
        shown = [{key: value for key, value in info.items() if key != "left_out"} for info in infos]
        skipped = [problem.to_dict() for problem in left_out]
        print_json({"ok": True, "sources": shown, "replaced": [], "merged": [], **done, "left_out": skipped})
        return
    rows: list[tuple[Any, ...]] = [("source", "queries", "models", "scored answers", "licence")]
    for info in infos:
        scored = sum(info["models"].values())
        rows.append((info["source"], info["queries"], len(info["models"]), scored, info["license"]))
    say(table(rows))
    say(f"\nstore  {options.out}")
    for info in infos:
        for status, n in info["not_scored"].items():
            say(f"not scored  {info['source']}: {n:,} {status}")
    for name in held:
        what = "what the store had of that source is gone" if options.replace else "added to what the store had of it"
        say(f"{'replaced' if options.replace else 'merged'}  {name}: {what}")
    if left_out:
        say(f"left out  rows with problems: {len(left_out)} problems, which source.json lists")
        warn(left_out)


def _open(inputs: dict[str, Opener]) -> list[Opened]:
    """The sources of all inputs, each with the list that its faults go to.

    InputError where an input does not open, or where two have one id: the second would be taken for more of the first.
    """
    from rsd_bench.sources.store.import_sources import Opened

    opened: list[Opened] = []
    problems: list[Problem] = []
    of: dict[str, str] = {}
    for name, open_sources in inputs.items():
        found: list[Problem] = []
        try:
            sources = open_sources(found.append)
        except InputError as error:
            problems += dict.fromkeys([*found, *error.problems])
            continue
        for source in sources:
            if first := of.get(source.info.source):
                what = f"is source {source.info.source!r}, as {first} is"
                problems.append(Problem(name, what, "give each a `source` of its own in queries.jsonl"))
            of[source.info.source] = name
            opened.append(Opened(source, found))
    if problems:
        raise InputError([*dict.fromkeys(problem for one in opened for problem in one.problems), *problems])
    return opened

"""What every `data import` command does: open sources, store them, say what went in or what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.output import fail, print_json, say, table
from rsd_bench.types import InputError, Problem

if TYPE_CHECKING:
    from rsd_bench.sources.source import Source

Store = Annotated[Path, typer.Option("--out", metavar="STORE", help="The store to add to.")]
Models = Annotated[
    Path | None,
    typer.Option(
        "--models",
        metavar="FILE",
        help="TOML of model aliases; default: the shipped one.",
        rich_help_panel=panels.CONTENT,
    ),
]

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


def run_import(inputs: dict[str, Opener], store: Path, models: Path | None, as_json: bool) -> None:
    """Open and store sources, all of their problems reported together; say what was stored, and what it replaced."""
    from rsd_bench.config import load_aliases
    from rsd_bench.sources.store import import_source

    aliases = load_aliases(models)
    infos: list[dict[str, Any]] = []
    replaced: list[str] = []
    opened, problems = _open(inputs)
    for sources, found in opened:
        try:
            for source in sources:
                held = (store / "sources" / source.info.source / "source.json").is_file()
                infos.append(import_source(source, store, aliases, found))
                replaced += [source.info.source] if held else []
        except InputError as error:
            problems += _all_of(found, error)
    if problems:
        raise fail(problems, as_json)
    if as_json:
        print_json({"ok": True, "sources": infos, "replaced": replaced})
        return
    rows: list[tuple[Any, ...]] = [("source", "queries", "models", "scored answers", "licence")]
    for info in infos:
        scored = sum(info["models"].values())
        rows.append((info["source"], info["queries"], len(info["models"]), scored, info["license"]))
    say(table(rows))
    say(f"\nstore  {store}")
    for name in replaced:
        say(f"replaced  {name}: the store had a source of that id")


def _open(inputs: dict[str, Opener]) -> tuple[list[tuple[list[Source], list[Problem]]], list[Problem]]:
    """The sources of each input with the list that their faults go to, and the problems of inputs that do not open.

    InputError where two have one id: the second would take the place of the first.
    """
    opened: list[tuple[list[Source], list[Problem]]] = []
    problems: list[Problem] = []
    of: dict[str, str] = {}
    for name, open_sources in inputs.items():
        found: list[Problem] = []
        try:
            sources = open_sources(found.append)
        except InputError as error:
            problems += _all_of(found, error)
            continue
        for source in sources:
            if first := of.get(source.info.source):
                what = f"is source {source.info.source!r}, as {first} is"
                raise InputError.at(name, what, "give each a `source` of its own in queries.jsonl")
            of[source.info.source] = name
        opened.append((sources, found))
    return opened, problems


def _all_of(found: list[Problem], error: InputError) -> list[Problem]:
    return found + [problem for problem in error.problems if problem not in found]

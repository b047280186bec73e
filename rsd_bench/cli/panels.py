"""How `--help` looks: options in panels by subject, drawn at a terminal, plain sections in a pipe or a log.

An option names its panel with `rich_help_panel`, one of the names below; one without stands under "Options". Rich is
imported at a terminal only, and gets every help text as it is written: square brackets are no markup. Whatever else a
command says, usage errors too, stays plain.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

# asking models
MODELS, REQUEST, LIMITS, COST, ENGINE = "Models", "Requests", "Limits", "Cost", "Engine"
# judging, and how far to trust it
JUDGE, SCOPE, BATCH, PEOPLE = "Judge", "What is judged", "Batch files instead of calls", "People and pairs"
# serving
ACCESS, LOG = "Who may ask", "What is kept"
# data
FILES, CONTENT, LICENCE = "Files", "What goes in", "Licence"
# routers, submissions and scores
ENCODERS, TRAINING, TIMING, DECISIONS, AUTHORSHIP = "Encoders", "Training", "Timing", "Decisions", "What the board says"
INTERVALS, PRIVATE = "Intervals", "Private outcomes"

_Part = TypeVar("_Part")


class Command(TyperCommand):
    """A command with panels."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        if sys.stdout.isatty():
            _draw(self, ctx)
        else:
            super().format_help(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_sections(self, ctx, formatter)


class Group(TyperGroup):
    """A group of commands with panels."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        if sys.stdout.isatty():
            _draw(self, ctx)
        else:
            super().format_help(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_sections(self, ctx, formatter)
        self.format_commands(ctx, formatter)


class App(typer.Typer):
    """The commands of a subject."""

    def __init__(self, help: str, cls: type[Group] = Group, **settings: Any) -> None:
        super().__init__(help=help, cls=cls, rich_markup_mode=None, **{"no_args_is_help": True, **settings})

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        return super().command(name, **{"cls": Command, **settings})


def _write_sections(command: TyperCommand | TyperGroup, ctx: Any, formatter: Any) -> None:
    """Arguments, options without a panel, then panel by panel, their columns in line."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for param in command.get_params(ctx):
        if record := param.get_help_record(ctx):
            title = getattr(param, "rich_help_panel", None) or f"{param.param_type_name.title()}s"
            sections.setdefault(title, []).append(record)
    width = max(len(name) for rows in sections.values() for name, _ in rows)
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])


def _draw(command: TyperCommand | TyperGroup, ctx: Any) -> None:
    from typer.rich_utils import rich_format_help

    shown = _literal(command)
    shown.params = [_literal(param) for param in command.params]
    if isinstance(shown, TyperGroup):
        shown.commands = {name: _literal(sub) for name, sub in shown.commands.items()}
    rich_format_help(obj=shown, ctx=ctx, markup_mode="rich")


def _literal(part: _Part) -> _Part:
    """A copy of a command or an option whose help Rich shows as it is written."""
    from rich.markup import escape

    part = copy(part)
    for name in ("help", "short_help"):
        if text := getattr(part, name, None):
            setattr(part, name, escape(text))
    return part

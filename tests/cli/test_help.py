"""`--help`: grouped by subject, readable wherever it goes, and never short of a word.

Guards against 22 options in one list, help that loses its square brackets as markup ("Reads [judge] folders" became
"Reads  folders"), boxes and escape codes in a pipe or a CI log, and a command that was made without panels.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from conftest import call_cli
from typer.main import get_command
from typer.testing import CliRunner

from rsd_bench.cli import panels
from rsd_bench.cli.main import app
from rsd_bench.cli.option_groups import grouped

BRACKETS = "A [bold] word, [/data] and [DATA]."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, command: typer.Typer, *arguments: str) -> str:
    """What the command shows at a terminal, without escape codes."""
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stdout", screen)
    with pytest.raises(SystemExit):
        command(list(arguments))
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


def leaves(command: typer.core.TyperGroup, *names: str) -> Iterator[tuple[tuple[str, ...], typer.core.TyperCommand]]:
    for name, sub in command.commands.items():
        if isinstance(sub, typer.core.TyperGroup):
            assert isinstance(sub, panels.Group), names
            yield from leaves(sub, *names, name)
        else:
            yield (*names, name), sub


COMMANDS = dict(leaves(get_command(app)))


def sections(text: str) -> dict[str, list[str]]:
    """Options named in a plain help text, by section."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            found[line[:-1]] = []
        elif option := re.match(r"  (--[\w-]+)", line):
            list(found.values())[-1].append(option[1])
    return found


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_has_plain_help_in_a_pipe(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")  # Rich takes it for a terminal
    assert isinstance(COMMANDS[names], panels.Command)
    said = call_cli(*names, "--help").stdout
    assert said.isascii()
    assert "\x1b" not in said
    shown = [option for options in sections(said).values() for option in options]
    declared = [p.opts[0] for p in COMMANDS[names].params if p.param_type_name == "option"]
    assert sorted(shown) == sorted([*declared, "--help"])


def test_generate_and_judge_group_the_options_they_share_alike() -> None:
    asked, judged = (sections(call_cli(name, "--help").stdout) for name in ("generate", "judge"))
    for panel in (panels.LIMITS, panels.COST, panels.ENGINE):
        assert asked[panel] == judged[panel] != []
    assert asked["Options"] == ["--out", "--limit", "--json", "--help"]
    assert judged[panels.JUDGE][:2] == ["--judge", "--prompt"]


def test_a_terminal_shows_the_same_options_in_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = on_terminal(monkeypatch, app, "judge", "--help")
    assert all(f" {panel} " in drawn for panel in (panels.JUDGE, panels.LIMITS, panels.COST, "Commands"))
    assert "[ID=]VARIABLE" in drawn
    assert "judge STORE --judge ID@BASE_URL [OPTIONS]" in drawn
    assert "audit" in drawn


def test_square_brackets_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = panels.App("Reads [judge] folders.", add_completion=False)

    @toy.command()
    def read(name: Annotated[str, typer.Option(metavar="[of=]NAME", help=BRACKETS)] = "") -> None:
        """Read [this]."""

    @toy.command()
    def write() -> None:
        """Write [that]."""

    assert "Reads [judge] folders." in (shown := on_terminal(monkeypatch, toy, "--help"))
    assert "Write [that]." in shown
    shown = on_terminal(monkeypatch, toy, "read", "--help")
    assert all(part in shown for part in ("Read [this].", BRACKETS, "[of=]NAME"))


def test_usage_errors_stay_one_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = call_cli("generate", "x", "--out", "y").stderr
    assert said.splitlines()[-1].startswith("Error: Invalid value for --model: give --model ID@BASE_URL")


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(help="In cells.")]
    height: Annotated[int, typer.Option(min=1)] = 2


def test_a_group_of_options_reaches_the_command_as_one_object() -> None:
    toy, seen = panels.App("Toy."), []

    @toy.command()
    @grouped
    def draw(out: str, size: Size, title: Annotated[str, typer.Option()] = "none") -> None:
        seen.append((out, size, title))

    run = CliRunner().invoke(toy, ["x", "--width", "3"])
    assert run.exit_code == 0, run.stderr
    assert seen == [("x", Size(3, 2), "none")]
    assert "--width" in CliRunner().invoke(toy, ["x"]).stderr  # required
    assert CliRunner().invoke(toy, ["x", "--width", "3", "--height", "0"]).exit_code == 2

"""Code of the pages: every block of Python and of shell commands, how it is run, and why it is not where it is not.

A comment right before a block says what the reader of the page need not see:

    <!-- not run: REASON -->    it cannot run here: it needs a key, the Hub, or files that it only stands for
    <!-- heavy: REASON -->      it runs with `pytest -m heavy`

What a line of Python prints stands behind `# ->`; lines without `$ ` are printed by the command above.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from conftest import ROOT, call_cli
from markdown_it import MarkdownIt

SHELLS = ("console", "bash", "sh", "shell")
_MARK = re.compile(r"<!-- (not run|heavy): (.+?) -->\s*$", re.S)
_COMMAND = re.compile(r"^\s*(\$ |rsd-bench |pip |python |make |git )", re.M)


@dataclass(frozen=True)
class Block:
    """A block of a page. mark: "not run", "heavy" or nothing, for `reason`."""

    page: str
    line: int
    section: str
    kind: str
    text: str
    mark: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[tuple[list[str], list[str]]]:
        """Each command, as words, with the lines that it is shown to print."""
        found: list[tuple[list[str], list[str]]] = []
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((shlex.split(line[2:], comments=True), []))
            elif line.strip():
                assert found, f"{self}: {line!r} stands before every `$ ` command"
                found[-1][1].append(line)
        return found


def blocks(page: str) -> list[Block]:
    """The blocks of Python and of shell commands of a page, in order."""
    found, section, before = [], "", ""
    tokens = MarkdownIt().parse((ROOT / page).read_text("utf-8"))
    for i, token in enumerate(tokens):
        if token.type == "heading_open":
            section = tokens[i + 1].content
        elif token.type == "fence":
            kind = token.info.split(" ")[0]
            shell = kind in SHELLS or (not kind and _COMMAND.match(token.content))
            mark = _MARK.search(before)
            if shell or kind == "python":
                assert token.map
                told = mark.groups() if mark else ()
                found.append(Block(page, token.map[0] + 1, section, "console" if shell else kind, token.content, *told))
        before = token.content if token.type == "html_block" else ""
    return found


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block in the current folder, Python in `names`; AssertionError where it prints not what the page says."""
    if block.kind == "python":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * block.line + block.text, block.page, "exec"), names)
        assert printed.getvalue().splitlines() == re.findall(r"# -> (.*)$", block.text, re.M), block
        return
    for (program, *words), shown in block.commands:
        if program == "python":
            done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        else:
            assert program == "rsd-bench", f"{block}: the tests run no {program}"
            done = call_cli(*words)
        assert done.returncode == 0, f"{block}: {program} {shlex.join(words)}\n{done.stdout}{done.stderr}"
        said = done.stdout.splitlines()
        assert [line for line in shown if line not in said] == [], block

"""Pages of the site that are made, not written: the reference of the commands and of the public names.

Both are read off the package, so a new command or a new name of `rsd_bench.__all__` has its entry by itself.
"""

from __future__ import annotations

import importlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def commands_page() -> str:
    """Every command with its arguments and options, in Markdown."""
    import typer
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from rsd_bench.cli.main import app

    command = get_command(app)
    context = typer.Context(command, info_name="rsd-bench")
    return get_docs_for_click(obj=command, ctx=context, name="rsd-bench", title="Commands")


def homes() -> dict[str, list[str]]:
    """The public names by the package, or module beside the packages, that defines them, in the order of `__all__`."""
    import griffe

    import rsd_bench

    package = griffe.load("rsd_bench", search_paths=[ROOT])
    found: dict[str, list[str]] = {}
    for name in rsd_bench.__all__:
        member = package[name]
        home = member.target_path if member.is_alias else member.path
        found.setdefault(".".join(home.split(".")[:2]), []).append(name)
    return found


def python_page() -> str:
    """Every public name, for mkdocstrings to fill in."""
    parts = ["# Python", "What `import rsd_bench as rsd` gives. Formulas: [Metrics](../metrics.md)."]
    for home, names in homes().items():
        about = (importlib.import_module(home).__doc__ or "").split("\n\n")[0].strip()
        parts += [f"## `{home}`", about, *(f"::: rsd_bench.{name}" for name in names)]
    return "\n\n".join(parts) + "\n"

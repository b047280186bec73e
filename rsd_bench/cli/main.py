"""The `rsd-bench` command. Each command imports what it needs when it runs, so that --help is quick.

Exit codes: 0 ok, 1 the input falls short (problems listed), 2 usage.
"""

from __future__ import annotations

import io
import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli import (
    board,
    data,
    features,
    generate,
    judge,
    panels,
    paths,
    router,
    router_adapt,
    scenario,
    score,
    serve,
    studies,
    submit,
)
from rsd_bench.cli.output import fail, print_json, say
from rsd_bench.config import PROFILE_BASIS
from rsd_bench.types import InputError, OwnCodeError, Problem
from rsd_bench.version import METRICS_VERSION, __version__

app = panels.App(
    "Datasets and a benchmark for routing between small and large vision-language models.",
    name="rsd-bench",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.command("generate")(generate.generate)
app.add_typer(judge.app, name="judge")
app.add_typer(scenario.app, name="scenario")
app.add_typer(features.app, name="features")
studies.add_to(router.app)
router.app.command("adapt")(router_adapt.adapt)
router.app.command("onboard")(router_adapt.onboard)
app.add_typer(router.app, name="router")
app.add_typer(submit.app, name="submit")
app.command("eval")(score.evaluate)
app.command("compare")(score.compare)
app.add_typer(board.app, name="board")
app.command("serve")(serve.serve)

_TRACEBACK = "RSD_BENCH_TRACEBACK"
_EXTRAS = dict.fromkeys(("torch", "transformers", "safetensors"), "torch==2.13.0 && pip install 'rsd-bench[router]'")
#: How the package's own ValueErrors begin: with the argument ("mes: ...", "taus[3]: ...", "scenario 'x': ...").
_ARGUMENT = re.compile(r"\w+(\[\d+\]| '[^']*')?(, \w+)*: ")


def _version(wanted: bool) -> None:
    if wanted:
        say(f"rsd-bench {__version__}, metrics version {METRICS_VERSION}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print versions and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        say(paths.shown())


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the submission and the board.")] = Path("rsd-bench-demo"),
) -> None:
    """Train, submit, score and rank on the embedded dataset: no network, no key, about a minute."""
    from rsd_bench.board.render import to_text
    from rsd_bench.cli.demo import run_demo

    made = run_demo(out)
    dataset, manifest = made.board.dataset, made.benchmark.manifest
    say(f"{dataset.name} {dataset.version}: {dataset.queries:,} queries of {len(manifest.sources)} sources")
    bases = (f"{basis} (modelled)" if basis.startswith(PROFILE_BASIS) else basis for basis in made.board.latency_basis)
    say(f"latency basis: {', '.join(bases)}\n")
    say("share of queries that are satisfied, by Minimal Expectation Score (MES)")
    say(f"{made.satisfied}\n")
    say(to_text(made.board))
    say(f"\nsubmissions  {made.submissions}")
    say(f"leaderboard  {made.leaderboard / 'index.html'} (open it in a browser; also .md, .csv, .json, results/)")


class SchemaName(StrEnum):
    """The published file contracts."""

    submission = "submission"
    predictions = "predictions"
    result = "result"
    records = "records"
    map = "map"
    recipe = "recipe"
    models = "models"
    profile = "profile"
    scenarios = "scenarios"


@app.command("schema")
def print_schema(name: Annotated[SchemaName, typer.Argument(help="Which file.")]) -> None:
    """Print the JSON Schema of a file that people write or read."""
    from rsd_bench.schemas import schema

    print_json(schema(name.value))


def main() -> None:
    """Entry point: problems become one line each and exit code 1, never a traceback.

    A ValueError that names no argument is no fault of the input that anybody foresaw: the line calls it a bug. With
    RSD_BENCH_TRACEBACK=1 it ends in its traceback, as other errors that were not foreseen always do.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # on Windows a pipe or a file would get a code page of 256 characters
            stream.reconfigure(encoding="utf-8", errors=stream.errors)
    try:
        app()
    except OwnCodeError as error:
        sys.exit(fail(error.problems, traceback=error.traceback).exit_code)
    except InputError as error:
        sys.exit(fail(error.problems).exit_code)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        fix = f"pip install {_EXTRAS[error.name]}"
        sys.exit(fail([Problem("rsd-bench", f"this command needs {error.name}", fix)]).exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away, as in `| head`
        sys.exit(1)
    except OSError as error:
        where = str(error.filename or "rsd-bench")
        sys.exit(fail([Problem(where, error.strerror or str(error))]).exit_code)
    except ValueError as error:
        if _ARGUMENT.match(str(error)):
            sys.exit(fail([Problem("rsd-bench", str(error))]).exit_code)
        if os.environ.get(_TRACEBACK):
            raise
        what = f"{type(error).__name__}: {str(error)[:300]}"
        fix = f"a bug in rsd-bench, please report it; {_TRACEBACK}=1 shows where"
        sys.exit(fail([Problem("rsd-bench", what, fix)]).exit_code)

"""`rsd-bench data import`: bring published answers or queries into a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.option_groups import grouped
from rsd_bench.cli.output import AsJson, fail, print_json, say, table
from rsd_bench.types import InputError, Problem

if TYPE_CHECKING:
    from rsd_bench.sources.source import Source

app = panels.App("Bring published answers or queries into a store.")

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


def _import(inputs: dict[str, Opener], store: Path, models: Path | None, as_json: bool) -> None:
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


@app.command("records")
def import_records(
    folders: Annotated[list[Path], typer.Argument(metavar="SRC...", help="Records folders.")],
    out: Store,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Import records folders: source.json, queries.jsonl, responses.jsonl, images/ (`rsd-bench schema records`)."""
    from rsd_bench.sources.records_folder import open_records

    def opener(folder: Path) -> Opener:
        return lambda report: [open_records(folder, report)]

    _import({str(folder): opener(folder) for folder in folders}, out, models, as_json)


def _named_files(values: list[str], option: str) -> dict[str, Path]:
    """MODEL=FILE arguments as a dict; a usage error for anything else."""
    out: dict[str, Path] = {}
    for value in values:
        model, equals, file = value.partition("=")
        if not (model and equals and file):
            raise typer.BadParameter(f"{value!r} is not MODEL=FILE", param_hint=option)
        if model in out:
            raise typer.BadParameter(f"{model!r} is given twice", param_hint=option)
        out[model] = Path(file)
    return out


@app.command("vlmevalkit")
@grouped
def import_vlmevalkit(
    out: Store,
    tsv: Annotated[
        Path,
        typer.Option(
            "--tsv",
            metavar="DATA.tsv",
            help="The benchmark's TSV with base64 images.",
            rich_help_panel=panels.FILES,
        ),
    ],
    pred: Annotated[
        list[str],
        typer.Option("--pred", metavar="MODEL=FILE", help="Predictions, xlsx or tsv.", rich_help_panel=panels.FILES),
    ],
    licence: LicenceOptions,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            "--judge", metavar="MODEL=FILE", help="Judge results (hit or score).", rich_help_panel=panels.FILES
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Source id; default: the TSV's name.", rich_help_panel=panels.CONTENT)
    ] = None,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Import a VLMEvalKit benchmark with predictions; answers without a judge file stay unscored."""
    from rsd_bench.sources.vlmevalkit import open_vlmevalkit

    predictions, judges = _named_files(pred, "--pred"), _named_files(judge or [], "--judge")

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        return [open_vlmevalkit(tsv, predictions, judges, source, report)]

    _import({str(tsv): licence.stated(opened)}, out, models, as_json)


@app.command("lmms-eval")
@grouped
def import_lmms_eval(
    logdir: Annotated[Path, typer.Argument(metavar="LOGDIR", help="Folder with *_samples_*.jsonl.")],
    out: Store,
    licence: LicenceOptions,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the images, which the logs lack, named by doc_id or image path.",
            rich_help_panel=panels.FILES,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="The metric to read as score, where logs hold several.", rich_help_panel=panels.CONTENT),
    ] = None,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Import lmms-eval sample logs, one source per task."""
    from rsd_bench.sources.lmms_eval import open_lmms_eval

    def opened(report: Callable[[Problem], None]) -> list[Source]:
        return open_lmms_eval(logdir, report, images=images, metric=metric)

    _import({str(logdir): licence.stated(opened)}, out, models, as_json)


@app.command("hub")
def import_hub(
    repo: Annotated[str, typer.Argument(metavar="REPO", help="Hub dataset org/name[@revision], or a local folder.")],
    out: Store,
    mapping: Annotated[Path, typer.Option("--map", metavar="MAP.toml", help="Which columns hold what.")],
    as_json: AsJson = False,
) -> None:
    """Import the queries of a Hub dataset, to be answered with `rsd-bench generate`."""
    from rsd_bench.sources.hub_queries import open_hub

    _import({repo: lambda report: [open_hub(repo, mapping, report)]}, out, None, as_json)

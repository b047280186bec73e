"""`rsd-bench judge audit STORE`: how far to trust the scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.output import AsJson, interruptible, print_json, say, table
from rsd_bench.evaluation.result import interval_text
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.judge.audit import Agreement, Audit

Store = Annotated[Path, typer.Argument(metavar="STORE", help="A store with answers.")]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", help="Only this source; may be repeated.", rich_help_panel=panels.SCOPE),
]


@interruptible
def audit(
    store: Store,
    human: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV or JSONL: query_id, model, score.", rich_help_panel=panels.PEOPLE),
    ] = None,
    small: Annotated[
        str | None,
        typer.Option(help="Small model of the pair whose labels are audited.", rich_help_panel=panels.PEOPLE),
    ] = None,
    large: Annotated[str | None, typer.Option(help="Large model of the pair.", rich_help_panel=panels.PEOPLE)] = None,
    source: Sources = None,
    n_boot: Annotated[
        int,
        typer.Option("--n-boot", min=1, max=100_000, help="Bootstrap resamples.", rich_help_panel=panels.INTERVALS),
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.", rich_help_panel=panels.INTERVALS)] = 0,
    as_json: AsJson = False,
) -> None:
    """How far to trust the judge: people, repeats, verbosity, and the labels that judging again would flip."""
    from rsd_bench.judge.audit import audit_source, judged_answers
    from rsd_bench.judge.human import read_human_scores
    from rsd_bench.judge.model_judge import answering_models, open_scope

    if (small is None) != (large is None):
        raise typer.BadParameter("give both --small and --large", param_hint="--small")
    scope = open_scope(store, source, None)
    asked = answering_models(store, scope.sources, [small, large]) if small and large else []
    known = {key for name in scope.sources for key in judged_answers(store, name)}
    if not known:
        raise InputError.at(store, "has no score of a judge", "run `rsd-bench judge` first")
    scores = read_human_scores(human, known) if human else []
    judged = [name for name in scope.sources if source or judged_answers(store, name)]
    pair = (asked[0], asked[1]) if asked else None
    audits = [audit_source(store, name, scores, pair, n_boot, seed) for name in judged]
    if as_json:
        print_json({"ok": True, "audits": [found.to_dict() for found in audits]})
        return
    for found in audits:
        _say(found)


def _say(found: Audit) -> None:
    say(f"{found.source}: {found.answers} answers scored by {found.judge}")
    if found.repeats:
        say(f"variance over repeats  {found.repeats.variance:.4f} ({found.repeats.answers} answers)")
    if found.human:
        _say_agreement(found.human)
    if found.flips or found.disagreement:
        _say_labels(found)
    elif found.pair:
        say("flipped labels need --repeats 2 or more, or human scores of both models")
    say()


def _say_agreement(people: Agreement) -> None:
    say(f"against {people.annotators} annotator(s) on {people.answers} answers:")
    rows: list[tuple[Any, ...]] = [("figure", "value [95 % interval]")]
    for name, value in people.figures.items():
        rows.append((name.replace("_", " "), interval_text(value) if value else "undefined"))
    say(table(rows))


def _say_labels(found: Audit) -> None:
    flips, people = found.flips, found.disagreement
    rows: list[tuple[Any, ...]] = [("MES", "flips on judging again", "near the MES (queries)", "differs from people")]
    for mes in flips.all if flips else people.all if people else ():
        near = flips.near[mes] if flips else None
        rows.append(
            (
                mes,
                f"{flips.all[mes]:.4f}" if flips else "-",
                f"{near:.4f} ({flips.near_queries[mes]})" if flips and near is not None else "-",
                f"{people.all[mes]:.4f}" if people else "-",
            )
        )
    say(table(rows))

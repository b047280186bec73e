"""`rsd-bench scenario`: scenarios from people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.output import AsJson, fail, interruptible, one_line, print_json, say, table, warn
from rsd_bench.evaluation.result import interval_text, json_data, rounded
from rsd_bench.types import InputError, Problem

if TYPE_CHECKING:
    from rsd_bench.judge.fit_scenarios import Change, Cohort
    from rsd_bench.judge.satisfaction import Scale

app = panels.App("Scenarios from people: whom does which answer satisfy?")
_LIKE = "fast_response"
_MORE = "have more answers rated, or look whether the judge scores what these people care for"


@app.callback()
def _group() -> None:
    pass


@app.command("fit")
@interruptible
def fit(
    ratings: Annotated[
        Path, typer.Argument(metavar="RATINGS", help="CSV or JSONL: query_id, model, satisfied (0 or 1) or rating.")
    ],
    store: Annotated[Path, typer.Option(metavar="STORE", help="The store whose judge scored the answers.")],
    out: Annotated[Path, typer.Option(help="The scenarios, one a cohort.")] = Path("scenarios.toml"),
    scale: Annotated[
        str | None,
        typer.Option(metavar="LOW-HIGH", help="Of the column rating, such as 1-5.", rich_help_panel=panels.PEOPLE),
    ] = None,
    satisfied_from: Annotated[
        float | None,
        typer.Option(metavar="RATING", help="The lowest rating that satisfies.", rich_help_panel=panels.PEOPLE),
    ] = None,
    like: Annotated[str, typer.Option(metavar="PRESET", help="Whose alpha, beta and gamma to take.")] = _LIKE,
    small: Annotated[
        str | None,
        typer.Option(help="Small model of the pair whose labels are compared.", rich_help_panel=panels.PEOPLE),
    ] = None,
    large: Annotated[str | None, typer.Option(help="Large model of the pair.", rich_help_panel=panels.PEOPLE)] = None,
    as_json: AsJson = False,
) -> None:
    """The judge score that satisfies each cohort (MES), from people's satisfaction with answers."""
    if (small is None) != (large is None):
        raise typer.BadParameter("give both --small and --large", param_hint="--small")
    of_scale = _scale(scale, satisfied_from)
    from rsd_bench.config import MAX_SCENARIOS, scenario_named
    from rsd_bench.judge.fit_scenarios import fit_scenarios, scored_answers
    from rsd_bench.judge.model_judge import answering_models
    from rsd_bench.judge.satisfaction import read_ratings
    from rsd_bench.judge.scenario_file import check_scenario_file, write_scenarios
    from rsd_bench.sources.store.store_tables import sources_in

    try:
        preset = scenario_named(like)
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("scenario: "), param_hint="--like") from None
    check_scenario_file(out)
    sources = sources_in(store)
    scored = scored_answers(store, sources)
    asked = answering_models(store, sources, [small, large]) if small and large else []
    read = read_ratings(ratings, scored.scores.keys(), of_scale)
    if (named := len({rating.cohort for rating in read} - {""})) >= MAX_SCENARIOS:
        what = f"names {named} cohorts, and a file holds at most {MAX_SCENARIOS} scenarios, one of all ratings"
        raise InputError.at(f"{ratings}: column cohort", what, "join cohorts, or fit some at a time")
    cohorts = fit_scenarios(read, scored, preset, (asked[0], asked[1]) if asked else None)
    refused = [Problem(f"{ratings}: {_who(one)}", one.refused, _MORE) for one in cohorts if not one.scenario]
    fitted = [one for one in cohorts if one.scenario]
    if not fitted:
        raise fail(refused, as_json)
    write_scenarios(out, cohorts, ratings.name, like)
    if as_json:
        shown = {"satisfied": str(of_scale) if of_scale else "as stated", "like": like, "scenarios": str(out)}
        print_json({"ok": True, **shown, "cohorts": json_data(rounded(cohorts))})
        return
    warn([*refused, *_doubts(ratings, fitted)])
    _say(fitted)
    for one in fitted:
        if one.cohort is not None and one.cohort != one.name:
            say(one_line(f"scenario {one.name} is cohort {one.cohort!r}"))
    say(f"\nscenarios  {out} (weights of {like}; rsd-bench board sensitivity --scenarios {out})")


def _scale(text: str | None, satisfied_from: float | None) -> Scale | None:
    from rsd_bench.judge.satisfaction import Scale

    if text is None and satisfied_from is None:
        return None
    if text is None or satisfied_from is None:
        raise typer.BadParameter("give both --scale and --satisfied-from", param_hint="--scale")
    try:
        return Scale.of(text, satisfied_from)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--scale, --satisfied-from") from None


def _who(one: Cohort) -> str:
    return "all ratings" if one.cohort is None else f"cohort {one.cohort!r}"


def _doubts(ratings: Path, fitted: Sequence[Cohort]) -> list[Problem]:
    """What stands behind a fit that no interval shows."""
    from rsd_bench.judge.agreement import NEAR

    doubts = []
    for one in fitted:
        where = f"{ratings}: {_who(one)}"
        if len(one.judges) > 1:
            what = f"rests on scores of {len(one.judges)} judges: {', '.join(one.judges)}"
            doubts.append(Problem(where, what, "an MES means the same only where scores do: fit each judge's own"))
        if one.fit and one.fit.alike[1] - one.fit.alike[0] > NEAR:
            low, high = one.fit.alike
            what = (
                f"no rated answer scores between {low:g} and {high:g}: every MES above {low:g} up to there fits alike"
            )
            doubts.append(Problem(where, what, "have answers rated that score between"))
    return doubts


def _say(fitted: Sequence[Cohort]) -> None:
    rows: list[tuple[Any, ...]] = [
        ("scenario", "ratings", "people", "satisfied", "MES [95 %]", "balanced acc.", "AUROC [95 %]", "agreement")
    ]
    for one in fitted:
        assert one.fit is not None
        agreed = f"{interval_text(one.agreement, 2)} ({one.rated_by_several} answers)" if one.agreement else "-"
        people, share = one.annotators or "not named", f"{100 * one.satisfied:.1f} %"
        figures = (interval_text(one.fit.mes, 1), f"{one.fit.balanced_accuracy:.3f}", interval_text(one.fit.auroc, 3))
        rows.append((one.name, one.ratings, people, share, *figures, agreed))
    say(table(rows))
    say("\nlabels that an MES one lower / one higher would change, in per cent")
    header = ("", "n", *(one.name for one in fitted))
    by_model = zip(*(one.changes for one in fitted), strict=True)
    say(table([header, *((_labels(of[0]), of[0].n, *map(_change, of)) for of in by_model)]))


def _labels(change: Change) -> str:
    return f"{change.small} -> {change.large}" if change.large else f"answers of {change.small}"


def _change(change: Change) -> str:
    return f"{100 * change.lower:.1f} / {100 * change.higher:.1f}"

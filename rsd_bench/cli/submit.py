"""`rsd-bench submit`: make, check and pack a submission."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.output import (
    AUTHOR_HELP,
    LEDGER,
    LEDGER_HELP,
    NEW_LEDGER_HELP,
    AsJson,
    Data,
    Scenarios,
    fail,
    print_json,
    say,
)
from rsd_bench.config import MAX_SECONDS, ROUTER_LATENCY_S, TAU_ALL_CLOUD
from rsd_bench.evaluation.published import json_data
from rsd_bench.types import InputError, Problem, Report

if TYPE_CHECKING:
    from rsd_bench.evaluation.private_result import PrivateResult
    from rsd_bench.evaluation.result import Result

app = panels.App("Make, check and pack a submission.")


class Kind(StrEnum):
    """How a router decides."""

    QUERY = "query"
    CASCADE = "cascade"


def _taus(values: list[str], scenarios: Collection[str], report: Report) -> dict[str, float]:
    """--tau 0.6 for every scenario, --tau fast_response=0.6 for one. Values that are none are told, and left out."""
    from rsd_bench.submission.new_submission import default_tau

    taus, told = default_tau(scenarios), set[str]()
    for value in sorted(values, key=lambda value: "=" in value):  # what is said of one scenario holds for it
        scenario, equals, number = value.rpartition("=")
        try:
            tau = float(number)
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not TAU or SCENARIO=TAU", param_hint="--tau") from None
        if equals and scenario not in scenarios:
            raise typer.BadParameter(f"no scenario {scenario!r}; use {', '.join(scenarios)}", param_hint="--tau")
        if not 0 <= tau <= TAU_ALL_CLOUD:
            report(Problem(f"--tau {value}", f"is not in [0, {TAU_ALL_CLOUD:g}]", f"{TAU_ALL_CLOUD:g} is all-cloud"))
        elif scenario in told:
            of = f"for {scenario}" if equals else "for all scenarios"
            report(Problem(f"--tau {value}", f"is given a second time {of}", "give it once"))
        else:
            taus |= {scenario: tau} if equals else dict.fromkeys(scenarios, tau)
        told.add(scenario)
    return taus


@app.command()
def new(
    slug: Annotated[str, typer.Argument(help="Name of the folder: a-z, 0-9 and -.")],
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="FILE",
            help="CSV, JSONL or Parquet: query_id, p_edge and, if not in-domain, * and 0, track, scenario and repeat; "
            "p_1 ... in place of p_edge where a track has tiers.",
        ),
    ],
    data: Data = None,
    scenarios: Scenarios = None,
    submissions: Annotated[Path, typer.Option(help="Where the folder goes.")] = Path("submissions"),
    name: Annotated[
        str | None, typer.Option(help="Name on the board; default: the slug.", rich_help_panel=panels.AUTHORSHIP)
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="An author; may be repeated.", rich_help_panel=panels.AUTHORSHIP)
    ] = None,
    description: Annotated[str, typer.Option(help="What the router is.", rich_help_panel=panels.AUTHORSHIP)] = "",
    url: Annotated[str | None, typer.Option(help="Code or paper.", rich_help_panel=panels.AUTHORSHIP)] = None,
    tau: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SCENARIO=]TAU",
            help="Threshold, fixed before the test. Default 0.5.",
            rich_help_panel=panels.DECISIONS,
        ),
    ] = None,
    choose_tau: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Choose tau by RCS on these labelled rows: query_id, p_edge (or p_1 ...), and track, repeat, fold.",
            rich_help_panel=panels.DECISIONS,
        ),
    ] = None,
    kind: Annotated[
        Kind,
        typer.Option(help="cascade: it sees a model's answer before it goes on.", rich_help_panel=panels.DECISIONS),
    ] = Kind.QUERY,
    router_latency: Annotated[
        float,
        typer.Option(help="The router's own seconds per query, declared.", rich_help_panel=panels.DECISIONS),
    ] = ROUTER_LATENCY_S,
    hardware: Annotated[
        str, typer.Option(help="What the router ran on.", rich_help_panel=panels.DECISIONS)
    ] = "not stated",
    replace_old: Annotated[bool, typer.Option("--replace", help="Write a submission of that slug anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a correct submission folder from a file of probabilities."""
    from rsd_bench.dataset.benchmark import read_queries
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.submission.author_table import read_author_table
    from rsd_bench.submission.choose_thresholds import choose_thresholds, ranges_of
    from rsd_bench.submission.new_submission import STAND_IN, new_submission
    from rsd_bench.submission.submission import SLUG, SLUG_FIX, Declaration, RouterLatency

    if tau and choose_tau:
        raise typer.BadParameter("give --tau or --choose-tau, not both", param_hint="--choose-tau")
    benchmark = read_queries(dataset_folder(data), scenarios)
    odd: list[Problem] = []
    if not 0 <= router_latency <= MAX_SECONDS:
        where = f"--router-latency {router_latency:g}"
        odd.append(Problem(where, f"is not in [0, {MAX_SECONDS:g}]", "give the router's own seconds per query"))
        router_latency = ROUTER_LATENCY_S
    declared = Declaration(
        name=name or slug,
        authors=tuple(author or [slug]),
        tau=_taus(tau or [], benchmark.scenarios, odd.append),
        router_latency=RouterLatency(router_latency, hardware),
        description=description,
        url=url or None,
        kind=kind.value,
    )
    tiers = max(benchmark.track(track).count for track in benchmark.tracks)
    found = read_author_table(source, tiers)
    told, folder = (*odd, *found.problems), submissions / slug
    if choose_tau:
        labelled = read_author_table(choose_tau, tiers, folds=True)
        told = (*told, *labelled.problems)
        try:
            chosen = {} if told else choose_thresholds(labelled.frame, found.frame, benchmark, declared, choose_tau)
            declared = replace(declared, tau=chosen or declared.tau)
        except InputError as error:
            told = tuple(error.problems)
    if not SLUG.fullmatch(slug):  # a path too: nothing is written outside of --submissions
        told, folder = (Problem(slug, "is no slug", SLUG_FIX), *told), submissions / STAND_IN
    new_submission(folder, found.frame, benchmark, declared, source=source, told=told, replace_old=replace_old)
    if as_json:
        print_json({"ok": True, "slug": folder.name, "folder": str(folder), "tau": json_data(declared.tau)})
        return
    say(f"submission  {folder}")
    ends = {
        name: " to ".join(dict.fromkeys(f"{edge:g}" for edge in of)) for name, of in ranges_of(declared.tau).items()
    }
    say(f"tau         {', '.join(f'{scenario} {told}' for scenario, told in ends.items())}")
    options = {"--data": data, "--scenarios": scenarios}
    given = [str(word) for option in options.items() if option[1] is not None for word in option]
    say(f"next        {shlex.join(['rsd-bench', 'eval', str(folder), *given])}")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A submission folder.")],
    data: Data = None,
    scenarios: Scenarios = None,
    as_json: AsJson = False,
) -> None:
    """List every problem of a submission, each with where it is and how to fix it."""
    from rsd_bench.dataset.benchmark import read_queries
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.submission.check_submission import check_submission

    submission, problems = check_submission(path, read_queries(dataset_folder(data), scenarios))
    if submission is None:
        raise fail(problems, as_json)
    tracks = sorted({track for track, _ in submission.entries})
    if as_json:
        print_json({"ok": True, "problems": [], "slug": submission.slug, "tracks": tracks})
    else:
        dealt = {track: said.repeats for (track, _), said in submission.entries.items()}
        entered = (f"{track} ({_repeats_told(dealt[track])})" if dealt[track] != (0,) else track for track in tracks)
        say(f"ok: {submission.slug} enters {', '.join(entered)}")


def _repeats_told(repeats: tuple[int, ...]) -> str:
    return f"repeat{'s' if len(repeats) > 1 else ''} {', '.join(map(str, repeats))}"


@app.command()
def pack(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A submission folder.")],
    data: Data = None,
    scenarios: Scenarios = None,
    as_json: AsJson = False,
) -> None:
    """Rewrite a checked submission in canonical form (sorted Parquet) and print its hash."""
    from rsd_bench.dataset.benchmark import read_queries
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.submission.pack_submission import pack_submission

    digest = pack_submission(path, read_queries(dataset_folder(data), scenarios))
    if as_json:
        print_json({"ok": True, "sha256": digest})
    else:
        say(f"{digest}  {path}")


@app.command()
def ci(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The commit to merge into.")],
    head: Annotated[str, typer.Argument(metavar="HEAD", help="The commit proposed.")],
    repository: Annotated[Path, typer.Option("--repository", help="A clone that has both.")] = Path(),
    data: Data = None,
    scenarios: Scenarios = None,
    n_boot: Annotated[
        int, typer.Option("--n-boot", min=1, help="Bootstrap resamples.", rich_help_panel=panels.INTERVALS)
    ] = 2_000,
    private_outcomes: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|REPO", help="Score on private test outcomes instead.", rich_help_panel=panels.PRIVATE
        ),
    ] = None,
    ledger: Annotated[Path, typer.Option(help=LEDGER_HELP, rich_help_panel=panels.PRIVATE)] = LEDGER,
    new_ledger: Annotated[
        bool, typer.Option("--new-ledger", help=NEW_LEDGER_HELP, rich_help_panel=panels.PRIVATE)
    ] = False,
    author: Annotated[str | None, typer.Option(help=AUTHOR_HELP, rich_help_panel=panels.PRIVATE)] = None,
    as_json: AsJson = False,
) -> None:
    """Check and score the submission that a pull request proposes, as data: nothing of HEAD is checked out or run."""
    from rsd_bench.board.comment import report_proposal
    from rsd_bench.cli.score import PRIVATE_SCENARIOS, evaluate_privately
    from rsd_bench.dataset.benchmark import read_queries
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.evaluation.evaluate import evaluate
    from rsd_bench.submission.check_submission import check_submission

    if private_outcomes and scenarios is not None:
        raise typer.BadParameter(PRIVATE_SCENARIOS, param_hint="--scenarios")

    def problems_of(folder: Path) -> list[Problem]:
        return check_submission(folder, read_queries(dataset_folder(data), scenarios))[1]

    def score(folder: Path) -> Result | PrivateResult:
        if private_outcomes:
            return evaluate_privately(folder, data, private_outcomes, ledger, author, new_ledger=new_ledger)
        return evaluate(folder, data, scenarios=scenarios, n_boot=n_boot)

    report = report_proposal(repository, base, head, problems_of, score)
    if as_json:
        print_json(report.to_dict())
    else:
        say(report.to_markdown())
    if report.problems:
        raise typer.Exit(1)

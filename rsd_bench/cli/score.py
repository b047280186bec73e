"""`rsd-bench eval` and `rsd-bench compare`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

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
    print_json,
    say,
    table,
    warn,
)
from rsd_bench.config import CA_POINTS, IN_DOMAIN, N_BOOT
from rsd_bench.evaluation.private_result import PrivateResult
from rsd_bench.evaluation.result import EvalScore, Result, interval_text, json_data, rounded
from rsd_bench.types import Interval, Problem

Boots = Annotated[
    int, typer.Option("--n-boot", min=1, max=1_000_000, help="Bootstrap resamples.", rich_help_panel=panels.INTERVALS)
]
Seed = Annotated[
    int, typer.Option(min=0, max=(1 << 53) - 1, help="Seed of the bootstrap.", rich_help_panel=panels.INTERVALS)
]
PriceFile = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="Prices behind the USD saved; default: the shipped ones. See docs/building.md.",
        rich_help_panel=panels.COST,
    ),
]
PRIVATE_SCENARIOS = "private outcomes are scored on the dataset's own scenarios: others would tell more of them"


def evaluate(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A submission folder.")],
    data: Data = None,
    scenarios: Scenarios = None,
    prices: PriceFile = None,
    n_boot: Boots = N_BOOT,
    seed: Seed = 0,
    private_outcomes: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|REPO",
            help="Private test outcomes: a folder or a gated Hub repository.",
            rich_help_panel=panels.PRIVATE,
        ),
    ] = None,
    ledger: Annotated[Path, typer.Option(help=LEDGER_HELP, rich_help_panel=panels.PRIVATE)] = LEDGER,
    new_ledger: Annotated[
        bool, typer.Option("--new-ledger", help=NEW_LEDGER_HELP, rich_help_panel=panels.PRIVATE)
    ] = False,
    author: Annotated[str | None, typer.Option(help=AUTHOR_HELP, rich_help_panel=panels.PRIVATE)] = None,
    as_json: AsJson = False,
) -> None:
    """Score a submission on every track and scenario it enters, with intervals."""
    if private_outcomes == "":
        raise typer.BadParameter("is empty: name the folder or repository", param_hint="--private-outcomes")
    if private_outcomes is None and (author is not None or new_ledger):
        raise typer.BadParameter("goes with --private-outcomes", param_hint="--author, --new-ledger")
    if private_outcomes:
        if scenarios is not None:
            raise typer.BadParameter(PRIVATE_SCENARIOS, param_hint="--scenarios")
        if prices is not None:
            raise typer.BadParameter("of private outcomes no USD are told", param_hint="--prices")
        sources = [context.get_parameter_source(name) for name in ("n_boot", "seed")]
        if any(source and source.name == "COMMANDLINE" for source in sources):
            raise typer.BadParameter("private outcomes are not resampled", param_hint="--n-boot, --seed")
        private = evaluate_privately(path, data, private_outcomes, ledger, author, new_ledger=new_ledger)
        if as_json:
            print_json(private.to_dict())
        else:
            _say_private(private)
        return
    from rsd_bench.evaluation.evaluate import evaluate as score

    result = score(path, data, scenarios=scenarios, n_boot=n_boot, seed=seed, prices=prices)
    if as_json:
        print_json(result.to_dict())
    else:
        _say(result)


def _say(result: Result) -> None:
    dataset = result.dataset
    say(f"{result.name} on {dataset.name} {dataset.version} (manifest {dataset.manifest_sha256[:12]})")
    say(f"latency basis: {', '.join(result.latency_basis)}; router latency declared")
    for name, scenario in (result.scenarios or {}).items():
        say(f"{name}: {scenario.described}")
    say()
    rows: list[tuple[Any, ...]] = [
        ("track", "scenario", "n", "RCS [95 % interval]", "gain, points", "APSP", "CA", "AIL s", "worst domain")
    ]
    for score in result.scores:
        figures = (f"{score.apsp.value:.3f}", f"{score.ca.value:.3f}", f"{score.ail.value:.2f}")
        worst = f"{score.worst_domain} {score.worst_domain_rcs:.3f}"
        key = (score.track, score.scenario, score.n)
        rows.append((*key, interval_text(score.rcs), score.gain.points(), *figures, worst))
    say(table(rows))
    say()
    say(table([_BESIDE, *map(_beside, result.scores)]))
    if result.prices_day:
        say(f"USD at prices of {result.prices_day}")
    for score in (s for s in result.scores if s.track == IN_DOMAIN):
        known = ", ".join(f"{name} {row.rcs:.4f}" for name, row in score.references.items())
        say(f"\n{score.scenario}: RCS of {known.replace('random', 'random at this CA')}")
        if score.repeats and score.repeats.rcs_std is not None:
            many = f"{score.repeats.number} repeats"
            say(f"{score.scenario}: standard deviation of RCS over {many} {score.repeats.rcs_std:.4f}")
    if result.overall:
        over, tracks = result.overall, f"{len(result.overall.tracks)} tracks of the suite"
        say(f"\noverall, {tracks}: skill {interval_text(over.skill, 3)}, gain {over.gain.points()} points")
    warn(list(_upside_down(result)))


def _upside_down(result: Result) -> Iterator[Problem]:
    """Where p is lower for queries on which the smaller model is enough: its AUROC interval lies below 0.5."""
    for score in result.scores:
        for k, area in enumerate(score.auroc_tiers or (score.auroc,)):
            if area.high < 1 / 2:
                tier = f", tier {k + 1}" if score.auroc_tiers else ""
                what = f"AUROC {interval_text(area, 3)} lies below 0.5: p is upside down"
                fix = "give the probability that the smaller model is good enough, not that the larger one is needed"
                yield Problem(f"{score.track}, {score.scenario}{tier}", what, fix)


_BESIDE = (
    *("track", "scenario", "lift", "skill", "captured", "AUROC", "over-escalated", "under-escalated"),
    *("calls saved per 1,000", "USD saved per 1,000", *(f"APSP at CA {ca:g}" for ca in CA_POINTS)),
)


def _beside(score: EvalScore) -> tuple[str, ...]:
    """The figures beside RCS, for one row of a table."""
    aurocs = [interval_text(area, 3) for area in score.auroc_tiers or (score.auroc,)]
    at_ca = {of.ca: of.apsp for of in score.apsp_at_ca}
    shown = (score.over_escalated, score.under_escalated, score.saved_calls, score.saved_usd)
    return (
        score.track,
        score.scenario,
        _or_dash(score.lift, 4),
        _or_dash(score.skill, 3),
        _or_dash(score.captured, 3),
        " ".join(aurocs),
        *(_or_dash(of, digits) for of, digits in zip(shown, (3, 3, 0, 2), strict=True)),
        *(_or_dash(at_ca.get(ca), 3) for ca in CA_POINTS),
    )


def _or_dash(interval: Interval | None, digits: int) -> str:
    return "-" if interval is None else interval_text(interval, digits)


def evaluate_privately(
    path: Path, data: str | None, private: str, ledger: Path, author: str | None, *, new_ledger: bool
) -> PrivateResult:
    """The public result of a submission on private outcomes; InputError where it may not be given."""
    if author is None:
        raise typer.BadParameter("private outcomes need the account that asks", param_hint="--author")
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.dataset.private_outcomes import open_private_benchmark
    from rsd_bench.evaluation.private_scoring import score_private
    from rsd_bench.submission.check_submission import open_submission

    benchmark = open_private_benchmark(dataset_folder(data), dataset_folder(private))
    submission = open_submission(path, benchmark)
    return score_private(submission, benchmark, ledger, author=author, new_ledger=new_ledger)


def _say_private(result: PrivateResult) -> None:
    terms = result.private
    noise = f"noise of {terms.noise_queries:g} queries added to each count"
    say(f"{result.slug} on private outcomes, {noise}; {terms.used} of {terms.budget} scorings used\n")
    rows: list[tuple[Any, ...]] = [("scenario", "n", "RCS [95 % interval]", "gain, points", "APSP", "CA", "AIL s")]
    for score in result.scores:
        figures = (f"{metric.value:.3f}" for metric in (score.apsp, score.ca, score.ail))
        intervals = (interval_text(score.rcs, 3), score.gain.points())
        rows.append((score.scenario, score.n, *intervals, *figures))
    say(table(rows))


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A submission folder.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    data: Data = None,
    scenarios: Scenarios = None,
    track: Annotated[str, typer.Option(help="The track.")] = IN_DOMAIN,
    n_boot: Boots = N_BOOT,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Paired difference A - B in every scenario that both enter; its interval says whether they can be told apart."""
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.evaluation.compare_submissions import compare_submissions

    benchmark = open_benchmark(dataset_folder(data), scenarios)
    found = compare_submissions(a, b, benchmark, track, n_boot=n_boot, seed=seed)
    if as_json:
        print_json({"track": track, "scenarios": json_data(rounded({k: c.to_dict() for k, c in found.items()}))})
        return
    first, second = a.resolve().name, b.resolve().name
    say(f"{first} - {second} on {track}, {next(iter(found.values())).n} test queries\n")
    rows: list[tuple[str, ...]] = [("scenario", "RCS", "APSP", "CA", "AIL s", "")]
    for name, comparison in found.items():
        cells = map(interval_text, (comparison.rcs, comparison.apsp, comparison.ca, comparison.ail))
        verdict = "cannot be told apart"
        if comparison.separable:
            verdict = f"{first if comparison.difference > 0 else second} is better"
        rows.append((name, *cells, verdict))
    say(table(rows))

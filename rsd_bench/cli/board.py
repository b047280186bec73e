"""`rsd-bench board`: regenerate the leaderboard, export its results to the Hub, rank it for other scenarios."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.output import (
    AsJson,
    Data,
    DryRun,
    Scenarios,
    fail,
    one_line,
    only_shows,
    print_json,
    say,
    table,
    warn,
)
from rsd_bench.cli.score import Boots, PriceFile, Seed
from rsd_bench.config import IN_DOMAIN, N_BOOT
from rsd_bench.evaluation.result import interval_text, json_data
from rsd_bench.types import InputError, Problem

if TYPE_CHECKING:
    from rsd_bench.board.who_leads import Ranked, ScenarioRanking, WhoLeads

app = panels.App("Regenerate the leaderboard.")
_SHOWN = 4  # figures of a row that are named before the rest is counted
_SHOWN_PAIRS = 20  # of scenarios, whose likeness is shown before the rest is counted


@contextmanager
def _collection_paused() -> Iterator[None]:
    """No garbage collection, nor at the end of the process: a board keeps all that it makes, a pass costs a tenth."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@app.command()
def build(
    submissions: Annotated[Path, typer.Option(help="Folder with one folder per router.")] = Path("submissions"),
    out: Annotated[Path, typer.Option(help="Folder of the board.")] = Path("leaderboard"),
    data: Data = None,
    scenarios: Scenarios = None,
    prices: PriceFile = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when committed files differ.")] = False,
    n_boot: Boots = N_BOOT,
    seed: Seed = 0,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Score every submission anew, keep nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score every submission and write results/*.json, leaderboard.{json,csv,md} and index.html."""
    from rsd_bench.board.build_board import check_board, collect_board, write_board
    from rsd_bench.board.render import to_text
    from rsd_bench.board.scored import default_cache
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder

    if out.exists() and not out.is_dir():
        raise InputError.at(out, "is a file", "name a folder with --out")
    with _collection_paused():
        board = collect_board(
            submissions,
            open_benchmark(dataset_folder(data), scenarios),
            n_boot=n_boot,
            seed=seed,
            cached=None if no_cache else default_cache(),
            prices=prices,
        )
        files = board.files()
    if check:
        problems = check_board(files, out)
        if problems:
            raise fail(problems, as_json)
    else:
        write_board(files, out)
    if as_json:
        say(files["leaderboard.json"].decode().rstrip())
        return
    if check:
        say(f"ok: {out} is what {submissions} and the data give")
        return
    say(to_text(board.data))
    for refused in board.data.refused:
        say(f"\nrefused  {refused.slug}: {len(refused.problems)} problems (rsd-bench submit check)")
    say(f"\nboard  {out / 'index.html'} (open it in a browser; also leaderboard.md, .csv, .json)")


@app.command("export-eval-results")
def export_eval_results(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="A router of the board.")],
    dataset: Annotated[str, typer.Option(metavar="ORG/NAME", help="The benchmark dataset on the Hub.")],
    board: Annotated[Path, typer.Option(help="Folder of the board.")] = Path("leaderboard"),
    out: Annotated[Path, typer.Option(metavar="DIR", help="The router's model folder.")] = Path(),
    revision: Annotated[str | None, typer.Option(metavar="SHA", help="Commit of the dataset.")] = None,
    source_url: Annotated[str | None, typer.Option(metavar="URL", help="Where the board stands.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write .eval_results/*.yaml for a router's model repository on the Hub: one RCS per scenario."""
    from rsd_bench.dataset.open import is_hub_id
    from rsd_bench.folders import write_file
    from rsd_bench.hub.eval_results import eval_result_files, read_result
    from rsd_bench.schemas import NO_WEB_LINK, is_web_link

    if not is_hub_id(dataset):
        raise typer.BadParameter(f"{dataset!r} is not ORG/NAME", param_hint="--dataset")
    if source_url is not None and not is_web_link(source_url):
        raise typer.BadParameter(f"{source_url[:80]!r} {NO_WEB_LINK}", param_hint="--source-url")
    files = eval_result_files(read_result(board, slug), dataset, revision=revision, source_url=source_url)
    for name, data in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_file(out / name, data)
    if as_json:
        print_json({"ok": True, "files": [str(out / name) for name in files]})
        return
    for name, data in files.items():
        say(f"{data.decode()}\nwritten  {out / name}")


@app.command()
def push(
    board: Annotated[Path, typer.Argument(metavar="DIR", help="A board that `board build` wrote.")],
    repo: Annotated[str, typer.Argument(metavar="SPACE", help="Hub Space, org/name.")],
    private: Annotated[bool, typer.Option(help="Make a private Space, where there is none.")] = False,
    dry_run: DryRun = None,
    as_json: AsJson = False,
) -> None:
    """Publish the board as a static Hub Space in one commit: the page, its tables and results."""
    from rsd_bench.dataset.open import is_hub_id
    from rsd_bench.hub.space import plan_space, push_space

    if not is_hub_id(repo):
        raise typer.BadParameter(f"{repo!r} is not ORG/NAME", param_hint="SPACE")
    plan = plan_space(board, repo)
    if not as_json:
        say(f"board     {board} -> {repo}, {plan.bytes / 1e6:.1f} MB")
        say(
            "\n".join(
                [f"  send    {name}" for name in sorted(plan.add)] + [f"  delete  {name}" for name in plan.delete]
            )
        )
    dry = only_shows(dry_run, as_json)
    commit = None if dry else push_space(plan, private=private)
    if as_json:
        names = {"send": sorted(plan.add), "delete": list(plan.delete), "unchanged": sorted(plan.unchanged)}
        print_json({"ok": True, "dry_run": dry, "commit": commit, **names})
    else:
        say("nothing was sent (--no-dry-run publishes)" if dry else f"commit    {commit}")


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A board's folder, or its leaderboard.json.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another.")],
    as_json: AsJson = False,
) -> None:
    """Say which published numbers moved and why; exit 1 when one moved for no reason but the code."""
    from rsd_bench.board.board_diff import diff_boards, read_board

    moves = diff_boards(read_board(old), read_board(new))
    broken = [move for move in moves if not move.reproduces]
    if as_json:
        print_json({"ok": not broken, "moves": [move.to_dict() for move in moves]})
    elif not moves:
        say("no row moved")
    else:
        header = ("track", "scenario", "router", "reason", "old RCS", "new RCS", "figures")
        seen = [
            tuple("-" if x is None else f"{x[0]:.6f} ({f'band {x[1]}' if x[1] else 'no band'})" for x in (m.old, m.new))
            for m in moves
        ]
        rows = [
            (m.track, m.scenario, m.slug, m.reason, *x, _named(m.figures)) for m, x in zip(moves, seen, strict=True)
        ]
        say(table([header, *rows]))
        if broken:
            say(f"\n{len(broken)} rows no longer reproduce: the same data, metric and files give others")
    if broken:
        raise typer.Exit(1)


@app.command()
def sensitivity(
    scenarios: Annotated[Path, typer.Option(metavar="FILE", help="Scenarios, such as `scenario fit` writes.")],
    submissions: Annotated[Path, typer.Option(help="Folder with one folder per router.")] = Path("submissions"),
    data: Data = None,
    track: Annotated[str, typer.Option(help="The track.")] = IN_DOMAIN,
    as_json: AsJson = False,
) -> None:
    """Who leads for whom: the ranking under each scenario of a file, and how alike the rankings are."""
    from rsd_bench.board.who_leads import who_leads
    from rsd_bench.config import load_scenarios
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder

    asked = load_scenarios(scenarios)
    if not asked:
        raise InputError.at(scenarios, "holds no scenario", "make one: rsd-bench scenario fit")
    benchmark = open_benchmark(dataset_folder(data))
    found = who_leads(submissions, asked, benchmark, track)
    if as_json:
        print_json({"ok": True, **json_data(found)})
        return
    warn([Problem(name, "is refused", "rsd-bench submit check") for name in found.refused])
    warn([Problem(name, f"does not enter {track}") for name in found.absent])
    _say_who_leads(found)


def _say_who_leads(found: WhoLeads) -> None:
    say(f"{found.track}, {found.n} test queries in {found.groups} groups\n")
    leads: list[tuple[Any, ...]] = [
        ("scenario", "MES", "leads", "RCS [95 %]", "gain, points", "best fixed", "in its band", "decided for")
    ]
    for ranking in found.rankings:
        first, of = ranking.rows[0], ranking.scenario
        figures = (interval_text(first.rcs), first.gain.points())
        band = "-" if ranking.no_bands else f"{sum(row.band == 1 for row in ranking.rows)} of {len(ranking.rows)}"
        bases = ", ".join(sorted({row.decided_for for row in ranking.rows}))
        leads.append((one_line(of.name), f"{of.mes:g}", first.slug, *figures, ranking.best_fixed, band, bases))
    say(table(leads))
    say("\nRCS (band)")
    names = [one_line(ranking.scenario.name) for ranking in found.rankings]
    by_slug = [{row.slug: _rcs_and_band(row, ranking) for row in ranking.rows} for ranking in found.rankings]
    say(table([("router", *names), *((slug, *(of[slug] for of in by_slug)) for slug in by_slug[0])]))
    told = [(one_line(of.scenario.name), of.no_bands) for of in found.rankings if of.no_bands]
    told += list(
        dict.fromkeys((row.slug, row.not_compared) for of in found.rankings for row in of.rows if row.not_compared)
    )
    for who, why in told:
        say(f"no band of {who}: {why}")
    if found.likeness:
        say("\nrank correlation, the least alike first")
        ranked = sorted(found.likeness, key=lambda pair: math.inf if pair.kendall is None else pair.kendall)
        pairs = [(one_line(p.a), one_line(p.b), _figure(p.spearman), _figure(p.kendall)) for p in ranked[:_SHOWN_PAIRS]]
        say(table([("scenario", "scenario", "Spearman", "Kendall"), *pairs]))
        if len(ranked) > _SHOWN_PAIRS:
            say(f"... and {len(ranked) - _SHOWN_PAIRS:,} more pairs (--json lists all)")
    say("\nA router decides by the tau it names for the scenario, else by that of its scenario nearest in MES")
    say("(`decided for`): no router was tuned to a scenario that it does not name.")


def _rcs_and_band(row: Ranked, ranking: ScenarioRanking) -> str:
    return f"{row.rcs.value:.4f} ({'-' if ranking.no_bands or row.band is None else row.band})"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _named(figures: Sequence[str]) -> str:
    more = len(figures) - _SHOWN
    return ", ".join(figures[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

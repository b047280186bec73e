"""`rsd-bench router`: list, predict, submit and push routers; the other commands: router_*.py and studies.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels, router_bench, router_drift, router_train
from rsd_bench.cli.output import AsJson, DryRun, Scenarios, only_shows, print_json, say, table
from rsd_bench.cli.router_options import FeatureStore, Latency, Seed, Tracks, Trust, open_all
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.submission.submission import Declaration

app = panels.App("Train, predict, compare and time routers.")
app.command("train")(router_train.train)
app.command("bench")(router_bench.bench)
app.command("drift")(router_drift.drift)


def _declared(name: str | None, authors: list[str] | None, bench: Path | None, blocks: tuple[str, ...]) -> Declaration:
    """For a submission; router latency and hardware as measured where a bench file is given, else the paper's."""
    from rsd_bench.submission.submission import Declaration, RouterLatency

    declared = Declaration(name=name or "", authors=tuple(authors or ()))
    if bench is None:
        return declared
    from rsd_bench.routers.latency_bench import read_bench

    return replace(declared, router_latency=RouterLatency(*read_bench(bench, blocks)))


@app.command("list")
def list_routers(as_json: AsJson = False) -> None:
    """Name the routers that come with the package."""
    from rsd_bench.routers.registry import CASCADES, ROUTERS

    titles = {name: entry.title for name, entry in {**ROUTERS, **CASCADES}.items()}
    if as_json:
        print_json(titles)
        return
    say(table([("name", "what"), *titles.items()]))


@app.command()
def predict(
    checkpoints: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Checkpoints, one a scenario and track.")],
    out: Annotated[Path, typer.Option("--out", metavar="SUBMISSION", help="Folder to write; its name is the slug.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR|REPO", help="Dataset; default: rsd-open lite.")
    ] = None,
    scenarios: Scenarios = None,
    features: FeatureStore = None,
    name: Annotated[
        str, typer.Option(help="Name on the board.", rich_help_panel=panels.AUTHORSHIP)
    ] = "Reference router (Transformer)",
    author: Annotated[
        list[str] | None, typer.Option(help="An author; may be repeated.", rich_help_panel=panels.AUTHORSHIP)
    ] = None,
    latency: Latency = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Predict the test queries of each checkpoint's track and write one submission."""
    from rsd_bench.routers.pipeline import open_checkpoint
    from rsd_bench.routers.submit_router import submit_checkpoints

    benchmark, read = open_all(data, features, scenarios)
    blocks = {block: None for path in checkpoints if latency for block in open_checkpoint(path, trust).blocks}
    declared = _declared(name, author or ["not stated"], latency, tuple(blocks))
    _say_submission(submit_checkpoints(out, checkpoints, benchmark, read, declared, trust=trust), as_json)


@app.command()
def submit(
    router: Annotated[str, typer.Argument(metavar="NAME|FILE.py", help="A router of `router list`, or your own file.")],
    out: Annotated[Path, typer.Option("--out", metavar="SUBMISSION", help="Folder to write; its name is the slug.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR|REPO", help="Dataset; default: rsd-open lite.")
    ] = None,
    scenarios: Scenarios = None,
    features: FeatureStore = None,
    track: Tracks = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Deals of the folds to enter, of a cross-fitted track; default: all.",
            rich_help_panel=panels.TRAINING,
        ),
    ] = None,
    seed: Seed = 0,
    name: Annotated[
        str | None,
        typer.Option(help="Name on the board; default: the router's title.", rich_help_panel=panels.AUTHORSHIP),
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="An author; may be repeated.", rich_help_panel=panels.AUTHORSHIP)
    ] = None,
    latency: Latency = None,
    as_json: AsJson = False,
) -> None:
    """Train a router on every scenario and track, of a cross-fitted one for every fold, and write its submission."""
    from rsd_bench.routers.registry import router_entry
    from rsd_bench.routers.submit_router import submit_trained
    from rsd_bench.routers.track_training import taken_tracks

    entry = router_entry(router)
    benchmark, read = open_all(data, features, scenarios)
    if entry.cascade:
        from rsd_bench.routers.cascade_router import cascade_features, own_pair_tracks

        track = track or own_pair_tracks(benchmark)
        read = cascade_features(benchmark, read, track)
    declared = _declared(name, author, latency, entry.blocks)
    taken, left_out = taken_tracks(benchmark, entry.make(seed), track or None)
    folder = submit_trained(out, entry, benchmark, read, declared, seed=seed, tracks=taken, repeats=repeats)
    _say_submission(folder, as_json)
    if left_out and not as_json:
        say(f"left out    {', '.join(left_out)}: of more than two tiers; this router chooses between two")


def _say_submission(folder: Path, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "slug": folder.name, "folder": str(folder)})
    else:
        say(f"submission  {folder}")


@app.command()
def push(
    checkpoint: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint of `router train`.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="Hub model, org/name.")],
    slug: Annotated[str | None, typer.Option(help="Add its results on the board, .eval_results/*.yaml.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="ORG/NAME", help="With --slug: the benchmark's Hub id.")
    ] = None,
    board: Annotated[Path, typer.Option(help="With --slug: folder of the board.")] = Path("leaderboard"),
    private: Annotated[bool, typer.Option(help="Make a private repository, where there is none.")] = False,
    trust: Trust = False,
    dry_run: DryRun = None,
    as_json: AsJson = False,
) -> None:
    """Publish a checkpoint as a Hub model in one commit: weights, config, card, report and results."""
    from rsd_bench.dataset.open import is_hub_id
    from rsd_bench.hub.eval_results import eval_result_files, read_result
    from rsd_bench.hub.push import publish_model
    from rsd_bench.routers.pipeline import open_checkpoint
    from rsd_bench.routers.saved_router import SavedRouter, published_config
    from rsd_bench.routers.saved_state import CONFIG, read_settings

    if not is_hub_id(repo):
        raise typer.BadParameter(f"{repo!r} is not ORG/NAME", param_hint="REPO")
    if (slug is None) != (dataset is None) or (dataset and not is_hub_id(dataset)):
        raise typer.BadParameter("give --slug and --dataset ORG/NAME together", param_hint="--slug")
    if not checkpoint.is_dir():
        raise InputError.at(checkpoint, "is no folder", "name a checkpoint of `router train`")
    router = open_checkpoint(checkpoint, trust)
    what = router.name if isinstance(router, SavedRouter) else router.scenario["name"]
    results: dict[str, bytes] = eval_result_files(read_result(board, slug), dataset) if slug and dataset else {}
    names = sorted(
        {str(path.relative_to(checkpoint)) for path in checkpoint.rglob("*") if path.is_file()} | results.keys()
    )
    if not as_json:
        say(f"router    {what}, {router.trained_on.get('track')} -> {repo}")
        say("\n".join(f"  send    {name}" for name in names))
    dry = only_shows(dry_run, as_json)
    card, message = (checkpoint / "README.md").read_text("utf-8"), f"{what} router"
    if read_settings(checkpoint / CONFIG).get("encoders"):
        results |= {CONFIG: published_config(checkpoint)}
    commit = None if dry else publish_model(checkpoint, repo, card, results, message=message, private=private)
    if as_json:
        print_json({"ok": True, "dry_run": dry, "commit": commit, "files": names})
    else:
        say("nothing was sent (--no-dry-run publishes)" if dry else f"commit    {commit}")

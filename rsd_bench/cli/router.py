"""`rsd-bench router`: train, predict, submit and time routers. Experiments: cli/studies.py."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.option_groups import EncoderPlace, OnDevice
from rsd_bench.cli.output import AsJson, Data, DryRun, Scenarios, only_shows, print_json, say, table
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.dataset.benchmark import Benchmark
    from rsd_bench.features.feature_table import Features
    from rsd_bench.submission.submission import Declaration

app = panels.App("Train, predict, compare and time routers.")

DataArgument = Annotated[
    str | None, typer.Argument(metavar="[DATA]", help="Dataset folder or Hub id; default: the embedded rsd-open lite.")
]
FeatureStore = Annotated[
    Path | None,
    typer.Option("--features", metavar="STORE", help="What `features encode` wrote; default: the dataset's own."),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of the weights and of the order of the rows.", rich_help_panel=panels.TRAINING)
]
Tracks = Annotated[list[str] | None, typer.Option("--track", help="May be repeated; default: every track.")]
Trust = Annotated[bool, typer.Option("--trust", help="Run the checkpoint's router.py: a router of somebody's own.")]
Latency = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="JSON of `router bench`: its latency is declared.", rich_help_panel=panels.AUTHORSHIP
    ),
]


def open_all(data: str | None, store: Path | None, scenarios: Path | None = None) -> tuple[Benchmark, Features]:
    """The dataset, to be scored on the scenarios of a file where one is given, and its features."""
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.features.feature_table import read_features

    benchmark = open_benchmark(dataset_folder(data), scenarios)
    return benchmark, read_features(benchmark, store)


def _declared(name: str | None, authors: list[str] | None, bench: Path | None, blocks: tuple[str, ...]) -> Declaration:
    """For a submission; router latency and hardware as measured where a bench file is given, else the paper's."""
    from rsd_bench.submission.submission import Declaration, RouterLatency

    declared = Declaration(name=name or "", authors=tuple(authors or ()))
    if bench is None:
        return declared
    from rsd_bench.routers.latency_bench import read_bench  # torch is wanted only here

    return replace(declared, router_latency=RouterLatency(*read_bench(bench, blocks)))


@app.command("list")
def list_routers(as_json: AsJson = False) -> None:
    """Name the routers that come with the package."""
    from rsd_bench.routers.registry import ROUTERS

    if as_json:
        print_json({name: entry.title for name, entry in ROUTERS.items()})
        return
    say(table([("name", "what"), *((name, entry.title) for name, entry in ROUTERS.items())]))


@app.command()
def train(
    router: Annotated[
        str, typer.Argument(metavar="[NAME|FILE.py]", help="A router of `router list`, or your own file.")
    ] = "reference",
    data: Data = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            help="Its MES gives the labels, its weights tau; default: each in one checkpoint, of `reference` the first."
        ),
    ] = None,
    scenarios: Scenarios = None,
    track: Annotated[str, typer.Option(help="in-domain or a cross-domain track.")] = "in-domain",
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The checkpoint folder to write.")] = Path("router"),
    features: FeatureStore = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="At most; training stops early.", rich_help_panel=panels.TRAINING)
    ] = 50,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave out image, text or statistics.", rich_help_panel=panels.TRAINING)
    ] = None,
    threshold: Annotated[
        str,
        typer.Option(help="grid: best RCS on validation; bayes: from calibrated p.", rich_help_panel=panels.DECISIONS),
    ] = "grid",
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a router on a track and write the checkpoint that `load_router` reads; of `reference` with its report."""
    if router != "reference":
        if (epochs, without, threshold, device) != (50, None, "grid", "auto"):
            raise typer.BadParameter(
                "are of `reference` alone", param_hint="--epochs, --without, --threshold, --device"
            )
        _train_other(router, data, scenarios, features, as_json, out=out, scenario=scenario, track=track, seed=seed)
        return
    from rsd_bench.features.feature_table import BLOCKS
    from rsd_bench.routers.checkpoint import train_checkpoint
    from rsd_bench.routers.reference_training import THRESHOLDS, Settings

    left_out = set(without or ())
    if left_out - set(BLOCKS) or len(left_out) == len(BLOCKS):
        raise typer.BadParameter(f"leave out one or two of {', '.join(BLOCKS)}", param_hint="--without")
    if threshold not in THRESHOLDS:
        raise typer.BadParameter(f"use {' or '.join(THRESHOLDS)}", param_hint="--threshold")
    benchmark, read = open_all(data, features, scenarios)
    blocks = tuple(name for name in BLOCKS if name not in left_out)
    settings = Settings(seed=seed, epochs=epochs, blocks=blocks, threshold=threshold)
    report = train_checkpoint(out, benchmark, read, scenario=scenario, track=track, settings=settings, device=device)
    if as_json:
        print_json({"ok": True, "folder": str(out), **report.to_dict()})
        return
    figures = report.validation
    say(f"trained   {report.scenario}, {track}: {report.best_epoch} epochs, {report.parameters:,} parameters")
    say(f"tau       {report.tau:g} (temperature {report.temperature:.2f})")
    say(
        f"validation RCS {figures.score.rcs:.4f} ({figures.gain:+.4f} to {figures.best_fixed}), APSP "
        f"{figures.score.apsp:.3f}, CA {figures.score.ca:.3f}, AUROC {_number(figures.auroc)}"
    )
    for signature in report.signatures:
        if signature.seen:
            say(f"warning   {signature.name}: {signature.figure:.4g} {signature.meaning}")
    say(f"router    {out}")


def _train_other(
    name: str, data: str | None, scenarios: Path | None, features: Path | None, as_json: bool, out: Path, **options: Any
) -> None:
    """Train a router other than the reference router."""
    from rsd_bench.dataset.open import is_hub_id
    from rsd_bench.features.vector_cache import encoder_folders
    from rsd_bench.routers.registry import router_entry
    from rsd_bench.routers.saved_router import train_router

    if Path(name).is_dir() or is_hub_id(name):
        raise typer.BadParameter(f"{name} is a dataset's place: --data {name}", param_hint="NAME|FILE.py")
    entry = router_entry(name)
    benchmark, read = open_all(data, features, scenarios)
    encoders = {
        kind: path
        for kind, path in encoder_folders(features or benchmark.folder, read.spec.encoders).items()
        if kind in entry.blocks
    }
    saved = train_router(out, entry, benchmark, read, encoders=encoders, **options)
    taus = {scenario: decider.tau for scenario, decider in saved.deciders.items()}
    if as_json:
        print_json(
            {"ok": True, "folder": str(out), "router": saved.name, "tau": taus, "trained_on": dict(saved.trained_on)}
        )
        return
    for scenario, tau in taus.items():
        say(f"tau       {scenario}: {tau:g}")
    say(f"trained   {saved.name} on {saved.trained_on['track']}, {saved.trained_on['train_queries']} queries")
    say(f"router    {out}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


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
    from rsd_bench.features.feature_table import BLOCKS
    from rsd_bench.routers.submit_router import submit_checkpoints

    benchmark, read = open_all(data, features, scenarios)
    declared = _declared(name, author or ["not stated"], latency, BLOCKS)
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
    from rsd_bench.routers.saved_state import CONFIG

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
    if isinstance(router, SavedRouter):
        results |= {CONFIG: published_config(checkpoint)}
    commit = None if dry else publish_model(checkpoint, repo, card, results, message=message, private=private)
    if as_json:
        print_json({"ok": True, "dry_run": dry, "commit": commit, "files": names})
    else:
        say("nothing was sent (--no-dry-run publishes)" if dry else f"commit    {commit}")


@app.command()
def bench(
    checkpoint: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint of `router train`.")],
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DIR", help="Full edition whose queries are routed; default: head only."),
    ] = None,
    image_encoder: EncoderPlace = None,
    text_encoder: EncoderPlace = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of torch; default: its own choice.", rich_help_panel=panels.TIMING),
    ] = None,
    device: OnDevice = "auto",
    calls: Annotated[int, typer.Option(min=5, help="Timed calls at batch 1.", rich_help_panel=panels.TIMING)] = 50,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the figures as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Time a router: p50 and p95 at batch 1 and 64, encoders, statistics and head apart, hardware stamped."""
    from rsd_bench.routers.latency_bench import run_bench, write_bench

    measured = run_bench(checkpoint, data, image_encoder, text_encoder, threads=threads, calls=calls, device=device)
    if out:
        write_bench(out, measured)
    if as_json:
        print_json(asdict(measured))
        return
    rows: list[tuple[str, ...]] = [("stage", "batch", "p50 ms", "p95 ms", "p50 ms/query")]
    for stage, by_batch in measured.stages.items():
        for batch, row in by_batch.items():
            figures = (f"{figure:.3f}" for figure in (row.p50_ms, row.p95_ms, row.p50_ms_per_query))
            rows.append((stage, str(batch), *figures))
    say(table(rows))
    say("\n" + ", ".join(f"{key} {value}" for key, value in asdict(measured.hardware).items()))

"""The experiments of `rsd-bench router`: each writes a table, a picture, and the page over all of them."""

from __future__ import annotations

import sys
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from rsd_bench.cli.option_groups import EncoderPlace
from rsd_bench.cli.output import print_json, say, table
from rsd_bench.cli.router_options import DataArgument, FeatureStore, Trust, open_all

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Tables and pictures; the page is DIR.md.")]
Seeds = Annotated[int, typer.Option(min=1, help="Deals of the folds that are averaged, and seeds of the router.")]
ScenarioName = Annotated[str, typer.Option(help="One of the dataset's own, or a preset where it has none.")]
Draws = Annotated[int, typer.Option(min=1, help="Draws of the queries to learn from that are averaged.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]
Dataset = Annotated[str | None, typer.Option("--data", metavar="DIR|REPO", help="Dataset; default: rsd-open lite.")]
_OUT = Path("results")
_ROUTER = "ngram-gain"  # the best of the shipped ones, and among the quickest
_OLD = "rivals"  # the name of `baselines` in 0.1.0; stays for one version


def _command() -> str:
    """What the user typed, without paths of the machine: a table names the command that makes it again."""
    group, command, *options = sys.argv[1:]
    return " ".join(["rsd-bench", group, "baselines" if command == _OLD else command, *options])


def _finish(out: Path, made: Any, draw: Any, as_json: bool) -> None:
    from dataclasses import asdict

    from rsd_bench.studies.study_table import page_of, shown, write_table

    made = write_table(out, made, draw)
    if as_json:
        print_json(asdict(made))
        return
    say(table([made.columns, *shown(made)]))
    say(f"\ntable    {out / made.name}.json\npicture  {out / made.name}.svg\npage     {page_of(out)}")


def baselines(
    data: DataArgument = None,
    router: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE.py", help="May be repeated; default: all that the features are enough for."),
    ] = None,
    seeds: Seeds = 1,
    features: FeatureStore = None,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Routers side by side in every scenario, cross-validated over all queries."""
    from rsd_bench.routers.registry import ROUTERS, router_entry
    from rsd_bench.studies.compare_baselines import compare_baselines, draw_baselines
    from rsd_bench.studies.decision_cache import DecisionCache

    benchmark, read = open_all(data, features)
    readable = [name for name, entry in ROUTERS.items() if entry.can_read(read.spec)]
    entries = [router_entry(name) for name in router or readable]
    cache = DecisionCache(out, benchmark, read)
    _finish(out, compare_baselines(benchmark, read, entries, seeds, _command(), cache), draw_baselines, as_json)


@wraps(baselines)
def _old_baselines(**given: Any) -> None:
    typer.echo(f"{_OLD}: this command is now called `baselines`", err=True)
    baselines(**given)


def ablate(
    data: DataArgument = None, seeds: Seeds = 1, features: FeatureStore = None, out: Out = _OUT, as_json: AsJson = False
) -> None:
    """The reference router without image, text or statistics, against all three."""
    from rsd_bench.studies.ablate import ablate as run
    from rsd_bench.studies.compare_baselines import draw_gains
    from rsd_bench.studies.decision_cache import DecisionCache

    benchmark, read = open_all(data, features)
    made = run(benchmark, read, seeds, _command(), DecisionCache(out, benchmark, read))
    _finish(out, made, lambda shown, path: draw_gains(shown, path, "features"), as_json)


def sweep(
    data: DataArgument = None,
    mes: Annotated[str, typer.Option(help="Levels: 1..10, or 2,5,8.")] = "1..10",
    router: Annotated[str, typer.Option(metavar="NAME|FILE.py")] = _ROUTER,
    scenario: ScenarioName = "fast_response",
    seeds: Seeds = 1,
    features: FeatureStore = None,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """CA and APSP against MES: the safe zone and the high-risk zone."""
    from rsd_bench.routers.registry import router_entry
    from rsd_bench.studies.mes_sweep import draw_sweep, sweep_mes

    entry = router_entry(router)
    made = sweep_mes(*open_all(data, features), entry, _levels(mes), seeds, scenario, _command())
    _finish(out, made, draw_sweep, as_json)


def _levels(text: str) -> list[int]:
    try:
        low, dots, high = text.partition("..")
        levels = list(range(int(low), int(high) + 1)) if dots else [int(part) for part in text.split(",")]
    except ValueError:
        levels = []
    if not levels or not all(0 <= level <= 10 for level in levels):
        raise typer.BadParameter(f"{text!r} is not LOW..HIGH or a list, within 0 to 10", param_hint="--mes")
    return levels


def pairs(
    data: DataArgument = None,
    source: Annotated[str, typer.Option(help="The source whose models are paired.")] = "visonlyqa",
    router: Annotated[str, typer.Option(metavar="NAME|FILE.py")] = _ROUTER,
    scenario: ScenarioName = "high_quality",
    seeds: Seeds = 1,
    features: FeatureStore = None,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Every pair of models of a source, against their gap: where does routing stop paying?"""
    from rsd_bench.routers.registry import router_entry
    from rsd_bench.studies.pairs import draw_pairs, model_pairs

    entry = router_entry(router)
    made = model_pairs(*open_all(data, features), entry, source, scenario, seeds, _command())
    _finish(out, made, draw_pairs, as_json)


def ceiling(
    data: DataArgument = None,
    router: Annotated[str, typer.Option(metavar="NAME|FILE.py")] = _ROUTER,
    scenario: ScenarioName = "high_quality",
    seeds: Seeds = 1,
    features: FeatureStore = None,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """A learning curve, and what predictors reach that look at answers: how much can be learned at all?"""
    from rsd_bench.routers.registry import router_entry
    from rsd_bench.studies.ceiling import ceiling as run
    from rsd_bench.studies.ceiling import draw_ceiling

    made = run(*open_all(data, features), router_entry(router), scenario, seeds, _command())
    _finish(out, made, draw_ceiling, as_json)


def perturb(
    routers: Annotated[list[str], typer.Argument(metavar="DIR|NAME...", help="Checkpoints, or routers by name.")],
    data: Dataset = None,
    kind: Annotated[list[str] | None, typer.Option(help="Of `rsd.perturb`; default: all that a router sees.")] = None,
    level: Annotated[int, typer.Option(min=1, max=5, help="1, hardly to be seen, to 5.")] = 3,
    features: FeatureStore = None,
    image_encoder: EncoderPlace = None,
    text_encoder: EncoderPlace = None,
    trust: Trust = False,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Decisions on perturbed images and questions: flips, and what RCS and skill lose, kind by kind."""
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.features.perturb import IMAGE_KINDS, QUESTION_KINDS
    from rsd_bench.studies.perturb_subjects import subject_of
    from rsd_bench.studies.perturbations import draw_perturbed, perturb_routers, require_content

    if unknown := [name for name in kind or () if name not in (*IMAGE_KINDS, *QUESTION_KINDS)]:
        known = ", ".join((*IMAGE_KINDS, *QUESTION_KINDS))
        raise typer.BadParameter(f"{unknown[0]!r} is none of {known}", param_hint="--kind")
    benchmark = open_benchmark(dataset_folder(data))
    require_content(benchmark)
    places = {"image_encoder": image_encoder, "text_encoder": text_encoder}
    subjects = [subject_of(router, benchmark, features, trust, **places) for router in routers]
    _finish(out, perturb_routers(benchmark, subjects, kind, level, _command()), draw_perturbed, as_json)


def domains(
    data: DataArgument = None,
    router: Annotated[str, typer.Option(metavar="NAME|FILE.py")] = _ROUTER,
    draws: Draws = 200,
    features: FeatureStore = None,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Domains that a router never saw: as trained, made invariant, adapted by 5 to 100 labelled queries."""
    from rsd_bench.routers.registry import router_entry
    from rsd_bench.studies.domains import across_domains, draw_domains

    made = across_domains(*open_all(data, features), router_entry(router), draws, _command())
    _finish(out, made, draw_domains, as_json)


def models(
    data: DataArgument = None,
    scenario: ScenarioName = "fast_response",
    draws: Draws = 2,
    features: FeatureStore = None,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Models that a router never saw: a router of another pair as it is, and onboarded by 25 to 400 outcomes."""
    from rsd_bench.studies.new_models import across_models, draw_models

    made = across_models(*open_all(data, features), scenario, draws, _command())
    _finish(out, made, draw_models, as_json)


def cascade(
    data: DataArgument = None, seeds: Seeds = 2, features: FeatureStore = None, out: Out = _OUT, as_json: AsJson = False
) -> None:
    """What it adds to look at the small model's answer, by source; of a dataset with answers, a full edition."""
    from rsd_bench.routers.registry import CASCADES, router_entry
    from rsd_bench.studies.cascades import compare_cascades, draw_cascade

    benchmark, read = open_all(data, features)
    if benchmark.manifest.lite:
        say(f"skipped   {benchmark.manifest.name} is a lite edition, which holds no answers; name a full one")
        return
    made = compare_cascades(benchmark, read, router_entry(_ROUTER), CASCADES["ngram-cascade"], seeds, _command())
    _finish(out, made, draw_cascade, as_json)


Folders = Annotated[list[Path], typer.Argument(metavar="SUBMISSION...", help="Submission folders.")]


def tracks(folders: Folders, data: Dataset = None, out: Out = _OUT, as_json: AsJson = False) -> None:
    """Submissions on every track: across domains, between other models, of more than two tiers."""
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.studies.board_studies import draw_tracks, score_folders, tracks_table

    benchmark = open_benchmark(dataset_folder(data))
    _finish(out, tracks_table(score_folders(folders, benchmark), benchmark, _command()), draw_tracks, as_json)


def thresholds(folders: Folders, data: Dataset = None, out: Out = _OUT, as_json: AsJson = False) -> None:
    """Submissions over the tau grid, in-domain."""
    from rsd_bench.dataset.benchmark import open_benchmark
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.studies.board_studies import draw_thresholds, score_folders, thresholds_table

    benchmark = open_benchmark(dataset_folder(data))
    made = thresholds_table(score_folders(folders, benchmark), benchmark, _command())
    _finish(out, made, draw_thresholds, as_json)


def add_to(app: typer.Typer) -> None:
    """Register the experiments."""
    for command in (
        baselines,
        ablate,
        sweep,
        pairs,
        ceiling,
        domains,
        models,
        cascade,
        tracks,
        thresholds,
        perturb,
    ):
        app.command()(command)
    app.command(_OLD, hidden=True)(_old_baselines)

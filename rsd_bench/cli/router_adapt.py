"""`rsd-bench router adapt` and `onboard`: a trained router for a domain, or for models, that it never saw."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli.output import AsJson, print_json, say
from rsd_bench.cli.router_options import FeatureStore, Trust, open_all
from rsd_bench.config import IN_DOMAIN


def adapt(
    checkpoint: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint of `router train`.")],
    data: Annotated[str, typer.Option("--data", metavar="NEW", help="Dataset of the new domain, some of it labelled.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR2", help="Checkpoint to write.")],
    features: FeatureStore = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Move a router's thresholds to what few labelled queries of a new domain say, where they say it clearly."""
    from rsd_bench.dataset.benchmark import read_queries
    from rsd_bench.dataset.open import dataset_folder
    from rsd_bench.features.feature_table import read_features
    from rsd_bench.routers.adapt import adapt_router

    benchmark = read_queries(dataset_folder(data))
    done = adapt_router(checkpoint, out, benchmark, read_features(benchmark, features), trust=trust)
    if as_json:
        print_json({"ok": True, "folder": str(out), **asdict(done)})
        return
    say(f"{done.dataset}: {done.labelled:,} of {done.queries:,} queries are labelled")
    for name, found in done.thresholds.items():
        if found.kept is None:
            say(f"tau       {name}: {found.tau:g}, as trained: no other is better by a standard error")
        else:
            earned = f"{found.more:+.1f} points on the labelled ones (standard error {found.error:.1f})"
            say(f"tau       {name}: {found.tau:g}, keeps {found.kept:.0%} on the edge; {earned}")
    say(f"router    {out}")


def onboard(
    checkpoint: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint of `router train ngram-gain`.")],
    data: Annotated[str, typer.Option("--data", metavar="NEW", help="Dataset with some outcomes of the new model.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR2", help="Checkpoint to write.")],
    track: Annotated[str, typer.Option(help="The track whose models are routed between.")] = IN_DOMAIN,
    features: FeatureStore = None,
    as_json: AsJson = False,
) -> None:
    """A router for other models: what it knows of other ones, mended by few outcomes of the new ones."""
    from rsd_bench.routers.onboard import onboard_router

    done = onboard_router(checkpoint, out, *open_all(data, features), track=track)
    if as_json:
        print_json({"ok": True, "folder": str(out), **asdict(done)})
        return
    say(f"{done.dataset}, {done.track}: {' or '.join(done.models)}, {done.queries:,} queries")
    for name, tau in done.tau.items():
        say(f"tau       {name}: {tau:g}")
    say(f"router    {out}")

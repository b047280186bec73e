"""`rsd-bench router drift`: is traffic still what a router was trained for?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd_bench.cli.option_groups import EncoderPlace
from rsd_bench.cli.output import AsJson, print_json, say, table


def drift(
    checkpoint: Annotated[str, typer.Argument(metavar="DIR|REPO", help="The router.")],
    store: Annotated[Path, typer.Option(metavar="STORE", help="What a server keeps, and what was known before it.")],
    scenario: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the router's first.")] = None,
    image_encoder: EncoderPlace = None,
    text_encoder: EncoderPlace = None,
    as_json: AsJson = False,
) -> None:
    """Compare the traffic of a store with its other sources, and p(edge) with what judges said of it."""
    from rsd_bench.routers.pipeline import load_router
    from rsd_bench.serve.deciding import loaded
    from rsd_bench.serve.drift import measure_drift

    router = load_router(checkpoint, image_encoder=image_encoder, text_encoder=text_encoder)
    found = measure_drift(loaded(router), store, scenario)
    if as_json:
        print_json({"ok": True, **found.to_dict()})
        return
    say(f"{found.scenario}: {found.served:,} queries of traffic against {found.known:,} known ones")
    rows = [("inputs by", "AUROC", "p-value")]
    rows += [(one.by, f"{one.auroc:.3f}", f"{one.p_value:.3f}") for one in found.inputs]
    say(table(rows))
    if held := found.calibration:
        say(f"judged       {held.judged:,}: p(edge) {held.mean_p:.3f}, good enough {held.competent:.3f}")
        say(f"calibration  {held.z:+.1f} standard errors, ECE {held.ece:.3f}")
    else:
        say(f"judged       {found.judged:,}: too few to look at calibration")
    say(found.advice)

"""Routers by name. A new one is a file that defines `make_router(seed)`: see docs/routers.md."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rsd_bench.router import rivals
from rsd_bench.router.cross_fit import CrossFitted
from rsd_bench.router.interface import Router
from rsd_bench.router.rivals import ScaledRouter
from rsd_bench.types import InputError

Make = Callable[[int], Router]  # seed -> a router that has learned nothing yet


@dataclass(frozen=True)
class Entry:
    """A router that can be trained by name."""

    name: str
    title: str
    make: Make


def _reference(seed: int) -> Router:
    from rsd_bench.router.training import ReferenceBaseline  # torch is wanted only here

    return ReferenceBaseline(seed=seed)


ROUTERS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("reference", "Reference router (Transformer)", _reference),
        Entry(
            "gain-kernel",
            "Kernel ridge on the routing gain, cross-fitted",
            lambda seed: CrossFitted(rivals.GainKernel, seed),
        ),
        Entry(
            "logistic-cross-fitted",
            "Logistic regression, cross-fitted",
            lambda seed: CrossFitted(lambda: ScaledRouter(lambda: rivals.logistic(seed)), seed),
        ),
        Entry("logistic", "Logistic regression", lambda seed: ScaledRouter(lambda: rivals.logistic(seed))),
        Entry(
            "text-logistic",
            "Logistic regression, text only",
            lambda seed: ScaledRouter(lambda: rivals.logistic(seed), ("text",)),
        ),
        Entry(
            "image-logistic",
            "Logistic regression, image only",
            lambda seed: ScaledRouter(lambda: rivals.logistic(seed), ("image",)),
        ),
        Entry(
            "statistics-logistic",
            "Logistic regression, statistics only",
            lambda seed: ScaledRouter(lambda: rivals.logistic(seed), ("statistics",)),
        ),
        Entry("knn", "k nearest neighbours", lambda seed: ScaledRouter(lambda: rivals.nearest_neighbours(seed))),
        Entry("boosted-trees", "Gradient-boosted trees", lambda seed: ScaledRouter(lambda: rivals.boosted_trees(seed))),
        Entry("mlp", "Multilayer perceptron", lambda seed: ScaledRouter(lambda: rivals.perceptron(seed))),
        Entry("domain-constant", "Constant per domain", lambda seed: rivals.DomainConstant()),
    )
}


def router_entry(name_or_file: str) -> Entry:
    """A registered router, or one from a Python file of the user's own. InputError where there is none."""
    if name_or_file in ROUTERS:
        return ROUTERS[name_or_file]
    path = Path(name_or_file)
    if path.suffix != ".py" or not path.is_file():
        mend = f"use {', '.join(ROUTERS)}, or a .py file that defines make_router(seed)"
        raise InputError.at(name_or_file, "is no router", mend)
    module_spec = importlib.util.spec_from_file_location(f"rsd_bench_user_{path.stem}", path)
    assert module_spec and module_spec.loader
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises is a problem of that file
        raise InputError.at(path, f"cannot be run: {error!r}", "mend the file") from error
    make = getattr(module, "make_router", None)
    if not callable(make):
        raise InputError.at(path, "defines no make_router(seed)", "see docs/routers.md")
    return Entry(path.stem, str(getattr(module, "TITLE", path.stem)), make)

"""Routers by name. A new one is a file that defines `make_router(seed)`: see docs/routers.md."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.features.table import BLOCKS
from rsd_bench.router import rivals
from rsd_bench.router.cross_fit import CrossFitted
from rsd_bench.router.interface import Router
from rsd_bench.router.rivals import ScaledRouter
from rsd_bench.types import InputError

Make = Callable[[int], Router]  # seed -> a router that has learned nothing yet


@dataclass(frozen=True)
class Entry:
    """A router that can be trained by name; `blocks` are the features that it reads."""

    name: str
    title: str
    make: Make
    blocks: tuple[str, ...] = BLOCKS


def _reference(seed: int) -> Router:
    from rsd_bench.router.training import ReferenceBaseline  # torch is wanted only here

    return ReferenceBaseline(seed=seed)


def _scaled(candidates: Callable[[int, int], Sequence[Any]], blocks: tuple[str, ...] = BLOCKS) -> Make:
    return lambda seed: ScaledRouter(lambda n: candidates(seed, n), blocks)


def _cross_fitted(make: Make) -> Make:
    return lambda seed: CrossFitted(lambda: make(seed), seed)


def _logistic_of(block: str) -> Entry:
    make = _scaled(rivals.logistic, (block,))
    return Entry(f"{block}-logistic", f"Logistic regression, {block} only", make, (block,))


_LOGISTIC = _scaled(rivals.logistic)

ROUTERS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("reference", "Reference router (Transformer)", _reference),
        Entry(
            "gain-kernel",
            "Routing-gain kernel, cross-fitted",
            _cross_fitted(lambda seed: rivals.GainKernel()),
        ),
        Entry("logistic-cross-fitted", "Logistic regression, cross-fitted", _cross_fitted(_LOGISTIC)),
        Entry("logistic", "Logistic regression", _LOGISTIC),
        *(_logistic_of(block) for block in ("text", "image", "statistics")),
        Entry("knn", "k nearest neighbours", _scaled(rivals.nearest_neighbours)),
        Entry("boosted-trees", "Gradient-boosted trees", _scaled(rivals.boosted_trees)),
        Entry("mlp", "Multilayer perceptron", _scaled(rivals.perceptron)),
        Entry("domain-constant", "Constant per domain", lambda seed: rivals.DomainConstant(), ()),
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

"""Routers by name. A new one is a file that defines `make_router(seed)`: see docs/routers.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.features.blocks import ANSWER, BLOCKS, NGRAMS, FeatureSpec
from rsd_bench.routers import baselines
from rsd_bench.routers.baselines import ScaledRouter
from rsd_bench.routers.cross_fit import CrossFitted
from rsd_bench.routers.interface import Make as Make
from rsd_bench.routers.interface import Router
from rsd_bench.routers.own_router import read_own
from rsd_bench.types import InputError


@dataclass(frozen=True)
class Entry:
    """A router that can be trained by name; `blocks` are the features that it reads."""

    name: str
    title: str
    make: Make
    blocks: tuple[str, ...] = BLOCKS
    path: Path | None = None  # of the user's file that defines it
    cascade: bool = False  # it decides when the cheapest model has answered, and reads that answer

    @property
    def own(self) -> bool:
        """Whether it is a router of the user's."""
        return self.path is not None

    def can_read(self, spec: FeatureSpec) -> bool:
        """Whether features of this spec have every block that it reads."""
        return spec.names.issuperset(self.blocks)


def _reference(seed: int) -> Router:
    from rsd_bench.routers.reference_training import ReferenceBaseline  # torch is wanted only here

    return ReferenceBaseline(seed=seed)


def _any_scenario(seed: int, words: bool) -> Router:
    from rsd_bench.routers.any_scenario import AnyScenario  # torch again

    return AnyScenario(seed, words)


def _ngram_gain(seed: int, blocks: tuple[str, ...] = ()) -> Router:
    from rsd_bench.routers.ngram_routers import NgramGain  # scipy is wanted only here

    return NgramGain(seed, blocks)


def _ngram_logistic(seed: int) -> Router:
    from rsd_bench.routers.ngram_routers import NgramLogistic

    return NgramLogistic()


def _ngram_cascade(seed: int) -> Router:
    from rsd_bench.routers.cascade_router import NgramCascade

    return NgramCascade(seed)


def _scaled(candidates: Callable[[int, int], Sequence[Any]], blocks: tuple[str, ...] = BLOCKS) -> Make:
    return lambda seed: ScaledRouter(lambda n: candidates(seed, n), blocks)


def _cross_fitted(make: Make) -> Make:
    return lambda seed: CrossFitted(lambda: make(seed), seed)


def _logistic_of(block: str) -> Entry:
    make = _scaled(baselines.logistic, (block,))
    return Entry(f"{block}-logistic", f"Logistic regression, {block} only", make, (block,))


_LOGISTIC = _scaled(baselines.logistic)

ROUTERS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("reference", "Reference router (Transformer)", _reference),
        Entry("reference-any", "Reference router for any scenario", lambda seed: _any_scenario(seed, words=False)),
        Entry(
            "reference+ngrams",
            "Reference router with words, for any scenario",
            lambda seed: _any_scenario(seed, words=True),
            (*BLOCKS, NGRAMS),
        ),
        Entry(
            "gain-kernel",
            "Routing-gain kernel, cross-fitted",
            _cross_fitted(lambda seed: baselines.GainKernel()),
        ),
        Entry("ngram-gain", "Routing gain from words", _ngram_gain, (NGRAMS,)),
        Entry(
            "ngram+statistics",
            "Routing gain from words and statistics",
            lambda seed: _ngram_gain(seed, ("statistics",)),
            (NGRAMS, "statistics"),
        ),
        Entry(
            "ngram+encoders",
            "Routing gain from words and encoders",
            lambda seed: _ngram_gain(seed, ("image", "text")),
            (NGRAMS, "image", "text"),
        ),
        Entry("ngram-logistic", "Logistic regression, words only", _ngram_logistic, (NGRAMS,)),
        Entry("logistic-cross-fitted", "Logistic regression, cross-fitted", _cross_fitted(_LOGISTIC)),
        Entry("logistic", "Logistic regression", _LOGISTIC),
        *(_logistic_of(block) for block in ("text", "image", "statistics")),
        Entry("knn", "k nearest neighbours", _scaled(baselines.nearest_neighbours)),
        Entry("boosted-trees", "Gradient-boosted trees", _scaled(baselines.boosted_trees)),
        Entry("mlp", "Multilayer perceptron", _scaled(baselines.perceptron)),
        Entry("domain-constant", "Constant per domain", lambda seed: baselines.DomainConstant(), ()),
    )
}

#: Routers that see the cheapest model's answer; the features that they read need a dataset with answers.
CASCADES: dict[str, Entry] = {
    "ngram-cascade": Entry(
        "ngram-cascade", "Cascade: words of question and answer", _ngram_cascade, (NGRAMS, ANSWER), cascade=True
    )
}


def router_entry(name_or_file: str) -> Entry:
    """A registered router, or one from a Python file of the user's own. InputError where there is none."""
    if found := ROUTERS.get(name_or_file) or CASCADES.get(name_or_file):
        return found
    path = Path(name_or_file)
    if path.suffix == ".py" and not path.is_file():
        raise InputError.at(path, "is no file", "name the file that defines make_router(seed)")
    if path.suffix != ".py":
        fix = f"use {', '.join((*ROUTERS, *CASCADES))}, or a .py file that defines make_router(seed)"
        raise InputError.at(name_or_file, "is no router", fix)
    own = read_own(path)
    blocks = BLOCKS if own.blocks is None else own.blocks
    return Entry(path.name, own.title, own.make, blocks, path)

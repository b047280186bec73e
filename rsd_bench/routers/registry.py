"""Routers by name. A new one is a file that defines `make_router(seed)`: see docs/routers.md."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import TAU_ALL_CLOUD
from rsd_bench.features.blocks import BLOCKS, NGRAMS, Features, FeatureSpec
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers import baselines
from rsd_bench.routers.baselines import ScaledRouter
from rsd_bench.routers.cross_fit import CrossFitted
from rsd_bench.routers.interface import Router, TierRouter, TrainingData
from rsd_bench.types import InputError

Make = Callable[[int], Router]  # seed -> a router that has learned nothing yet


@dataclass(frozen=True)
class Entry:
    """A router that can be trained by name; `blocks` are the features that it reads."""

    name: str
    title: str
    make: Make
    blocks: tuple[str, ...] = BLOCKS
    path: Path | None = None  # of the user's file that defines it

    @property
    def own(self) -> bool:
        """Whether it is a router of the user's."""
        return self.path is not None

    def can_read(self, spec: FeatureSpec) -> bool:
        """Whether features of this spec have every block that it reads."""
        there = {*spec.dimensions, *((NGRAMS,) if spec.ngrams else ())}
        return there.issuperset(self.blocks)


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


def router_entry(name_or_file: str) -> Entry:
    """A registered router, or one from a Python file of the user's own. InputError where there is none."""
    if name_or_file in ROUTERS:
        return ROUTERS[name_or_file]
    path = Path(name_or_file)
    if path.suffix == ".py" and not path.is_file():
        raise InputError.at(path, "is no file", "name the file that defines make_router(seed)")
    if path.suffix != ".py":
        fix = f"use {', '.join(ROUTERS)}, or a .py file that defines make_router(seed)"
        raise InputError.at(name_or_file, "is no router", fix)
    module_spec = importlib.util.spec_from_file_location(f"rsd_bench_user_{path.stem}", path)
    assert module_spec and module_spec.loader
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_spec.name] = module  # dataclasses and pickle look there
    beside = str(path.resolve().parent)
    if beside not in sys.path:
        sys.path.append(beside)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises is a problem of that file
        raise InputError.at(path, f"cannot be run: {error!r}", "fix the file") from error
    make = getattr(module, "make_router", None)
    if not callable(make):
        raise InputError.at(path, "defines no make_router(seed)", "see docs/routers.md")
    title = str(getattr(module, "TITLE", path.stem))
    blocks = getattr(module, "BLOCKS", BLOCKS)
    if not isinstance(blocks, tuple) or not set(blocks) <= {*BLOCKS, NGRAMS}:
        raise InputError.at(path, "BLOCKS names no blocks", f"write a tuple of {', '.join((*BLOCKS, NGRAMS))}")
    return Entry(path.name, title, lambda seed: _own(path, _run(path, "make_router", make, seed)), blocks, path)


def _own(path: Path, router: Any) -> Router:
    return (_OwnTierRouter if isinstance(router, TierRouter) else _OwnRouter)(path, router)


@dataclass(frozen=True)
class _OwnRouter:
    """A router of the user's own file: whatever it does wrong is a problem of that file, and never a number."""

    path: Path
    router: Any

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        self._ask("fit", train, validation)
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        return self._probabilities("predict_p_edge", features, (len(features),))

    def _probabilities(self, name: str, features: Features, shape: tuple[int, ...]) -> FloatArray:
        found: NDArray[Any] = _run(self.path, name, np.asarray, self._ask(name, features))
        if found.dtype.kind not in "fiub" or found.shape != shape:
            wanted = " x ".join(map(str, shape))
            what = f"{name} gives {found.dtype} of shape {found.shape}, not {wanted} numbers"
            raise InputError.at(self.path, what, "one probability a row of the features (and tier but the last)")
        p: FloatArray = found.astype(np.float64)
        if not ((p >= 0) & (p <= 1)).all():
            raise InputError.at(self.path, f"{name} gives something outside [0, 1]", "give probabilities")
        return p

    def threshold(self, validation: TrainingData) -> float:
        tau = self._ask("threshold", validation)
        if not isinstance(tau, Real) or not 0 <= float(tau) <= TAU_ALL_CLOUD:
            raise InputError.at(self.path, f"threshold gives {tau!r:.80}", f"a number in [0, {TAU_ALL_CLOUD}]")
        return float(tau)

    def require(self, *names: str) -> None:
        """InputError where it lacks one of these methods."""
        for name in names:
            if not callable(getattr(self.router, name, None)):
                raise InputError.at(self.path, f"its router has no {name}", "see docs/routers.md")

    def save(self, folder: Path) -> None:
        """What it learned, as files of its own."""
        self._ask("save", folder)

    def load(self, folder: Path) -> None:
        """Become what was saved there."""
        self._ask("load", folder)

    def _ask(self, name: str, *arguments: Any) -> Any:
        self.require(name)
        return _run(self.path, name, getattr(self.router, name), *arguments)


@dataclass(frozen=True)
class _OwnTierRouter(_OwnRouter):
    """One that chooses among more than two tiers as well; how many, the rows say that it learned from."""

    _learned: dict[str, int] = field(default_factory=dict)

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        self._learned["columns"] = train.tiers.count - 1
        return super().fit(train, validation)

    def predict_p_tiers(self, features: Features) -> FloatArray:
        return self._probabilities("predict_p_tiers", features, (len(features), self._learned["columns"]))

    def tier_thresholds(self, validation: TrainingData) -> FloatArray:
        tau = _run(self.path, "tier_thresholds", np.asarray, self._ask("tier_thresholds", validation))
        columns = self._learned["columns"]
        if tau.dtype.kind not in "fiu" or tau.shape != (columns,) or not ((tau >= 0) & (tau <= TAU_ALL_CLOUD)).all():
            fix = f"{columns} numbers in [0, {TAU_ALL_CLOUD}]"
            raise InputError.at(self.path, f"tier_thresholds gives {tau!r:.80}", fix)
        return np.asarray(tau, np.float64)


def _run(path: Path, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except Exception as error:  # as above: a problem of that file
        raise InputError.at(path, f"{name} fails: {error!r:.300}", "fix the file") from error

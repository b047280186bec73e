"""A router of the user's own: a file that defines `make_router(seed)` (see docs/routers.md).

Whatever it does wrong is a problem of that file and never a number. Where its code raises, the error names file and
line, and carries the part of the traceback that is the user's: the file and what lies beside it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from traceback import StackSummary, TracebackException
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import TAU_ALL_CLOUD
from rsd_bench.features.blocks import BLOCKS, NGRAMS, Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.interface import Make, Router, TierRouter, TrainingData
from rsd_bench.types import InputError, OwnCodeError, Problem

_PACKAGE = Path(__file__).resolve().parent.parent
_READS = "fix the file; BLOCKS names the features that it reads (docs/routers.md)"


@dataclass(frozen=True)
class OwnFile:
    """What a file of the user's defines; blocks: None where it does not say which it reads."""

    title: str
    make: Make
    blocks: tuple[str, ...] | None


def read_own(path: Path) -> OwnFile:
    """Run the file. InputError where it fails or defines no router."""
    module_spec = importlib.util.spec_from_file_location(f"rsd_bench_user_{path.stem}", path)
    assert module_spec and module_spec.loader
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_spec.name] = module  # dataclasses and pickle look there
    beside = str(path.resolve().parent)
    if beside not in sys.path:
        sys.path.append(beside)
    _run(path, "cannot be run", module_spec.loader.exec_module, module)
    make = getattr(module, "make_router", None)
    if not callable(make):
        raise InputError.at(path, "defines no make_router(seed)", "see docs/routers.md")
    blocks = getattr(module, "BLOCKS", None)
    if blocks is not None and (not isinstance(blocks, tuple) or not set(blocks) <= {*BLOCKS, NGRAMS}):
        raise InputError.at(path, "BLOCKS names no blocks", f"write a tuple of {', '.join((*BLOCKS, NGRAMS))}")

    def made(seed: int) -> Router:
        router = _run(path, "make_router fails", make, seed)
        return (_OwnTierRouter if isinstance(router, TierRouter) else _OwnRouter)(path, router, blocks)

    return OwnFile(str(getattr(module, "TITLE", path.stem)), made, blocks)


@dataclass(frozen=True)
class _OwnRouter:
    """The router of a file, held to the interface; it sees the blocks that its file declares, else all there are."""

    path: Path
    router: Any
    blocks: tuple[str, ...] | None

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        self._ask("fit", self._lesson(train), self._lesson(validation))
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        return self._probabilities("predict_p_edge", features, (len(features),))

    def _seen(self, features: Features) -> Features:
        return features if self.blocks is None else features.only(self.blocks)

    def _lesson(self, data: TrainingData) -> TrainingData:
        return replace(data, features=self._seen(data.features))

    def _probabilities(self, name: str, features: Features, shape: tuple[int, ...]) -> FloatArray:
        given = self._ask(name, self._seen(features))
        found: NDArray[Any] = _run(self.path, f"{name} fails", np.asarray, given)
        if found.dtype.kind not in "fiub" or found.shape != shape:
            wanted = " x ".join(map(str, shape))
            what = f"{name} gives {found.dtype} of shape {found.shape}, not {wanted} numbers"
            raise InputError.at(self.path, what, "one probability a row of the features (and tier but the last)")
        p: FloatArray = found.astype(np.float64)
        if not ((p >= 0) & (p <= 1)).all():
            raise InputError.at(self.path, f"{name} gives something outside [0, 1]", "give probabilities")
        return p

    def threshold(self, validation: TrainingData) -> float:
        tau = self._ask("threshold", self._lesson(validation))
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
        return _run(self.path, f"{name} fails", getattr(self.router, name), *arguments)


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
        given = self._ask("tier_thresholds", self._lesson(validation))
        tau = _run(self.path, "tier_thresholds fails", np.asarray, given)
        columns = self._learned["columns"]
        if tau.dtype.kind not in "fiu" or tau.shape != (columns,) or not ((tau >= 0) & (tau <= TAU_ALL_CLOUD)).all():
            fix = f"{columns} numbers in [0, {TAU_ALL_CLOUD}]"
            raise InputError.at(self.path, f"tier_thresholds gives {tau!r:.80}", fix)
        return np.asarray(tau, np.float64)


def _run(path: Path, failure: str, call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (Exception, SystemExit) as error:  # whatever the user's code raises is a problem of its file
        raise _failed(path, failure, error) from error


def _failed(path: Path, failure: str, error: BaseException) -> OwnCodeError:
    """What to say of an error of the user's code: the line where it left that, and the way there."""
    told = TracebackException.from_exception(error)
    beside = path.resolve().parent
    told.stack = StackSummary.from_list([frame for frame in told.stack if _is_own(frame.filename, beside)])
    where = [(frame.filename, frame.lineno) for frame in told.stack]
    if isinstance(error, SyntaxError) and _is_own(error.filename or "", beside):
        where.append((error.filename or "", error.lineno))
    file, line = where[-1] if where else (str(path), None)
    named = str(path) if Path(file).resolve() == path.resolve() else file
    what = f"{failure}: {type(error).__name__}: {told}"[:300].rstrip(": ")
    fix = _READS if isinstance(error, (InputError, KeyError)) else "fix the file"
    problem = Problem(named if line is None else f"{named}:{line}", what, fix)
    return OwnCodeError(problem, "".join(told.format(chain=False)) if where else "")


def _is_own(filename: str, beside: Path) -> bool:
    """Whether a file is the user's: in the folder of the router, and neither this package's nor an installed one's."""
    file = Path(filename).resolve()
    if not file.is_relative_to(beside) or file.is_relative_to(_PACKAGE):
        return False
    return "site-packages" not in file.relative_to(beside).parts and not filename.startswith("<")

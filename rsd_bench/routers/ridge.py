"""Ridge regression on rows x with the kernel 2 x x': by conjugate gradients, or through the kernel itself.

Both give the weights w of x in (2 x x' + ridge I) a = y, w = 2 x' a, which are those that minimise
|x w - y|^2 + ridge / 2 |w|^2. So whichever way they were found, what is kept and what predicts is w.

Gradients are the quicker way where rows are sparse, whatever their number. Dense columns make them slow: such rows are
solved exactly, up to EXACT_ROWS, and kernels of a sample of them choose the ridge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, cg

from rsd_bench.config import EXACT_ROWS, FOLDS
from rsd_bench.dataset.splits import fold_of
from rsd_bench.metrics.arrays import FloatArray, IntArray

RIDGES = (1.5, 5.0, 15.0, 50.0)
SAMPLE_ROWS = 1_500  # that choose the ridge of rows with dense columns
_CHUNK = 1_000  # columns of the kernel made at once
_TOLERANCE, _ROUGH = 1e-9, 1e-4  # of the residual; the latter to choose among ridges, which lie far apart

Compared = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Rows:
    """n rows x, sparse columns before dense ones: CSR of shape (n, d), and an array of shape (n, m), m may be 0."""

    sparse: Any
    dense: FloatArray

    @classmethod
    def of(cls, sparse: Any) -> Self:
        """Without dense columns."""
        return cls(sparse, np.zeros((sparse.shape[0], 0)))

    def __len__(self) -> int:
        return int(self.sparse.shape[0])

    @property
    def columns(self) -> int:
        return int(self.sparse.shape[1] + self.dense.shape[1])

    def take(self, rows: IntArray) -> Rows:
        return Rows(self.sparse[rows], self.dense[rows])

    def times(self, weights: FloatArray) -> FloatArray:
        """x w, for w of shape (d + m,) or (d + m, k)."""
        d = self.sparse.shape[1]
        found = self.sparse @ weights[:d]
        return np.asarray(found + self.dense @ weights[d:] if self.dense.shape[1] else found)

    def across(self, values: FloatArray) -> FloatArray:
        """x' a, for a of shape (n,) or (n, k)."""
        return np.concatenate([self.sparse.T @ values, self.dense.T @ values])

    def kernel(self) -> FloatArray:
        """2 x x', shape (n, n)."""
        n = len(self)
        found = np.empty((n, n), order="F")
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            found[:, part] = (self.sparse @ (2 * self.sparse[part].T)).toarray()
            if self.dense.shape[1]:
                found[:, part] += self.dense @ (2 * self.dense[part].T)
        return found


def fit_ridge(x: Rows, y: FloatArray, ridge: float) -> FloatArray:
    """Weights, shape (d + m, k), of n rows and centred targets y, shape (n, k)."""
    exactly = x.dense.shape[1] and len(x) <= EXACT_ROWS
    return fit_exactly(x, y, ridge) if exactly else fit_iteratively(x, y, ridge)


def fit_exactly(x: Rows, y: FloatArray, ridge: float) -> FloatArray:
    """Through the kernel, n x n: one Cholesky factorisation."""
    return 2 * x.across(_dual(x.kernel(), y, ridge))


def _dual(kernel: FloatArray, y: FloatArray, ridge: float) -> FloatArray:
    """a in (kernel + ridge I) a = y; the kernel is overwritten."""
    kernel[np.diag_indices(len(kernel))] += ridge
    return np.asarray(linalg.solve(kernel, y, assume_a="pos", overwrite_a=True, check_finite=False))


def fit_iteratively(
    x: Rows, y: FloatArray, ridge: float, tolerance: float = _TOLERANCE, start: FloatArray | None = None
) -> FloatArray:
    """Without the kernel, by conjugate gradients from `start` on, one target at a time."""
    across, size = x.sparse.T.tocsr(), x.columns

    def normal(w: FloatArray) -> FloatArray:
        of = x.times(w)
        return np.concatenate([across @ of, x.dense.T @ of]) + ridge / 2 * w

    step = LinearOperator((size, size), matvec=normal, dtype=np.float64)
    aim = x.across(y)
    found = np.zeros((size, y.shape[1]))
    for k in range(y.shape[1]):
        first = None if start is None else start[:, k]
        found[:, k], _ = cg(step, aim[:, k], x0=first, rtol=tolerance, maxiter=10 * size or 1)
    return found


def choose_ridge(
    x: Rows,
    y: FloatArray,
    groups: NDArray[np.object_],
    compared: Compared,
    seed: int = 0,
    ridges: Sequence[float] = RIDGES,
) -> float:
    """The ridge of lowest squared error of `compared(y)` on rows whose groups were not learned from.

    The best ridge is the noise of a row against the spread of the weights, whatever the number of rows: of more than
    EXACT_ROWS (SAMPLE_ROWS with dense columns) a share of the groups decides.
    """
    dense = x.dense.shape[1] > 0
    if (parts := -(-len(y) // (SAMPLE_ROWS if dense else EXACT_ROWS))) > 1:
        rows = np.flatnonzero(fold_of(groups, parts, seed) == 0)
        x, y, groups = x.take(rows), y[rows], groups[rows]
    fold, errors = fold_of(groups, FOLDS, seed), np.zeros(len(ridges))
    kernel = x.kernel() if dense else None
    for k in range(FOLDS):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not len(inside) or not len(outside):
            continue
        mean = y[inside].mean(axis=0)
        aim = y[inside] - mean
        if kernel is None:
            found = _by_gradients(x.take(inside), aim, x.take(outside), ridges)
        else:
            found = _by_kernel(kernel, inside, aim, outside, ridges)
        for i, predicted in found:
            errors[i] += ((compared(predicted + mean) - compared(y[outside])) ** 2).sum()
    return ridges[int(np.argmin(errors))]


def _by_gradients(x: Rows, y: FloatArray, held_out: Rows, ridges: Sequence[float]) -> Iterator[tuple[int, FloatArray]]:
    """What each ridge predicts of the rows held out."""
    weights: FloatArray | None = None
    for i in reversed(range(len(ridges))):  # the strongest is solved soonest, and starts the next
        weights = fit_iteratively(x, y, ridges[i], _ROUGH, weights)
        yield i, held_out.times(weights)


def _by_kernel(
    kernel: FloatArray, inside: IntArray, y: FloatArray, outside: IntArray, ridges: Sequence[float]
) -> Iterator[tuple[int, FloatArray]]:
    learned, cross = kernel[np.ix_(inside, inside)], kernel[np.ix_(outside, inside)]
    for i, ridge in enumerate(ridges):
        yield i, cross @ _dual(learned.copy(order="F"), y, ridge)

"""Ridge regression on sparse rows x with the kernel 2 x x': exact where the kernel fits, by conjugate gradients beyond.

Both give the weights w of x in (2 x x' + ridge I) a = y, w = 2 x' a, which are those that minimise
|x w - y|^2 + ridge / 2 |w|^2. So whichever way they were found, what is kept and what predicts is w.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, cg

from rsd_bench.config import EXACT_ROWS
from rsd_bench.dataset.splits import fold_of
from rsd_bench.metrics.arrays import FloatArray

RIDGES = (1.5, 5.0, 15.0, 50.0)
FOLDS = 5
_CHUNK = 1_000  # columns of the kernel made at once
_TOLERANCE, _ROUGH = 1e-9, 1e-4  # of the residual; the latter to choose among ridges, which lie far apart


def fit_ridge(x: Any, y: FloatArray, ridge: float) -> FloatArray:
    """Weights, shape (d, k), of rows x, CSR of shape (n, d), and centred targets y, shape (n, k)."""
    if x.shape[0] <= EXACT_ROWS:
        return fit_exactly(x, y, ridge)
    return fit_iteratively(x, y, ridge)


def fit_exactly(x: Any, y: FloatArray, ridge: float) -> FloatArray:
    """Through the kernel, n x n: one Cholesky factorisation."""
    n = x.shape[0]
    kernel = np.empty((n, n), order="F")
    for start in range(0, n, _CHUNK):
        kernel[:, start : start + _CHUNK] = (x @ (2 * x[start : start + _CHUNK].T)).toarray()
    kernel[np.diag_indices(n)] += ridge
    solved = linalg.solve(kernel, y, assume_a="pos", overwrite_a=True, check_finite=False)
    return np.asarray(2 * (x.T @ solved))


def fit_iteratively(
    x: Any, y: FloatArray, ridge: float, tolerance: float = _TOLERANCE, start: FloatArray | None = None
) -> FloatArray:
    """Without the kernel, by conjugate gradients from `start` on, one target at a time."""
    across = x.T.tocsr()
    size = x.shape[1]
    normal = LinearOperator((size, size), matvec=lambda w: across @ (x @ w) + ridge / 2 * w, dtype=np.float64)
    aim = across @ y
    found = np.zeros((size, y.shape[1]))
    for k in range(y.shape[1]):
        first = None if start is None else start[:, k]
        found[:, k], _ = cg(normal, aim[:, k], x0=first, rtol=tolerance, maxiter=10 * size or 1)
    return found


def choose_ridge(
    x: Any,
    y: FloatArray,
    groups: NDArray[np.object_],
    compared: Callable[[FloatArray], FloatArray],
    seed: int = 0,
    ridges: Sequence[float] = RIDGES,
) -> float:
    """The ridge of lowest squared error of `compared(y)` on rows whose groups were not learned from.

    The best ridge is the noise of a row against the spread of the weights, whatever the number of rows: of more than
    EXACT_ROWS a share of the groups decides.
    """
    if (parts := -(-len(y) // EXACT_ROWS)) > 1:
        rows = np.flatnonzero(fold_of(groups, parts, seed) == 0)
        x, y, groups = x[rows], y[rows], groups[rows]
    fold = fold_of(groups, FOLDS, seed)
    errors = np.zeros(len(ridges))
    for k in range(FOLDS):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not len(inside) or not len(outside):
            continue
        mean = y[inside].mean(axis=0)
        weights: FloatArray | None = None
        for i in reversed(range(len(ridges))):  # the strongest is solved soonest, and starts the next
            weights = fit_iteratively(x[inside], y[inside] - mean, ridges[i], _ROUGH, weights)
            errors[i] += ((compared(x[outside] @ weights + mean) - compared(y[outside])) ** 2).sum()
    return ridges[int(np.argmin(errors))]

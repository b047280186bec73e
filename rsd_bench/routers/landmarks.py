"""A Gaussian kernel on one block of encoder vectors, through a few training rows (Nystroem): as linear as n-grams are.

The kernel between two queries is k(x, L) root root' k(L, y) with landmarks L, rows of the training data; it is exact
where every training row is one. A query that lacks the block has a kernel of 0 with all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rsd_bench.features.blocks import Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.interface import Scaler
from rsd_bench.routers.saved_state import State

LANDMARKS = 500
_LEAST = 1e-10  # eigenvalue of the landmarks' kernel, against the largest, below which it is rounding


@dataclass(frozen=True)
class LandmarkKernel:
    """exp(-|x - y|^2 / 2d) of the z-scored block `name` of d columns. landmarks (m, d); root (m, m)."""

    name: str
    scaler: Scaler
    landmarks: FloatArray
    root: FloatArray

    @classmethod
    def fit(cls, train: Features, name: str, seed: int, count: int = LANDMARKS) -> Self:
        """Landmarks drawn from the training rows that have the block."""
        scaler = Scaler.fit(train.matrix((name,)), train.known((name,)))
        there = np.flatnonzero(train.present[name])
        rows = np.sort(np.random.default_rng(seed).permutation(there)[:count])
        landmarks = _scaled(scaler, train.take(rows), name)
        values, vectors = np.linalg.eigh(gaussian(landmarks, landmarks))
        kept = values > _LEAST * values.max(initial=0)
        return cls(name, scaler, landmarks, vectors[:, kept] / np.sqrt(values[kept]))

    def state(self) -> State:
        """What `of` makes it from again."""
        scaler = {"mean": self.scaler.mean, "deviation": self.scaler.deviation}
        return State({}, {**scaler, "landmarks": self.landmarks, "root": self.root})

    @classmethod
    def of(cls, state: State, name: str) -> Self:
        """ValueError where the state is none."""
        mean = state.numbers("mean", None)
        scaler = Scaler(mean, state.numbers("deviation", len(mean), infinite=True))
        landmarks = state.numbers("landmarks", None, len(mean))
        return cls(name, scaler, landmarks, state.numbers("root", len(landmarks), None))

    @property
    def size(self) -> int:
        """Columns of `map`."""
        return int(self.root.shape[1])

    def between(self, features: Features) -> FloatArray:
        """The kernel of queries with the landmarks, shape (n, m)."""
        found = gaussian(_scaled(self.scaler, features, self.name), self.landmarks)
        return np.where(features.present[self.name][:, None], found, 0.0)

    def map(self, features: Features) -> FloatArray:
        """Columns whose product is the kernel, shape (n, size)."""
        return np.asarray(self.between(features) @ self.root)

    def folded(self, weights: FloatArray) -> FloatArray:
        """Weights of `between`, shape (m, k), that predict as `weights` of `map` / sqrt 2 do."""
        return np.asarray(self.root @ weights / np.sqrt(2))


def _scaled(scaler: Scaler, features: Features, name: str) -> FloatArray:
    return scaler(features.matrix((name,)), features.known((name,)))


def gaussian(one: FloatArray, other: FloatArray) -> FloatArray:
    """exp(-|x - y|^2 / 2d) of each row x of `one`, (n, d), and y of `other`, (m, d); shape (n, m)."""
    squared = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T
    return np.asarray(np.exp(-np.maximum(squared, 0) / (2 * one.shape[1])))

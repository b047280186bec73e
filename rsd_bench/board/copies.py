"""Which routers decide alike: a copy in any disguise, found by decisions.

Two routers are alike on a track where some threshold on the probabilities of the one gives the decisions of the other,
as submitted, on at least 99.5 % of the contested queries. So another tau, p + 1e-12, p^2 with tau^2 or a flipped query
make no other router; nor do more tracks, or fewer. Where tau may differ by fold, each fold is given its own threshold.

A router's queries are contested in the measure in which it divides them, 4 CA (1 - CA) of all: each where it sends half
of them to either model, none where it sends all to one. Were all counted, routers that send nearly everything to one
model would seem copies of one another; were those counted on which the routers of a board disagree, whoever comes or
goes would change what is said of two others.

Measured on the eleven routers of rsd-open 1: the two most alike, one logistic regression fitted in two ways, are so on
97 % of the contested queries of a track, and on 94 % in-domain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.submission.submission import Submission

_ALIKE = 0.995  # of the contested queries of a track, over all scenarios
_LEAST_CONTESTED = 100.0  # queries below which only equal probabilities are told: fewer may be alike by chance
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Ranking:
    """The probabilities of a router on a track's test part as far as decisions go, whatever their scale.

    order: twice the mean rank of each p from the lowest up, so that equal ones are equal; shape (n,), or (n (K - 1),)
    of K tiers, each of which is asked for by itself. cut: a query goes to the small model where its order is at least
    that.
    """

    order: NDArray[np.uint32]
    cut: int

    @classmethod
    def of_tiers(cls, p: FloatArray, tau: FloatArray) -> Ranking:
        p, tau = p.ravel(), tau.ravel()
        return cls.of(p, float(tau[0])) if (tau == tau[0]).all() else cls.of(p - tau, 0.0)  # p >= tau, to the bit

    @classmethod
    def of(cls, p_edge: FloatArray, tau: float) -> Ranking:
        _, position, times = np.unique(p_edge, return_inverse=True, return_counts=True)
        upto = np.cumsum(times)
        order = (2 * upto - times + 1)[position].astype(np.uint32)
        kept = order[p_edge >= tau]
        return cls(order, int(kept.min()) if len(kept) else 2 * len(order) + 1)


Table = tuple[str, str, int, int]  # track, scenario, repeat, fold: queries for which a router may have one tau
Rankings = Mapping[Table, Ranking]


def rankings_of(submission: Submission, benchmark: Benchmark) -> Rankings:
    """A ranking for each fold of the first repeat that is entered, which stands for all."""
    found: dict[Table, Ranking] = {}
    for (track, scenario), said in submission.entries.items():
        (repeat, *_), p, tau = said.repeats, said.p[0], said.tau[0]
        folds = benchmark.folds(track, repeat) if benchmark.track(track).cross_fitted else np.zeros(len(p), np.int8)
        for fold in np.unique(folds):
            own = folds == fold
            found[track, scenario, repeat, int(fold)] = Ranking.of_tiers(p[own], tau[own])
    return found


def alike(
    rankings: Mapping[str, Rankings], digests: Mapping[str, Mapping[tuple[str, str], str]]
) -> dict[str, dict[str, float]]:
    """slug -> slug of each that is alike on some track -> share of the contested queries decided alike there.

    digests: of the probabilities, by (track, scenario). Of several tracks the share is the highest.
    """
    by_track: dict[str, dict[Table, list[str]]] = defaultdict(lambda: defaultdict(list))
    for slug, tables in rankings.items():
        for table in tables:
            by_track[table[0]][table].append(slug)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for entered in by_track.values():
        for a, b, share in _alike_on(entered, rankings, digests):
            for one, other in ((a, b), (b, a)):
                found[one][other] = max(share, found[one].get(other, 0.0))
    return dict(found)


def _alike_on(
    of_track: Mapping[Table, Sequence[str]],
    rankings: Mapping[str, Rankings],
    digests: Mapping[str, Mapping[tuple[str, str], str]],
) -> Iterator[tuple[str, str, float]]:
    """Pairs that are alike on a track, the decisions of the first by a threshold on the second, or equal."""
    slugs = sorted({slug for entered in of_track.values() for slug in entered})
    at = {slug: i for i, slug in enumerate(slugs)}
    size = (len(slugs), len(slugs))
    contested, least, shared, same, divided = (np.zeros(size) for _ in range(5))
    tables = []
    for key, entered in of_track.items():
        rows = np.array([at[slug] for slug in entered])
        orders = np.array([rankings[slug][key].order for slug in entered])
        edge = orders >= np.array([rankings[slug][key].cut for slug in entered])[:, None]
        of, block = _contested(edge), np.ix_(rows, rows)
        contested[block] += of[:, None]
        least[block] += _fewest_apart(edge, orders)
        shared[block] += 1
        equal = np.unique([digests[slug][key[:2]] for slug in entered], return_inverse=True)[1]
        same[block] += equal[:, None] == equal
        divided[block] += (orders != orders[:, :1]).any(axis=1)[:, None]
        tables.append((rows, orders, edge))
    np.fill_diagonal(shared, 0)
    told = (contested >= _LEAST_CONTESTED) & (shared > 0)
    wanted = told & (least <= (1 - _ALIKE) * contested + _ROUNDING)
    best = np.where((same == shared) & (shared > 0) & (divided > 0), 1.0, 0.0)  # one p for all is nobody's to be copied
    for half in (np.triu, np.tril):  # the other way round only where the first tells of no copy
        apart = _apart(tables, half(wanted) & (best < _ALIKE))
        share = 1 - apart / np.maximum(contested, _LEAST_CONTESTED)
        best = np.maximum(best, np.maximum(share, share.T))
    for i, j in zip(*np.nonzero(np.triu(best >= _ALIKE, 1)), strict=True):
        yield slugs[i], slugs[j], float(best[i, j])


def _contested(edge: BoolArray) -> FloatArray:
    """4 CA (1 - CA) n of each router; edge has shape (routers, n)."""
    ca = edge.mean(axis=1)
    return np.asarray(4 * ca * (1 - ca) * edge.shape[1])


def _fewest_apart(edge: BoolArray, orders: NDArray[np.uint32]) -> FloatArray:
    """[a, b]: a lower bound of the queries on which any threshold on b decides otherwise than a, from one product.

    A query that is decided otherwise stands on the wrong side of at most max(n0, n1) of the n0 n1 pairs that a's
    decisions form, so that (1 - AUROC) min(n0, n1) of them there are at least.
    """
    kept = edge.sum(axis=1).astype(np.float64)[:, None]
    left = edge.shape[1] - kept
    rank_sums = edge.astype(np.float64) @ (orders.T / 2)
    below = kept * left - (rank_sums - kept * (kept + 1) / 2)  # pairs in the wrong order, ties by half
    return np.asarray(np.maximum(below, 0) / np.maximum(np.maximum(kept, left), 1))


def _apart(tables: Sequence[tuple[IntArray, NDArray[np.uint32], BoolArray]], wanted: BoolArray) -> FloatArray:
    """[a, b]: the queries of all tables on which the best threshold on b decides otherwise than a; inf: not wanted."""
    apart = np.where(wanted, 0.0, np.inf)
    for rows, orders, edge in tables:
        for b, order in zip(rows, orders, strict=True):
            of = np.flatnonzero(wanted[rows, b])
            if not len(of):
                continue
            falling = np.argsort(order)[::-1]
            steps = np.flatnonzero(order[falling][1:] != order[falling][:-1]) + 1
            sizes = np.append(steps, len(order))  # how many queries a threshold keeps, or none
            decided = edge[of][:, falling]
            kept = np.cumsum(decided, axis=1, dtype=np.int32)
            wrong = (sizes - 2 * kept[:, sizes - 1]).min(axis=1)
            apart[rows[of], b] += np.minimum(wrong, 0) + kept[:, -1]
    return apart

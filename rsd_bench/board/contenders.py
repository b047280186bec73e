"""Which decisions of a track some case can recommend: only of these the page needs to know how sure a gain is.

However a case weighs them, and whatever its models cost, nobody is recommended whom other decisions match or beat in
all that RCS and a budget count: queries solved at the MES, queries kept on the small model (or sent on, where that one
is said to be slower or dearer), seconds, those of the router itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from rsd_bench.board.case import Candidate, spread_levels
from rsd_bench.board.what_if import DomainFrame
from rsd_bench.metrics.arrays import BoolArray, FloatArray


def contenders(frames: Sequence[DomainFrame], candidates: Sequence[Candidate]) -> BoolArray:
    """Who can be recommended on the whole track and on each domain, shape (candidates, blocks of a spread).

    Of equals the first; MES as in `spread_levels`.
    """
    each = range(len(frames))
    cuts = [list(each), *([i] for i in each if len(frames) > 1)]
    return np.column_stack([_unmatched([frames[i] for i in cut], candidates, cut) for cut in cuts])


def _unmatched(frames: Sequence[DomainFrame], candidates: Sequence[Candidate], cut: Sequence[int]) -> BoolArray:
    rows = [np.array([of.statistics[i] for of in candidates], np.float64) for i in cut]
    kept, waited = (np.sum([row[:, k] for row in rows], axis=0) for k in (0, 1))
    own = np.array([of.router_s for of in candidates])
    cascade = np.array([of.cascade for of in candidates])
    same, earlier = cascade[:, None] == cascade, np.tri(len(candidates), k=-1, dtype=np.bool_).T
    found = np.zeros(len(candidates), np.bool_)
    for more in ((kept, -np.round(waited, 6), -own), (-kept, -own)):
        wins = same & np.all([of[:, None] >= of for of in more], axis=0)
        first = earlier | np.any([of[:, None] > of for of in more], axis=0)
        for mes in spread_levels(frames):
            solved = _solved(frames, rows, mes)
            matched = wins & ((solved[:, None] > solved) | ((solved[:, None] == solved) & first))
            found |= ~matched.any(axis=0)
    return found


def _solved(frames: Sequence[DomainFrame], rows: Sequence[FloatArray], mes: float) -> FloatArray:
    total = np.zeros(len(rows[0]))
    for frame, row in zip(frames, rows, strict=True):
        level = bisect_left(frame.levels, mes)
        total += row[:, 2 + level] if level < len(frame.levels) else 0
    return total

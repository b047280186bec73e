"""The nouns of the package: scenario, score, interval, comparison, problem.

Small frozen dataclasses that carry data and check it once, at construction. Nothing here reads a file or needs numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

_WEIGHT_SUM_TOLERANCE = 1e-9
_SCORE_MAX = 10.0
#: What people read in place of the fields of a score.
METRIC_TITLES = {"rcs": "RCS", "apsp": "APSP", "ca": "CA", "ail": "AIL, seconds", "mean_score": "mean score"}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What a user asks of a router: the Minimal Expectation Score and the weights of RCS.

    name: what tables call it.
    mes: judge score in [0, 10] that satisfies the user.
    alpha, beta, gamma: weights (>= 0, sum 1) of solved queries (APSP), of queries kept on the edge (CA) and of
        latency saved against all-large. Raises ValueError naming every number that is out of range.
    """

    name: str = "custom"
    mes: float
    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        faults: list[str] = []
        for field in (names := ("mes", "alpha", "beta", "gamma")):
            value = getattr(self, field)
            try:
                if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                    raise TypeError
                object.__setattr__(self, field, value if isinstance(value, (int, float)) else float(value))
            except (TypeError, OverflowError):
                faults.append(f"{field} must be a finite number, not {str(value)[:80]}")
        odd = {name for name in names for fault in faults if fault.startswith(name)}
        if "mes" not in odd and not 0 <= self.mes <= _SCORE_MAX:
            faults.append(f"mes must lie in [0, 10], not {self.mes!r}")
        weights = (self.alpha, self.beta, self.gamma)
        if not odd - {"mes"} and (min(weights) < 0 or abs(sum(weights) - 1) > _WEIGHT_SUM_TOLERANCE):
            faults.append(f"alpha, beta, gamma must be >= 0 and sum to 1, not {weights}")
        if faults:
            raise ValueError(f"scenario {self.name!r}: {'; '.join(faults)}")

    @property
    def figures(self) -> dict[str, float]:
        """MES and weights by name, as a file has them."""
        return {"mes": self.mes, "alpha": self.alpha, "beta": self.beta, "gamma": self.gamma}

    @property
    def described(self) -> str:
        """MES and weights in words."""
        return f"MES {self.mes:g}, alpha {self.alpha:g}, beta {self.beta:g}, gamma {self.gamma:g}"


@dataclass(frozen=True)
class RoutingScore:
    """Scores of one routing of n queries: apsp, mean_score, ca in [0, 1]; ail in seconds; rcs (see docs/metrics.md)."""

    n: int
    apsp: float
    mean_score: float
    ca: float
    ail: float
    rcs: float

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval [low, high]; NaN bounds: none can be given."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 4, sign: str = "") -> str:
        """value [low, high]; sign "+" shows the sign of positive numbers too; "-" stands for what is not known."""
        shown = ("-" if math.isnan(x) else f"{x:{sign}z.{digits}f}" for x in vars(self).values())
        return "{} [{}, {}]".format(*shown)

    def points(self) -> str:
        """A difference of scores x 100, with its sign: +3.6 [+2.4, +4.8]."""
        return Interval(*(100 * x for x in vars(self).values())).text(1, "+")

    def to_dict(self) -> dict[str, float]:
        return dict(vars(self))


@dataclass(frozen=True)
class Comparison:
    """Paired difference a - b of two routings of the same queries, one Interval per metric.

    n: queries, in n_groups groups. n_boot, seed: of the bootstrap. a, b: the scores of each routing. apsp, mean_score,
    ca, rcs: their differences; ail: in seconds.
    `difference`, `low` and `high` are those of RCS; `separable` says whether its interval leaves out 0.
    """

    n: int
    n_groups: int
    n_boot: int
    seed: int
    a: RoutingScore
    b: RoutingScore
    apsp: Interval
    mean_score: Interval
    ca: Interval
    ail: Interval
    rcs: Interval

    @property
    def difference(self) -> float:
        return self.rcs.value

    @property
    def low(self) -> float:
        return self.rcs.low

    @property
    def high(self) -> float:
        return self.rcs.high

    @property
    def separable(self) -> bool:
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "separable": self.separable}

    def _repr_html_(self) -> str:
        """A row a metric, for a notebook."""
        from rsd_bench.inert_text import html_table

        told = "can be told apart" if self.separable else "cannot be told apart"
        caption = f"a and b {told} by RCS: {self.n:,} queries in {self.n_groups:,} groups, 95 % intervals"
        rows = [
            (title, f"{getattr(self.a, name):.4f}", f"{getattr(self.b, name):.4f}", getattr(self, name).text(sign="+"))
            for name, title in METRIC_TITLES.items()
        ]
        return html_table(caption, ("", "a", "b", "a - b"), rows)


@dataclass(frozen=True)
class Problem:
    """One fault of an input: where it is (file, and line or row), what is wrong, and how to fix it."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" -> {self.fix}" if self.fix else "")

    def to_dict(self) -> dict[str, str]:
        return dict(vars(self))


#: Where an importer or a reader of files tells the problems that it finds.
Report = Callable[[Problem], None]


class InputError(ValueError):
    """An input falls short. `problems` lists every fault that was found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))

    @classmethod
    def at(cls, where: object, what: str, fix: str = "") -> InputError:
        """An InputError with a single problem."""
        return cls([Problem(str(where), what, fix)])


class OwnCodeError(InputError):
    """Code of the user's own fails. `traceback`: its part of what Python tells of the error, without the package's."""

    def __init__(self, problem: Problem, traceback: str) -> None:
        super().__init__([problem])
        self.traceback = traceback

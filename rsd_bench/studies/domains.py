"""What is a router worth in a domain that it never saw, and what do a few queries of that domain mend?

Each domain is left out in turn. Invariances: training domains reweighted to equal shares, or by how badly each is
served (group-DRO); dense features and the base rate centred by 50 queries of the new domain without outcomes.
Adaptation: `routers.adapt` on draws of labelled queries; whoever shares a group with one of them is not tested in that
draw. Figures are means over domains of equal weight; the bootstrap resamples groups within each domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rsd_bench.config import DOMAIN_OUT, ROUTER_LATENCY_S, SPLITS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.tracks import Track, parts_of
from rsd_bench.features.blocks import BLOCKS, Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.metrics.routing import best_fixed, routing_gain
from rsd_bench.routers.adapt import adapted_tau
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.registry import Entry
from rsd_bench.studies.cross_validation import every_query
from rsd_bench.studies.mean_gains import COLUMNS as MEAN_COLUMNS
from rsd_bench.studies.mean_gains import DIGITS as MEAN_DIGITS
from rsd_bench.studies.mean_gains import Decisions, decided_once, mean_gains
from rsd_bench.studies.study_table import Table, dataset_of
from rsd_bench.types import InputError

COLUMNS = ("scenario", "what", "labelled", "domains", *MEAN_COLUMNS)
DIGITS = (None, None, 0, 0, *MEAN_DIGITS)
LABELLED = (5, 10, 20, 50, 100)
TRAINED, ADAPTED, LABELS = "as trained", "adapted", "best fixed policy of the labelled"
REWEIGHTED, ROBUST, CENTRED, BASE_RATE = ("domains reweighted", "group-DRO", "features centred", "base rate centred")
UNLABELLED = 50
_ROUNDS, _STEP = 4, 10.0  # of group-DRO: weights grow by e^0.1 for each point of RCS that a domain loses


Parts = tuple[TrainingData, TrainingData, TrainingData]  # to learn from, to choose by, to decide


@dataclass(frozen=True)
class Unseen:
    """A domain and what a router says of it that learned from the others."""

    data: TrainingData
    p: FloatArray
    tau: float
    kept: float  # share of the validation rows on the edge


def across_domains(benchmark: Benchmark, features: Features, entry: Entry, draws: int, command: str) -> Table:
    """For each scenario: as trained, each invariance, then the curve over labelled queries."""
    rows: list[tuple[Any, ...]] = []
    for scenario in tqdm(benchmark.scenarios.values(), desc="domains", unit="scenario", disable=None):
        lessons = _lessons(benchmark, every_query(benchmark, features, scenario))
        unseen = {name: _learned(entry, *lesson) for name, lesson in lessons.items()}
        rows += [(scenario.name, *row) for row in (*_invariances(entry, lessons, unseen), *_curve(unseen, draws))]
    return Table(
        name="domains",
        title="Domains that a router never saw",
        command=command,
        reading=f"`{entry.name}` learns from all domains but one and decides that one. Gains are against the best "
        "fixed policy of the unseen domain, which is chosen in hindsight. `adapted`: `rsd-bench router adapt`.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(
            f"Means over domains of equal weight, and over {draws} draws of the labelled queries; a domain of fewer "
            "than twice as many groups is left out (`domains`: those left). `over` is the paired difference to the "
            "router as trained, `over %` relative to its RCS; intervals are over groups; `draws sd` is the spread of "
            f"the gain over draws. {CENTRED} and {BASE_RATE}: by {UNLABELLED} queries of the new domain without "
            f"outcomes. Router latency: {ROUTER_LATENCY_S} s.",
        ),
        dataset=dataset_of(benchmark),
    )


def _lessons(benchmark: Benchmark, every: TrainingData) -> dict[str, Parts]:
    """Training, validation and tested rows of each domain left out, as a track of that kind has them."""
    names = sorted(set(every.features.domains.tolist()))
    if len(names) < 3:
        raise InputError.at(benchmark.folder, f"has {len(names)} domains", "name a dataset of three or more")
    found = {}
    for name in names:
        others = tuple(other for other in names if other != name)
        track = Track(name=name, protocol=DOMAIN_OUT, train=others, test=(name,))
        part = np.array(parts_of(track, benchmark.queries), object)
        train, validation, test = (every.take(np.flatnonzero(part == split)) for split in SPLITS)
        found[name] = train, validation, test
    return found


def _learned(entry: Entry, train: TrainingData, validation: TrainingData, test: TrainingData) -> Unseen:
    router = entry.make(0).fit(train, validation)
    tau = router.threshold(validation)
    kept = float((router.predict_p_edge(validation.features) >= tau).mean())
    return Unseen(test, router.predict_p_edge(test.features), tau, kept)


# ---- invariances


def _invariances(entry: Entry, lessons: Mapping[str, Parts], unseen: Mapping[str, Unseen]) -> Iterable[tuple[Any, ...]]:
    """Rows of what needs no label of the new domain."""
    trained = [_always(of) for of in unseen.values()]
    yield _row(TRAINED, 0, list(unseen.values()), trained, trained)
    made: dict[str, Callable[[str], Unseen]] = {
        REWEIGHTED: lambda name: _reweighted(entry, *lessons[name]),
        ROBUST: lambda name: _robust(entry, *lessons[name]),
        BASE_RATE: lambda name: _at_base_rate(unseen[name]),
    }
    if set(entry.blocks) & set(BLOCKS):
        made[CENTRED] = lambda name: _learned(entry, *(_centred(part) for part in lessons[name]))
    for what, make in made.items():
        yield _row(what, 0, list(unseen.values()), [_always(make(name)) for name in unseen], trained)


def _reweighted(entry: Entry, train: TrainingData, validation: TrainingData, test: TrainingData) -> Unseen:
    names = sorted(set(train.features.domains.tolist()))
    return _learned(entry, _resampled(train, dict.fromkeys(names, 1.0)), validation, test)


def _resampled(data: TrainingData, weights: Mapping[str, float]) -> TrainingData:
    """As many rows, drawn so that each domain has its share of the weights."""
    each = np.array([weights[name] for name in data.features.domains])
    count = {name: int((data.features.domains == name).sum()) for name in weights}
    each = each / np.array([count[name] for name in data.features.domains])
    rng = np.random.default_rng(0)
    return data.take(np.sort(rng.choice(len(data), len(data), p=each / each.sum())))


def _robust(entry: Entry, train: TrainingData, validation: TrainingData, test: TrainingData) -> Unseen:
    """Group-DRO over domains: rows of a domain weigh more the more RCS it loses on validation rows."""
    names = sorted(set(train.features.domains.tolist()) & set(validation.features.domains.tolist()))
    inside = np.flatnonzero(np.isin(train.features.domains, names))
    train = train.take(inside)
    log_weights = np.zeros(len(names))

    def drawn() -> TrainingData:
        weights = np.exp(log_weights - log_weights.max())
        return _resampled(train, dict(zip(names, weights.tolist(), strict=True)))

    for _ in range(_ROUNDS):
        learned = _learned(entry, drawn(), validation, validation)
        gain, route = routing_gain(validation.outcomes, validation.scenario), learned.p >= learned.tau
        lost = np.maximum(gain, 0) - route * gain
        log_weights += [_STEP * float(lost[validation.features.domains == name].mean()) for name in names]
    return _learned(entry, drawn(), validation, test)


def _centred(data: TrainingData) -> TrainingData:
    """Dense blocks less their mean of each domain, over UNLABELLED of its queries at most."""
    features, rng = data.features, np.random.default_rng(0)
    blocks = dict(features.blocks)
    for name in set(features.domains.tolist()):
        rows = np.flatnonzero(features.domains == name)
        some = rng.permutation(rows)[:UNLABELLED]
        for block in set(blocks) & set(BLOCKS):
            blocks[block] = blocks[block].copy()
            blocks[block][rows] -= blocks[block][some].mean(axis=0)
    return replace(data, features=replace(features, blocks=blocks))


def _at_base_rate(of: Unseen) -> Unseen:
    """tau moved so that as large a share of 50 queries stays on the edge as of the domains that were learned from."""
    some = np.random.default_rng(0).permutation(len(of.p))[:UNLABELLED]
    return replace(of, tau=float(np.quantile(of.p[some], 1 - of.kept)))


# ---- adaptation


def _always(of: Unseen) -> Decisions:
    return decided_once(of.p >= of.tau)


def _curve(unseen: Mapping[str, Unseen], draws: int) -> Iterable[tuple[Any, ...]]:
    """Rows of what labelled queries of the new domain mend, by their number."""
    for labelled in LABELLED:
        inside = [of for of in unseen.values() if len(set(of.data.groups)) >= 2 * labelled]
        if not inside:
            return
        drawn = [_drawn(of, labelled, draws, seed) for seed, of in enumerate(inside)]
        for what in (ADAPTED, LABELS):
            yield _row(what, labelled, inside, [of[what] for of in drawn], [of[TRAINED] for of in drawn])


def _drawn(of: Unseen, labelled: int, draws: int, seed: int) -> dict[str, Decisions]:
    data, n, rng = of.data, len(of.data), np.random.default_rng(seed)
    gain, groups = routing_gain(data.outcomes, data.scenario), data.groups
    best = max(0.0, float(gain.mean()))
    tested, kept = np.zeros(n), {what: np.zeros(n) for what in (TRAINED, ADAPTED, LABELS)}
    gains: dict[str, list[float]] = {what: [] for what in kept}
    for _ in range(draws):
        rows = rng.choice(n, labelled, replace=False)
        left = ~np.isin(groups, groups[rows])
        known = data.outcomes.take(rows)
        tau = adapted_tau(of.p, of.p[rows], known, groups[rows], data.scenario, of.tau).tau
        fixed = float(best_fixed(known, data.scenario)[1][0])
        for what, route in ((TRAINED, of.p >= of.tau), (ADAPTED, of.p >= tau), (LABELS, np.full(n, fixed))):
            kept[what] += route * left
            gains[what].append(100 * (float((route * gain)[left].mean()) - best))
        tested += left
    return {what: Decisions(kept[what] / np.maximum(tested, 1), tested > 0, np.array(gains[what])) for what in kept}


def _row(
    what: str, labelled: int, domains: Sequence[Unseen], ours: Sequence[Decisions], trained: Sequence[Decisions]
) -> tuple[Any, ...]:
    """Means over domains, from `what` on."""
    gains = mean_gains([of.data for of in domains], ours, trained, together=False)
    return (what, labelled, len(domains), *gains.cells)


def draw_domains(table: Table, path: Path) -> None:
    """RCS gained over the router as trained against labelled queries, one panel a scenario."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    scenarios = list(dict.fromkeys(table.column("scenario")))
    figure, axes = new_figure(1, len(scenarios), width=9.0, height=3.0)
    for axis, scenario in zip(np.atleast_1d(axes), scenarios, strict=True):
        for what, colour in zip((ADAPTED, LABELS), LINES, strict=False):
            rows = table.where(scenario=scenario, what=what)
            x = [row["labelled"] for row in rows]
            axis.plot(x, [row["over"] for row in rows], color=colour, marker="o", markersize=3, label=what)
            low, high = ([row[key] for row in rows] for key in ("over low", "over high"))
            axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.axhline(0, color=INK, linewidth=0.8)
        axis.set(title=scenario, xlabel="labelled queries")
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("RCS over as trained, points")
    first.legend(fontsize=6)
    save(figure, path)

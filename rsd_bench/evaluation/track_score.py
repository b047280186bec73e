"""The EvalScores of a submission on one track: scores, figures beside RCS, domains, references, thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import CA_POINTS, MIN_LINEAR_GROUPS, TAU_GRID
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.parts import Part
from rsd_bench.endpoints.prices import Prices
from rsd_bench.evaluation.cells import Cell, Decided, Layout
from rsd_bench.evaluation.costs import tier_costs
from rsd_bench.evaluation.eval_score import ApspAtCa, DomainScore, EvalScore, Repeats, SweepPoint
from rsd_bench.evaluation.published import rounded
from rsd_bench.evaluation.references import best_fixed_name, fixed_names, references_of
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.metrics.calibration import auroc, brier, expected_calibration_error
from rsd_bench.metrics.lift import Ranking
from rsd_bench.metrics.rank_intervals import RankTerms, linear_intervals, rank_figures
from rsd_bench.metrics.routing import mixed
from rsd_bench.metrics.threshold_curve import apsp_drop, area_apsp_ca
from rsd_bench.metrics.tier_intervals import decided_intervals, saved_usd_interval
from rsd_bench.metrics.tier_policies import tier_curve
from rsd_bench.metrics.tiers import Tiers, check_tiers_scenario, labels_of
from rsd_bench.submission.submission import Decisions, Submission
from rsd_bench.types import Interval, RoutingScore

_NAN = float("nan")


def met_tiers(submission: Submission, part: Part) -> Tiers:
    """The tiers of a part as a router of this kind meets them."""
    return replace(part.tiers, cascade=submission.cascade)


def one_tau(decisions: Decisions) -> float | None:
    """The threshold of every decision, None where they differ."""
    tau = decisions.tau
    first = float(tau.flat[0])
    return first if (tau == first).all() else None


def score_track(
    submission: Submission, benchmark: Benchmark, track: str, n_boot: int, seed: int, prices: Prices
) -> Iterator[tuple[EvalScore, Mapping[str | None, Cell]]]:
    """An EvalScore for each scenario that is entered, with its cells: the whole track (None) and each domain."""
    part = benchmark.part(track, "test")
    tiers, costs = met_tiers(submission, part), tier_costs(benchmark, track, part, prices)
    rankings: dict[int, list[list[Ranking]]] = {}
    ordered = []
    for name in (scenario for at, scenario in submission.entries if at == track):
        said, scenario = submission.entries[track, name], benchmark.scenarios[name]
        check_tiers_scenario(scenario, tiers)
        if id(said.p) not in rankings:  # scenarios that share their probabilities share the sort
            rankings[id(said.p)] = [[Ranking.of(p) for p in tier] for tier in np.moveaxis(said.p, -1, 0)]
        decided = Decided(tiers, scenario, tuple(said.choice), submission.router_latency_s)
        ordered.append(_Ordered(part, decided, said, rankings[id(said.p)]))
    asked = [of.decided for of in ordered]
    whole = Layout.of(part, {None: np.ones(len(part), np.bool_)}, n_boot, seed)
    linear = int(part.group_codes.max()) + 1 >= MIN_LINEAR_GROUPS or not n_boot
    terms = [of.terms() for of in ordered] if linear else []
    tables = [of.table for each in terms for of in each]
    summed = whole.summed([*(of.columns() for of in asked), *tables], n_boot, seed)
    cells = whole.cells_of(summed, asked, n_boot, seed)
    domains: list[dict[Any, Cell]] = [{next(iter(part.by_domain)): cell[None]} for cell in cells]
    if len(part.by_domain) > 1:
        split = Layout.of(part, part.by_domain, n_boot, seed)
        domains = split.cells_of(split.summed([of.scores() for of in asked], n_boot, seed), asked, n_boot, seed)
    resampled = iter(summed[None][len(asked) :])
    for i, (of, cell, parts) in enumerate(zip(ordered, cells, domains, strict=True)):
        ranks = [linear_intervals(each, *next(resampled), cell[None].groups) for each in terms[i]] if linear else None
        score = _score(of, track, submission.meta.declared.kind, cell[None], parts, ranks or of.figures(n_boot, seed))
        if costs is not None:
            score = replace(score, **_saved_usd(of, costs, n_boot, seed))
        yield score, {**cell, **parts}


@dataclass(frozen=True)
class _Ordered:
    """What depends on the order of p: its figures are means over repeats. rankings: by tier, then by repeat."""

    part: Part
    decided: Decided
    said: Decisions
    rankings: list[list[Ranking]]

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        return labels_of(self.decided.tiers.scores, self.decided.scenario.mes)

    @cached_property
    def judged(self) -> list[tuple[BoolArray, BoolArray, NDArray[np.int8]]]:
        """Of each tier but the last: whether it solves, whether the last one does, and its label."""
        solves = self.decided.tiers.scores >= self.decided.scenario.mes
        return [(solves[:, k], solves[:, -1], self.labels[:, k]) for k in range(len(self.rankings))]

    def terms(self) -> list[RankTerms]:
        """Of each tier but the last, against the last."""
        return [RankTerms.of(ranked, *of) for ranked, of in zip(self.rankings, self.judged, strict=True)]

    def figures(self, n_boot: int, seed: int) -> list[dict[str, Interval]]:
        """`rank_figures` of each tier but the last, against the last."""
        codes, pairs = self.part.group_codes, zip(self.rankings, self.judged, strict=True)
        return [rank_figures(ranked, *of, codes, n_boot, seed) for ranked, of in pairs]

    def auroc(self, tier: int) -> float:
        """To the last bit that of version 1, where the sums of `rank_figures` end a bit apart."""
        pairs = zip(self.said.p[:, :, tier], self.rankings[tier], strict=True)
        found = [auroc(p, self.labels[:, tier], ranking.order) for p, ranking in pairs]
        return float(_mean([_NAN if area is None else area for area in found]))

    def curves(self, taus: Sequence[float] | None) -> Iterator[dict[str, FloatArray]]:
        """The threshold curve of each repeat."""
        of = self.decided
        for p, ranking in zip(self.said.p, self.rankings[0], strict=True):
            order = ranking.order if of.tiers.count == 2 else None
            yield tier_curve(p, of.tiers, of.scenario, taus, of.router_latency, order)

    def calibration(self, error: Callable[[FloatArray, NDArray[np.int8]], float]) -> float:
        """Mean over repeats and tiers."""
        return float(_mean([error(p[:, k], self.labels[:, k]) for p in self.said.p for k in range(p.shape[1])]))


def _score(
    ordered: _Ordered,
    track: str,
    kind: str,
    cell: Cell,
    domains: Mapping[str, Cell],
    ranks: Sequence[Mapping[str, Interval]],
) -> EvalScore:
    decided, said, tiers = ordered.decided, ordered.said, ordered.decided.tiers
    references = _with_random(references_of(tiers, decided.scenario), decided)
    figures: dict[str, Any] = dict(decided_intervals(cell.values, cell.samples, cell.groups))
    curves = list(ordered.curves(None))
    worst = min(domains, key=lambda domain: (domains[domain].values["rcs"], domain))
    aurocs = [replace(of["auroc"], value=ordered.auroc(k)) for k, of in enumerate(ranks)]
    pair: Mapping[str, Interval] = (
        ranks[0] if tiers.count == 2 else {}
    )  # lift and APSP at a CA are figures of two tiers
    score: EvalScore = rounded(
        EvalScore(
            track=track,
            scenario=decided.scenario.name,
            kind=kind,
            n=cell.n,
            groups=cell.groups,
            repeats=_repeats(said, cell),
            tau=one_tau(said),
            **figures,
            saved_usd=None,
            saved_usd_queries=None,
            best_fixed=best_fixed_name(references, tiers.count),
            oracle_rcs=references["rcs-oracle"].rcs,
            regret=references["rcs-oracle"].rcs - float(cell.values["rcs"]),
            lift=pair.get("lift"),
            skill=pair.get("skill"),
            auroc=aurocs[0],
            auroc_tiers=tuple(aurocs) if tiers.count > 2 else (),
            apsp_at_ca=tuple(ApspAtCa(c, pair[f"apsp_at_{c:g}"], pair[f"gain_at_{c:g}"]) for c in CA_POINTS if pair),
            brier=ordered.calibration(brier),
            ece=ordered.calibration(expected_calibration_error),
            edge_label_rate=float(ordered.labels[:, 0].mean()),
            area_apsp_ca=_mean([area_apsp_ca(curve) for curve in curves]),
            apsp_drop=_mean([apsp_drop(curve) for curve in curves]),
            worst_domain=worst,
            worst_domain_rcs=float(domains[worst].values["rcs"]),
            references=references,
            domains=tuple(DomainScore(domain=d, n=c.n, groups=c.groups, **c.metrics()) for d, c in domains.items()),
            sweep=_sweep_points(list(ordered.curves(TAU_GRID))),
        )
    )
    return score


def _saved_usd(of: _Ordered, costs: FloatArray, n_boot: int, seed: int) -> dict[str, Any]:
    """USD saved on the queries whose costs are known on every tier, whichever of them answered."""
    known, tiers = ~np.isnan(costs).any(axis=1), of.decided.tiers
    choices = np.column_stack(of.decided.choices)[known]
    groups = of.part.group_codes[known]
    usd = saved_usd_interval(
        choices, costs=costs[known], cascade=tiers.cascade, groups=groups, n_boot=n_boot, seed=seed
    )
    return {"saved_usd": rounded(usd), "saved_usd_queries": int(known.sum())}


def _with_random(references: dict[str, RoutingScore], decided: Decided) -> dict[str, RoutingScore]:
    """With the mixture of the fixed policies in the shares that the router chose, over its repeats."""
    count, n = decided.tiers.count, len(decided.tiers) * len(decided.choices)
    shares = np.bincount(np.concatenate(decided.choices), minlength=count)[:-1] / n
    fixed = [references[name] for name in fixed_names(count)]
    return {**references, "random": mixed(fixed, [*shares.tolist(), 1 - float(shares.sum())])}


def _repeats(said: Decisions, cell: Cell) -> Repeats:
    spread = float(cell.repeats.std(ddof=1)) if len(cell.repeats) > 1 else None
    return Repeats(tuple(map(int, said.repeats)), tuple(map(float, cell.repeats)), spread)


def _sweep_points(curves: list[dict[str, FloatArray]]) -> tuple[SweepPoint, ...]:
    means = {name: _mean([curve[name] for curve in curves]) for name in curves[0]}
    return tuple(SweepPoint(*map(float, row)) for row in zip(*means.values(), strict=True))


def _mean(repeats: Sequence[Any]) -> Any:
    """Mean over repeats; of a single one it is that, to the last bit."""
    return repeats[0] if len(repeats) == 1 else sum(repeats) / len(repeats)

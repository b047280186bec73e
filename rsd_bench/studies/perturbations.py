"""What perturbed queries do to a router: decisions that flip, and what RCS and skill lose by it, kind by kind.

The images and questions of a full edition go the whole way that a query goes in service, as they are and perturbed
(`features.perturb`), so that nothing but the perturbation differs. A router by name is cross-validated: each query is
decided by a router that has not seen its group; a checkpoint decides the test queries of its track (see
`perturb_subjects`).

Kinds that no block of a router depends on are left out: they cannot move it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from rsd_bench.config import MIN_LINEAR_GROUPS, N_BOOT
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.tables import shards_of
from rsd_bench.features.blocks import NGRAMS, OF_IMAGE, Features
from rsd_bench.features.perturb import IMAGE_KINDS, QUESTION_KINDS, perturb
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray, group_codes
from rsd_bench.metrics.bootstrap import group_sums, interval, interval_where_defined, resample_sums, resampling_units
from rsd_bench.metrics.comparison import compared
from rsd_bench.metrics.label import label
from rsd_bench.metrics.rank_intervals import RankTerms, curve_figures, curve_sums
from rsd_bench.metrics.routing import Outcomes, term_columns
from rsd_bench.routers.pipeline import RouterPipeline, deciders_of, p_of
from rsd_bench.studies.perturb_subjects import Subject
from rsd_bench.studies.study_table import Table, dataset_of
from rsd_bench.types import InputError, Interval, Scenario

_ROWS = 64  # queries whose images are in memory at once
_AS_IT_IS = ""
_MARKS = "osD^v"
COLUMNS = (
    *("router", "scenario", "kind", "flipped %", "flipped low", "flipped high"),
    *("RCS change", "low", "high", "skill change", "skill low", "skill high", "worst"),
)
DIGITS = (None, None, None, 1, 1, 1, 2, 2, 2, 3, 3, 3, None)


@dataclass
class _Said:
    """p and decisions of n queries under one scenario, as they are and by kind."""

    n: int
    p: dict[str, FloatArray] = field(default_factory=dict)
    route: dict[str, BoolArray] = field(default_factory=dict)

    def put(self, kind: str, rows: IntArray, p: FloatArray, tau: float) -> None:
        self.p.setdefault(kind, np.zeros(self.n))[rows] = p
        self.route.setdefault(kind, np.zeros(self.n, np.bool_))[rows] = p >= tau


def require_content(benchmark: Benchmark) -> None:
    """InputError where a dataset has no questions and images to perturb."""
    if benchmark.manifest.edition != "full":
        fix = "build the full one: rsd-bench data build RECIPE --store STORE --out DIR, then --data DIR"
        raise InputError.at(benchmark.folder, "is a lite edition, without questions and images", fix)


def perturb_routers(
    benchmark: Benchmark, subjects: Sequence[Subject], kinds: Sequence[str] | None, level: int, command: str
) -> Table:
    """A row a router, scenario and kind. kinds: None for all that a router can see.

    InputError where the dataset has no content, or a router sees none of the kinds.
    """
    require_content(benchmark)
    if len({subject.name for subject in subjects}) < len(subjects):
        names = ", ".join(subject.name for subject in subjects)
        raise InputError.at(names, "are names of which two are the same", "name each router once")
    rows: list[tuple[str | float, ...]] = []
    notes = []
    for subject in subjects:
        seen = tuple(kind for kind in subject.kinds if kinds is None or kind in kinds)
        if not seen:
            fix = f"give one of {', '.join(subject.kinds)}" if subject.kinds else "name a router that reads the query"
            raise InputError.at(subject.name, "sees none of these perturbations", fix)
        said = _decide(benchmark, subject, seen, level)
        decided = np.sort(np.concatenate([at for _, at in subject.trained]))
        part = benchmark.at(subject.track, decided)
        codes = group_codes(part.groups, len(decided))
        for name, scenario in subject.scenarios.items():
            taken = {kind: (said[name].p[kind][decided], said[name].route[kind][decided]) for kind in said[name].p}
            found = {kind: _changes(taken[_AS_IT_IS], taken[kind], part.outcomes, scenario, codes) for kind in seen}
            worst = min(found, key=lambda kind, of=found: of[kind][1].value)  # type: ignore[misc]
            for kind, changes in found.items():
                figures = [x for change in changes for x in (change.value, change.low, change.high)]
                rows.append(
                    (subject.name, name, kind, *figures, "worst" if kind == worst and changes[1].value < 0 else "")
                )
        blind = (
            "" if set(IMAGE_KINDS) & set(subject.kinds) else " It looks at no image: no perturbation of one moves it."
        )
        notes.append(f"{subject.note}{blind}")
    return Table(
        name="perturb",
        title="Perturbed queries",
        command=command,
        reading=f"`rsd.perturb`, level {level} of 5. Flipped: decisions that differ from those on the query as it is. "
        "RCS changes are in points. `worst` loses the most RCS of a router in a scenario, chosen in hindsight; where "
        "none loses, none is.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=tuple(notes),
        dataset=dataset_of(benchmark),
    )


def _decide(benchmark: Benchmark, subject: Subject, kinds: Sequence[str], level: int) -> dict[str, _Said]:
    """What a router says of each query that it decides, by scenario; rows are positions in Benchmark.queries."""
    n = len(benchmark.queries)
    owner = np.full(n, -1)
    for i, (_, rows) in enumerate(subject.trained):
        owner[rows] = i
    place = {query_id: at for at, query_id in enumerate(benchmark.queries["query_id"])}
    said = {name: _Said(n) for name in subject.scenarios}
    looks = bool({"image", "statistics"} & set(subject.pipeline.blocks))
    with tqdm(total=int((owner >= 0).sum()), desc=subject.name, unit="query", disable=None) as bar:
        for ids, images, questions in _contents(benchmark.folder, looks):
            at = np.array([place[query_id] for query_id in ids])
            kept = np.flatnonzero(owner[at] >= 0)
            if not len(kept):
                continue
            at, asked = at[kept], [questions[i] for i in kept]
            shown = [images[i] for i in kept]
            original = subject.pipeline.features(shown, asked)
            for kind in (_AS_IT_IS, *kinds):
                features = (
                    original
                    if kind == _AS_IT_IS
                    else _perturbed(subject.pipeline, original, shown, asked, kind, level, at)
                )
                for i, (router, _) in enumerate(subject.trained):
                    inside = np.flatnonzero(owner[at] == i)
                    if len(inside):
                        for name, decider in deciders_of(router).items():
                            p = p_of(router, features.take(inside), name)
                            said[name].put(kind, at[inside], p, decider.tau)
            bar.update(len(kept))
    return said


def _contents(folder: Path, with_images: bool) -> Iterator[tuple[list[str], list[list[bytes]], list[str]]]:
    """Ids, images and questions of a dataset, some queries at a time."""
    for shard in shards_of(folder, "pairs"):
        with pq.ParquetFile(shard) as file:
            there = file.schema_arrow.names
            wanted = ["query_id", "question", *(name for name in ("image", "images") if with_images and name in there)]
            for batch in file.iter_batches(_ROWS, columns=wanted):
                rows = batch.to_pylist()
                yield (
                    [row["query_id"] for row in rows],
                    [_images(row) for row in rows],
                    [row["question"] or "" for row in rows],
                )


def _images(row: Mapping[str, Any]) -> list[bytes]:
    several = row.get("images") or ([row["image"]] if row.get("image") else [])
    return [image["bytes"] for image in several]


def _perturbed(
    pipeline: RouterPipeline,
    original: Features,
    images: Sequence[list[bytes]],
    questions: Sequence[str],
    kind: str,
    level: int,
    seeds: IntArray,
) -> Features:
    """The features of perturbed queries; what the kind does not concern is taken over, not made again."""
    given = zip(images, questions, seeds.tolist(), strict=True)
    done = [perturb(shown, asked, kind, level, seed) for shown, asked, seed in given]
    concerned = {"text", NGRAMS} if kind in QUESTION_KINDS else {"image"}
    shown = [None if kind in QUESTION_KINDS else images for images, _ in done]
    made = pipeline.features(shown, [asked if kind in QUESTION_KINDS else "" for _, asked in done])
    blocks = {name: made.blocks[name] if name in concerned else block for name, block in original.blocks.items()}
    if "statistics" in blocks:
        of_image = OF_IMAGE if kind in IMAGE_KINDS else ~OF_IMAGE
        blocks["statistics"] = np.where(of_image, made.blocks["statistics"], original.blocks["statistics"])
    return replace(original, blocks=blocks)


def _changes(
    before: tuple[FloatArray, BoolArray],
    after: tuple[FloatArray, BoolArray],
    outcomes: Outcomes,
    scenario: Scenario,
    codes: IntArray,
) -> tuple[Interval, Interval, Interval]:
    """Per cent of decisions that flip, change of RCS in points, change of skill; intervals over groups, paired."""
    flips = group_sums(np.column_stack([before[1] != after[1], np.ones(len(codes))]).astype(np.float64), codes)
    samples = resample_sums(flips, N_BOOT)
    total = flips.sum(axis=0)
    flipped = interval(100 * total[0] / total[1], 100 * samples[:, 0] / samples[:, 1], len(flips), (0, 100))
    ours, theirs = (list(term_columns(of[1], outcomes, scenario.mes)) for of in (after, before))
    rcs = compared(ours, theirs, scenario, codes, N_BOOT, 0).rcs
    points = Interval(100 * rcs.value, 100 * rcs.low, 100 * rcs.high)
    return flipped, points, _skill_change(before[0], after[0], outcomes, scenario.mes, codes)


def _skill_change(before: FloatArray, after: FloatArray, outcomes: Outcomes, mes: float, codes: IntArray) -> Interval:
    judged = outcomes.small >= mes, outcomes.large >= mes, label(outcomes.small, outcomes.large, mes)
    n_groups = int(codes.max()) + 1
    values, samples = [], []
    for p in (before, after):
        terms = RankTerms.of(p, *judged)
        values.append(float(terms.figures(terms.table.sum(axis=0))["skill"]))
        if n_groups >= MIN_LINEAR_GROUPS:
            sums = resample_sums(group_sums(terms.table, resampling_units(codes)), N_BOOT)
            samples.append(terms.figures(sums)["skill"])
        else:
            samples.append(curve_figures(resample_sums(curve_sums(p, *judged, codes), N_BOOT))["skill"])
    return interval_where_defined(values[1] - values[0], samples[1] - samples[0], n_groups, (-2, 2))


def draw_perturbed(table: Table, path: Path) -> None:
    """Flipped decisions, changes of RCS and of skill by kind, with intervals; a mark a router, a colour a scenario."""
    from rsd_bench.figures import INK, LINES, new_figure, save

    kinds = list(dict.fromkeys(table.column("kind")))
    series = list(dict.fromkeys(zip(table.column("router"), table.column("scenario"), strict=True)))
    routers, scenarios = (list(dict.fromkeys(table.column(name))) for name in ("router", "scenario"))
    figure, axes = new_figure(1, 3, width=9.0, height=1.4 + 0.1 * len(kinds) * (len(series) + 1))
    panels = (
        ("flipped %", "flipped low", "flipped high", "flipped decisions, %"),
        ("RCS change", "low", "high", "change of RCS, points"),
        ("skill change", "skill low", "skill high", "change of skill"),
    )
    for axis, (value, low, high, title) in zip(axes, panels, strict=True):
        for i, (router, scenario) in enumerate(series):
            rows = table.where(router=router, scenario=scenario)
            y = [kinds.index(row["kind"]) + 0.8 * (i + 0.5) / len(series) - 0.4 for row in rows]
            at, start, end = (np.array([row[key] for row in rows], np.float64) for key in (value, low, high))
            name = f"{router}, {scenario}" if len(routers) > 1 else scenario
            mark = _MARKS[routers.index(router) % len(_MARKS)]
            line = {"color": LINES[scenarios.index(scenario) % len(LINES)], "markersize": 3.5, "linewidth": 1}
            axis.errorbar(at, y, xerr=(at - start, end - at), fmt=mark, label=name, **line)
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set(xlabel=title, yticks=range(len(kinds)), ylim=(len(kinds) - 0.5, -0.5))
        axis.set_yticklabels(kinds if axis is axes[0] else [])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save(figure, path)

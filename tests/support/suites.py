"""A benchmark in memory with folds, a suite of pairs and a track of three tiers, and submissions to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rsd_bench.config import FOLDS, IN_DOMAIN, REPEATS
from rsd_bench.dataset.benchmark import Benchmark, open_benchmark
from rsd_bench.dataset.open import dataset_folder
from rsd_bench.dataset.tier_outcomes import TierFigures
from rsd_bench.dataset.tracks import FOLD, Track
from rsd_bench.metrics.tiers import labels_of
from rsd_bench.submission.new_submission import write_files
from rsd_bench.submission.submission import DatasetVersion, Decisions, Declaration, Metadata, RouterLatency, Submission

THREE = "three-tiers"


def suite_benchmark(n: int = 120, groups: int = 60, pairs: int = 2, seed: int = 0) -> Benchmark:
    """Queries of three domains; `pair-0` ... form the suite, `three-tiers` routes among three models."""
    rng, base = np.random.default_rng(seed), open_benchmark(dataset_folder())
    group = np.arange(n) % groups
    hard = rng.random(n)
    scores = {
        f"m{k}": np.where(rng.random(n) < 0.35 + 0.06 * k - 0.25 * hard, 10.0, np.round(10 * rng.random(n), 1))
        for k in range(max(pairs + 1, 3))
    }
    seconds = {name: np.full(n, 0.5 + 0.7 * k) for k, name in enumerate(scores)}
    basis = np.full(n, "measured", object)

    def figures(*models: str) -> TierFigures:
        return TierFigures(
            np.column_stack([scores[name] for name in models]),
            np.column_stack([seconds[name] for name in models]),
            basis,
        )

    tracks = [Track(name=IN_DOMAIN)]
    tracks += [Track(name=f"pair-{k}", tiers=("m0", f"m{k + 1}"), suite=True) for k in range(pairs)]
    tracks.append(Track(name=THREE, tiers=("m0", "m1", "m2"), costs=(1.0, 3.0, 4.0)))
    folds = {f"fold_{r}": rng.permutation(groups)[group] % FOLDS for r in range(REPEATS)}
    queries = pd.DataFrame(
        {
            "query_id": [f"q{i}" for i in range(n)],
            "group_id": [f"g{of}" for of in group],
            "source": "made",
            "domain": np.array(["chart", "photo", "math"], object)[group % 3],
            "small_score": scores["m0"],
            "large_score": scores["m1"],
            "small_latency_s": seconds["m0"],
            "large_latency_s": seconds["m1"],
            "latency_basis": basis,
            "split": "train",
            **folds,
            **{track.name: FOLD for track in tracks[1:]},
        }
    )
    manifest = replace(base.manifest, tracks=tuple(tracks), repeats=REPEATS, pairs=None)
    tiers = {track.tiers: figures(*track.tiers) for track in tracks[1:]}
    return replace(base, manifest=manifest, queries=queries, tiers=tiers)


def suite_submission(
    benchmark: Benchmark,
    slug: str,
    *,
    repeats: Sequence[int] = (0,),
    tracks: Sequence[str] = (),
    skill: float = 1.0,
    kind: str = "query",
    seed: int = 0,
    mes: float = 6,
    tau: float | None = None,
) -> Submission:
    """Decisions whose p follows the labels as closely as `skill` says, another training in each repeat.

    tau: where it is not given it differs by repeat.
    """
    rng, entries = np.random.default_rng(seed), {}
    for track in tracks or benchmark.tracks:
        part = benchmark.part(track, "test")
        labels = labels_of(part.tiers.scores, mes)
        noise = rng.normal(0, 1, (len(repeats), *labels.shape)) + rng.normal(0, 1, labels.shape)
        p = np.round(1 / (1 + np.exp(-skill * (2.0 * labels - 1) - noise)), 3)
        cut = np.full(p.shape, tau) if tau is not None else np.broadcast_to(_by_repeat(repeats), p.shape)
        for scenario in benchmark.scenarios:
            entries[track, scenario] = Decisions(tuple(repeats), p, cut)
    declared = Declaration(
        name=slug.title(),
        authors=("A. Author",),
        tau=dict.fromkeys(benchmark.scenarios, 0.5),
        router_latency=RouterLatency(0.016, "a test machine"),
        kind=kind,
    )
    dataset = DatasetVersion(benchmark.manifest.name, benchmark.manifest.version, benchmark.manifest_sha256)
    meta = Metadata(slug, dataset, declared)
    return Submission(meta, entries)


def _by_repeat(repeats: Sequence[int]) -> np.ndarray:
    return np.array([0.4 + 0.05 * repeat for repeat in repeats])[:, None, None]


def written(folder: Path, benchmark: Benchmark, seed: int) -> None:
    """A submission of five repeats to every track of the suite, as files."""
    tracks = [track.name for track in benchmark.manifest.tracks if track.suite]
    said = suite_submission(
        benchmark, folder.name, repeats=range(REPEATS), tracks=tracks, skill=0.3 + seed / 20, seed=seed, tau=0.5
    )
    frames = []
    for track in tracks:
        p, ids = said.entries[track, next(iter(benchmark.scenarios))].p, benchmark.part(track, "test").query_ids
        columns = {"track": track, "query_id": np.tile(ids, REPEATS), "scenario": "*"}
        frames.append(pd.DataFrame(columns | {"repeat": np.repeat(range(REPEATS), len(ids)), "p_edge": p.ravel()}))
    folder.mkdir(parents=True)
    write_files(folder, said.meta.to_dict(), pd.concat(frames, ignore_index=True))


def folder_of(root: Path, submission: Submission) -> Path:
    """A folder that stands for a submission in a board whose reader is replaced."""
    folder = root / submission.slug
    folder.mkdir(parents=True)
    (folder / "submission.json").write_text(f'{{"slug": "{submission.slug}"}}')
    return folder

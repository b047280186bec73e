"""The figures that scoring reads, and what is wrong with them: the same when a dataset is opened as in `data check`.

A manifest proves that files were not changed since it was written, not that they were ever right. So whatever opens a
dataset to score, train or load looks at ids, groups, splits, tracks, scores, labels and latencies, a column at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rsd_bench.config import (
    FOLDS,
    MAX_SECONDS,
    MEASURED_BASES,
    MES_LEVELS,
    PROFILE_BASIS,
    SCORE_MAX,
    SCORED_STATUSES,
    SPLITS,
)
from rsd_bench.dataset.layout import LABELS, MANIFEST
from rsd_bench.dataset.manifest import Manifest, read_manifest
from rsd_bench.dataset.splits import fold_of, split_of
from rsd_bench.dataset.tables import CHECK, Rows, read_rows
from rsd_bench.dataset.tier_outcomes import TierFigures, tier_figures
from rsd_bench.dataset.tracks import parts_of
from rsd_bench.metrics.label import label, label_column
from rsd_bench.types import InputError, Problem

TEXTS = ("query_id", "group_id", "source", "domain", "small_model", "large_model", "latency_basis")
SCORES = ("small_score", "large_score")
LATENCIES = ("small_latency_s", "large_latency_s")
PAIRS = {
    **dict.fromkeys(TEXTS, pa.string()),
    **dict.fromkeys((*SCORES, *LATENCIES), pa.float64()),
    **dict.fromkeys(LABELS, pa.int64()),
}
OUTCOMES = {
    **dict.fromkeys(("query_id", "model", "status", "latency_basis"), pa.string()),
    **dict.fromkeys(("score", "latency_s"), pa.float64()),
    "output_tokens": pa.int64(),
}
_REBUILD = "build the dataset again"


def read_pairs(folder: Path) -> Rows:
    return read_rows(folder, "pairs", PAIRS)


def read_splits(folder: Path, manifest: Manifest) -> Rows:
    texts = dict.fromkeys(("query_id", "split", *(track.name for track in manifest.cross_domain)), pa.string())
    return read_rows(folder, "splits", {**texts, **dict.fromkeys(manifest.fold_columns, pa.int64())})


def read_outcomes(folder: Path) -> Rows:
    return read_rows(folder, "outcomes", OUTCOMES)


def read_tiers(folder: Path, pairs: Rows, manifest: Manifest) -> dict[tuple[str, ...], TierFigures]:
    """Figures of each query of `pairs` for each list of models that tracks name. InputError where they are faulty."""
    if not manifest.tiers:
        return {}
    outcomes = read_outcomes(folder)
    require(outcomes_problems(outcomes, pairs, manifest))
    return tier_figures(pairs.frame, outcomes.frame, manifest.tiers, manifest.profile)


def open_outcomes(folder: Path) -> pd.DataFrame:
    """The outcomes of all models of a dataset folder. InputError where they are faulty."""
    outcomes = read_outcomes(folder)
    require(outcomes_problems(outcomes, read_pairs(folder), read_manifest(folder)))
    return outcomes.frame


def require(problems: Iterable[Problem], fix: str = CHECK) -> None:
    """InputError with the first of the problems, and how many there are: `data check` lists them."""
    if found := list(problems):
        more = f" (and {len(found) - 1} more problems)" if len(found) > 1 else ""
        raise InputError.at(found[0].where, found[0].what + more, fix)


def pairs_problems(folder: Path, pairs: Rows, manifest: Manifest, *, tests_may_lack: bool) -> Iterator[Problem]:
    """What is wrong with the figures of `pairs`. tests_may_lack: test rows may have no outcome: it is private."""
    frame, rows = pairs.frame, pairs.problems
    may_lack = (pairs.split == "test") & tests_may_lack
    yield from rows(frame["query_id"].duplicated() & frame["query_id"].notna(), "query_id stands twice", _REBUILD)
    for name in TEXTS:
        lacks = _missing(frame[name])
        yield from rows(lacks & ~(may_lack & (name == "latency_basis")), f"{name} is missing", _REBUILD)
    for name in (*SCORES, *LATENCIES):
        yield from rows(frame[name].isna() & ~may_lack, f"{name} is missing", _REBUILD)
    for name in SCORES:
        yield from rows(_outside(frame[name], SCORE_MAX), f"{name} is not in [0, 10]", _REBUILD)
    for name in LATENCIES:
        yield from rows(_outside(frame[name], MAX_SECONDS), f"{name} is no latency", _REBUILD)
    yield from rows(_other(frame["latency_basis"], _is_basis), "latency_basis is no basis", _REBUILD)
    yield from rows(_other(frame["source"], manifest.sources.__contains__), "source is not in the manifest", _REBUILD)
    groups = {group: split_of(group) for group in frame["group_id"].dropna().unique()}
    away = frame["group_id"].map(groups).to_numpy(object) != pairs.split
    yield from rows(away & frame["group_id"].notna(), "stands in the wrong split", _REBUILD)
    for tier in ("small", "large"):
        models = {source: getattr(manifest.pair_of(source), tier) for source in manifest.sources}
        other = frame[f"{tier}_model"] != frame["source"].map(models)
        yield from rows(other & frame["source"].isin(models), f"{tier}_model is not that of its source", _REBUILD)
    yield from _labels_problems(pairs)
    yield from _counts_problems(folder, pairs, manifest)


def _labels_problems(pairs: Rows) -> Iterator[Problem]:
    scored = np.logical_and.reduce([pairs.frame[name].between(0, SCORE_MAX) for name in SCORES])
    if not scored.any():
        return
    small, large = (pairs.frame[name].to_numpy(np.float64)[scored] for name in SCORES)
    for mes in MES_LEVELS:
        given, wrong = pairs.frame[label_column(mes)].to_numpy(np.float64), np.zeros(len(scored), np.bool_)
        wrong[scored] = label(small, large, mes) != given[scored]
        yield from pairs.problems(wrong, f"{label_column(mes)} does not follow from the scores", _REBUILD)


def _counts_problems(folder: Path, pairs: Rows, manifest: Manifest) -> Iterator[Problem]:
    frame = pairs.frame
    counted = {
        "queries": len(frame),
        "groups": int(frame["group_id"].nunique()),
        "splits": {split: int((pairs.split == split).sum()) for split in SPLITS},
        "domains": {k: int(v) for k, v in frame["domain"].value_counts().sort_index().items()},
        "latency_basis": {k: int(v) for k, v in frame["latency_basis"].value_counts().sort_index().items()},
    }
    for key, value in counted.items():
        if (told := getattr(manifest, key)) != value:
            yield Problem(str(folder / MANIFEST), f"{key} is {told}, the files hold {value}", _REBUILD)


def splits_problems(
    pairs: Rows, splits: Rows, manifest: Manifest, tiers: Mapping[tuple[str, ...], TierFigures]
) -> Iterator[Problem]:
    """What is wrong with the parts that queries play, against `pairs` and the tracks of the manifest.

    tiers: what `read_tiers` gives.
    """
    frame, rows = splits.frame, splits.problems
    ids, split = frame["query_id"], frame["split"]
    yield from rows(ids.isna(), "query_id is missing", _REBUILD)
    yield from rows(ids.duplicated() & ids.notna(), "query_id stands twice", _REBUILD)
    yield from rows(split.isna(), "split is missing", _REBUILD)
    yield from rows(_other(split, SPLITS.__contains__), f"split is none of {', '.join(SPLITS)}", _REBUILD)
    away = split.notna() & (split.to_numpy(object) != splits.split)
    yield from rows(away, "stands in another split's file", _REBUILD)
    known, lost = pairs.frame["query_id"].drop_duplicates(), "stands in pairs or splits, not in both"
    yield from pairs.problems(~pairs.frame["query_id"].isin(ids), lost, _REBUILD)
    at = pd.Index(known).get_indexer(pd.Index(ids))
    yield from rows((at < 0) & ids.notna(), lost, _REBUILD)
    of_pairs = known.index.to_numpy()[at]  # the row of `pairs`; meaningless where at < 0
    both = (at >= 0) & split.notna()
    yield from rows(
        both & (split.to_numpy(object) != pairs.split[of_pairs]), "has another split than in pairs", _REBUILD
    )
    asked = pairs.frame.assign(split=pairs.split)
    for track in manifest.cross_domain:
        parts = np.array(parts_of(track, asked, tiers[track.tiers].scored if track.tiers else None), object)
        given = frame[track.name].astype(object).where(frame[track.name].notna(), None).to_numpy(object)
        yield from rows(both & (given != parts[at]), f"has the wrong part in track {track.name}", _REBUILD)
    for repeat, name in enumerate(manifest.fold_columns):
        dealt = fold_of(pairs.frame["group_id"].fillna(""), FOLDS, repeat)
        yield from rows(both & (frame[name].to_numpy(np.float64) != dealt[at]), f"{name} is another", _REBUILD)


def outcomes_problems(outcomes: Rows, pairs: Rows, manifest: Manifest) -> Iterator[Problem]:
    """What is wrong with the outcomes of all models, against `pairs`."""
    frame, rows = outcomes.frame, outcomes.problems
    private = manifest.private_outcomes is not None
    for name in ("query_id", "model", "status"):
        yield from rows(_missing(frame[name]), f"{name} is missing", _REBUILD)
    twice = frame.duplicated(["query_id", "model"])
    yield from rows(twice, "has two outcomes of one model", _REBUILD)
    yield from rows(~frame["query_id"].isin(pairs.frame["query_id"]), "is no query of pairs", _REBUILD)
    odd = frame["status"].isin(SCORED_STATUSES) != frame["score"].notna()
    yield from rows(odd, f"status and score disagree (only {' and '.join(SCORED_STATUSES)} have a score)", _REBUILD)
    yield from rows(_outside(frame["score"], SCORE_MAX), "score is not in [0, 10]", _REBUILD)
    yield from rows(_outside(frame["latency_s"], MAX_SECONDS), "latency_s is no latency", _REBUILD)
    clocked = frame["latency_s"].notna() & ~frame["latency_basis"].isin(MEASURED_BASES)
    yield from rows(clocked, "latency_basis is no basis", _REBUILD)
    yield from rows(frame["output_tokens"] < 0, "output_tokens is negative", _REBUILD)
    shown = ~pairs.frame["query_id"].duplicated() & ~(private & (pairs.split == "test"))
    scores = frame[~twice].set_index(["query_id", "model"])["score"]
    for tier in ("small", "large"):
        own = pd.MultiIndex.from_frame(pairs.frame[["query_id", f"{tier}_model"]])
        wrong = shown & (scores.reindex(own).to_numpy(np.float64) != pairs.frame[f"{tier}_score"].to_numpy(np.float64))
        yield from pairs.problems(wrong, f"{tier}_score is not that of its model's outcome", _REBUILD)


def _missing(texts: pd.Series[Any]) -> NDArray[np.bool_]:
    return (texts.isna() | (texts == "")).to_numpy(np.bool_)


def _outside(numbers: pd.Series[Any], high: float) -> NDArray[np.bool_]:
    return (numbers.notna() & ~numbers.between(0, high)).to_numpy(np.bool_)


def _other(texts: pd.Series[Any], known: Any) -> NDArray[np.bool_]:
    """Which of the texts are there and not `known`, asked once a text."""
    unknown = [text for text in texts.dropna().unique() if not known(text)]
    return (texts.isin(unknown) & texts.notna()).to_numpy(np.bool_)


def _is_basis(text: str) -> bool:
    return text in MEASURED_BASES or (text.startswith(PROFILE_BASIS) and text != PROFILE_BASIS)

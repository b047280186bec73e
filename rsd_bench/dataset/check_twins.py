"""The part of `data check` that looks for twins: one question, or one picture, on both sides of a split or a fold.

A builder joins into one group what shares a group id, the bytes of a medium or a question text. So a text that stands
in several groups is a standing prompt, of which the manifest counts the queries, or was left apart; and pictures whose
bytes differ may still be equal once they are decoded, as after an image was saved again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import FOLDS, STANDING_GROUPS
from rsd_bench.dataset.image_file import open_image
from rsd_bench.dataset.manifest import Manifest
from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS
from rsd_bench.dataset.splits import fold_of, folded_question
from rsd_bench.dataset.tables import Rows, read_rows, shards_of
from rsd_bench.types import Problem

_FIX = "give their queries one `group`, import and build again"
_OF_PIXELS = [name for name in IMAGE_NUMBERS if name != "bytes_per_pixel"]
_BATCH = 100


def check_twins(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Questions and pictures of a full edition that stand on both sides of a split or a fold.

    Nothing of an edition without content, nor of schema 1, which joined no texts.
    """
    if manifest.lite or manifest.standing is None:
        return
    rows = read_rows(folder, "pairs", dict.fromkeys(("query_id", "group_id", "question"), pa.string()))
    places = _places(rows, manifest)
    yield from _equal_questions(rows, places, manifest.standing)
    yield from _equal_pictures(folder, rows, places)


def _places(rows: Rows, manifest: Manifest) -> pd.Series[Any]:
    """The split of each query and its fold in each repeat, as one text."""
    groups = rows.frame["group_id"].fillna("")
    place = pd.Series(rows.split, dtype=object)
    for repeat in range(manifest.repeats):
        place = place + " " + pd.Series(fold_of(groups, FOLDS, repeat)).astype(str)
    return place


def _equal_questions(rows: Rows, places: pd.Series[Any], standing: int) -> Iterator[Problem]:
    texts = rows.frame["question"].map(folded_question, na_action="ignore")
    asked = pd.DataFrame({"text": texts.where(texts != ""), "place": places, "group": rows.frame["group_id"]})
    spread = asked.groupby("text")[["place", "group"]].transform("nunique")
    apart = (spread["place"] > 1) & asked["text"].notna()
    if int(apart.sum()) > standing:  # more than the builder left apart, who counted groups before any was joined
        bad = apart & (spread["group"] <= STANDING_GROUPS)
        yield from rows.problems(bad, "this question stands on both sides of a split or fold", _FIX)


def _equal_pictures(folder: Path, rows: Rows, places: pd.Series[Any]) -> Iterator[Problem]:
    where = {query_id: (i, places[i]) for i, query_id in enumerate(rows.frame["query_id"])}
    seen: dict[str, str] = {}  # decoded picture -> where it was seen first
    bad = [False] * len(where)
    for query_id, pixels in _decoded(folder, _lookalikes(folder)):
        row, place = where[query_id]
        bad[row] |= seen.setdefault(pixels, place) != place
    yield from rows.problems(bad, "its picture, decoded, stands on both sides of a split or fold", _FIX)


def _lookalikes(folder: Path) -> set[str]:
    """Hashes of first images whose figures of pixels are those of an image of other bytes: only these can be equal."""
    frames = []
    for shard in shards_of(folder, "pairs"):
        table = pq.read_table(shard, columns=["image_sha256", "statistics"], partitioning=None)
        statistics = table.column("statistics").combine_chunks()
        figures = {name: statistics.field(name) for name in _OF_PIXELS}
        frames.append(pa.table({"sha256": table.column("image_sha256"), **figures}).to_pandas())
    images = pd.concat(frames).dropna(subset="sha256").drop_duplicates("sha256")
    return set(images.loc[images.duplicated(_OF_PIXELS, keep=False), "sha256"])


def _decoded(folder: Path, lookalikes: set[str]) -> Iterator[tuple[str, str]]:
    """(query_id, digest of what a viewer shows) of the images that may be equal.

    Of a dataset whose queries have several images these are all: only first images have figures.
    """
    for shard in shards_of(folder, "pairs"):
        with pq.ParquetFile(shard) as file:
            several = [name for name in ("images",) if name in file.schema_arrow.names]
            for batch in file.iter_batches(_BATCH, columns=["query_id", "image_sha256", "image", *several]):
                for i, sha256 in enumerate(batch.column("image_sha256").to_pylist()):
                    images = (batch.column("images")[i].as_py() if several else None) or []
                    if not images and (several or sha256 in lookalikes):
                        images = [batch.column("image")[i].as_py()]
                    for data in _bytes(images):
                        yield batch.column("query_id")[i].as_py(), _pixels(data)


def _bytes(images: Sequence[dict[str, Any] | None]) -> list[bytes]:
    return [image["bytes"] for image in images if image and image["bytes"]]


def _pixels(data: bytes) -> str:
    with open_image(data) as image:
        return hashlib.sha256(repr(image.size).encode() + image.convert("RGB").tobytes()).hexdigest()

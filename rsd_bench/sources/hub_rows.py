"""The rows of a dataset of the Hub, or of a local folder or file as the Hub has them, their media as they are stored.

`datasets` says what a dataset consists of: configs, splits and files, the types of columns, the names of classes. It is
imported when rows are asked for, not with this module. Files of Parquet are then read here, the columns of the map
alone, no more than a row group (or 16 MiB) in memory: `datasets` would read ahead a whole file, and import torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import MAX_IMAGE_BYTES, MAX_MEDIA_BYTES
from rsd_bench.dataset.image_file import read_bounded
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.named_media import image_in, media_in
from rsd_bench.sources.source import SourceProblem
from rsd_bench.sources.table.table_files import parquet_batches
from rsd_bench.types import Report

_Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class HubPlace:
    """Where a dataset is: a Hub repository at a revision, or a local path."""

    repo: str
    revision: str | None
    local: Path | None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def dataset_rows(place: HubPlace, fields: Mapping[str, Any], report: Report) -> _Rows:
    """Rows with their images as stored: {"bytes", "path"}. fields: of the map.

    A row has the columns of the map, and others where one of those is not there.
    """
    import datasets

    try:
        features, stream = _loaded(place, fields)
        first = next(stream, None)
        if first is None:
            report(SourceProblem(f"{place}[{fields['split']}]", "has no rows", "name another split"))
            return
        classes = {name: label for name in first if (label := _classes(features[name])) is not None}
        for row in chain([first], stream):
            yield row | {name: _named(row[name], label) for name, label in classes.items()}
    except _TextLostError as error:
        report(SourceProblem(str(place), str(error), "import its file by itself: data import hub FILE --map MAP.toml"))
    except (OSError, ValueError, LookupError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        what = " ".join(str(error).split())[:500]
        hint = f"; {inspect_hint(place.local)} to see what it is" if place.local else ""
        report(SourceProblem(str(place), f"cannot be loaded: {what}", f"fix repo, config, split or revision{hint}"))


class _TextLostError(Exception):
    """What `datasets` makes of texts is not what stands there."""


def _loaded(place: HubPlace, fields: Mapping[str, Any]) -> tuple[Any, _Rows]:
    """The features of a split, and its rows."""
    import datasets

    split, wanted = fields["split"], set(fields["columns"].values())
    named: tuple[str | None, ...] = str(place.local or place.repo), fields.get("config")
    options: dict[str, Any] = {"revision": place.revision}
    if place.local is not None and place.local.is_file():
        named = ("arrow" if place.local.suffix.lower() == ".arrow" else "parquet",)
        options = {"data_files": {split: str(place.local)}}
    builder = datasets.load_dataset_builder(*named, **options)
    if _is_parquet(builder, split):
        return _parquet_rows(builder, split, wanted)
    rows = datasets.load_dataset(*named, **options, split=split, streaming=True)
    if what := _text_lost(rows, wanted):
        raise _TextLostError(what)
    return rows.features, iter(rows.decode(False))  # a decoded image could only be encoded anew


def _is_parquet(builder: Any, split: str) -> bool:
    """Whether a split is whole files of Parquet, of which nothing but the types of columns is laid down elsewhere."""
    config = builder.config
    if builder.info.builder_name != "parquet" or split not in (config.data_files or {}):
        return False
    plain = all(file.endswith(".parquet") and "::" not in file for file in config.data_files[split])
    return plain and config.columns is config.filters is config.features is None and config.on_bad_files == "error"


def _parquet_rows(builder: Any, split: str, wanted: Collection[str]) -> tuple[Any, _Rows]:
    """The features of a dataset, and its rows. Each file must have its columns; what it lacks of them is null."""
    from datasets import Features

    files: Mapping[str, Sequence[str]] = builder.config.data_files
    features = builder.info.features
    if features is None:
        with _opened(next(chain.from_iterable(files.values()))) as file:
            features = Features.from_arrow_schema(file.schema_arrow)
    read = [name for name in features if name in wanted or not wanted <= features.keys()]
    return features, _rows_of_files(files[split], features, Features({name: features[name] for name in read}))


def _rows_of_files(files: Sequence[str], features: Any, read: Any) -> _Rows:
    from datasets.table import table_cast

    for path in files:
        with _opened(path) as file:
            table_cast(file.schema_arrow.empty_table(), features.arrow_schema)
            for batch in parquet_batches(file, read):
                yield from table_cast(pa.Table.from_batches([batch]), read.arrow_schema).to_pylist()


def _opened(file: str) -> pq.ParquetFile:
    """A file of a dataset, wherever it is; nothing is read ahead."""
    from datasets.utils.file_utils import xopen

    return pq.ParquetFile(xopen(file, "rb") if "://" in file else file, pre_buffer=False)


def _text_lost(rows: Any, columns: Collection[str]) -> str:
    """What `datasets` makes of texts that is not what stands there, in words; "" where it keeps them."""
    if rows.features is None:
        return "cannot tell a text: a folder of CSV says no types"
    dates = [name for name in columns if str(getattr(rows.features.get(name), "dtype", "")).startswith("timestamp")]
    if dates and rows.info.builder_name not in ("parquet", "arrow"):
        return f"would lose the texts of dates in {', '.join(sorted(dates))}: `datasets` makes times of them"
    return ""


def _classes(feature: Any) -> Any:
    """The ClassLabel of a column of classes or of lists of them, else None."""
    from datasets import ClassLabel

    if isinstance(feature, list):
        feature = feature[0] if feature else None
    feature = getattr(feature, "feature", feature)
    return feature if isinstance(feature, ClassLabel) else None


def _named(value: Any, label: Any) -> Any:
    """A cell with class names in place of their numbers; -1, which is no class, is None."""
    if isinstance(value, list):
        return [_named(item, label) for item in value]
    if isinstance(value, int) and value >= 0:
        return label.int2str(value)
    return None if value == -1 else value


def medium_at(place: HubPlace, kind: str, path: str) -> bytes:
    """The bytes at a path that the dataset's own files gave; a row must not name any other file."""
    if place.local is not None:
        inside = place.local if place.local.is_dir() else place.local.parent
        return image_in(inside, path) if kind == "image" else media_in(inside, path)
    if not path.rpartition("::")[2].startswith(f"hf://datasets/{place.repo}@"):
        raise OSError(0, f"{kind} {path!r} lies outside {place.repo}")
    from datasets.utils.file_utils import xopen

    with xopen(path, "rb") as stream:
        return read_bounded(stream, MAX_IMAGE_BYTES if kind == "image" else MAX_MEDIA_BYTES)

"""The dataset folder: which files it has and which columns they hold.

    README.md                              card; YAML configs
    manifest.json                          sha256, bytes and rows of every file, provenance, tracks, missing queries
    croissant.json  eval.yaml              the dataset for search engines, the benchmark for the Hub
    assets/*.svg                           the card's pictures
    pairs/<split>-NNNNN-of-NNNNN.parquet   one row a query for the default pair
    outcomes/<split>-...                   long: one row a query and model
    judgments/<split>-...                  one row a judge call
    splits/<split>-...                     query_id, split, the fold in each repeat, one column per cross-domain track

The lite edition is the same folder without images, texts and judgments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rsd_bench.config import IN_DOMAIN, MES_LEVELS, SPLITS
from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, TEXT_NUMBERS
from rsd_bench.metrics.label import LABEL_NAMES, label_column

if TYPE_CHECKING:
    from rsd_bench.dataset.manifest import FileEntry

MANIFEST, CARD, CROISSANT, EVAL = "manifest.json", "README.md", "croissant.json", "eval.yaml"
PICTURES = ("assets/score-histogram.svg", "assets/apsp-by-mes.svg", "assets/latency.svg")
TABLES = ("pairs", "outcomes", "judgments", "splits")
LITE = Path(__file__).parent.parent / "editions" / "rsd-open-lite"

#: Columns that a table has only where the dataset has something to put there; the manifest names those it has.
OPTIONAL_COLUMNS = {
    "pairs": ("modality", "images", "audio", "video"),  # of a dataset in which not every query is about one image
    "outcomes": ("first_token_s", "cost_usd"),
}
#: Columns that hold somebody's words or pictures: never in a lite edition, nor published where a licence forbids it.
CONTENT_COLUMNS = {
    "pairs": ("image", "question", "reference_answer", "images", "audio", "video"),
    "outcomes": ("response",),
    "judgments": ("verdict",),
}
#: The status of a test outcome that is published elsewhere, to scorers only.
PRIVATE = "private"
PRIVATE_SPLIT, PRIVATE_TABLES = "test", ("outcomes", "judgments")  # what of a dataset can be private
LITE_TABLES = ("pairs", "outcomes", "splits")

LABELS = tuple(label_column(mes) for mes in MES_LEVELS)
LATENCY = ("small_latency_s", "large_latency_s", "latency_basis")
FOLD_NAME = re.compile(r"fold_\d+")
TRACK_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
OUTCOME_COLUMNS = ("small_score", "large_score", *LATENCY, *LABELS)  # of pairs: null where outcomes are private
ROWS_PER_GROUP = {"pairs": 100, "outcomes": 10_000, "judgments": 10_000, "splits": 10_000}


@lru_cache
def features(table: str) -> Any:
    """The `datasets.Features` of a table with every column there can be; its arrow schema carries them in the files."""
    from datasets import Audio, ClassLabel, Features, Image, List, Value, Video

    text, number, whole = Value("string"), Value("float64"), Value("int64")
    statistics = {
        **dict.fromkeys(TEXT_NUMBERS, number),
        "question_type": text,
        "multiple_choice": Value("bool"),
        **dict.fromkeys(IMAGE_NUMBERS, number),
    }
    columns: dict[str, dict[str, Any]] = {
        "pairs": {
            "query_id": text,
            "group_id": text,
            "source": text,
            "source_domain": text,
            "domain": text,
            "image": Image(),
            "question": text,
            "reference_answer": text,
            "small_model": text,
            "large_model": text,
            "small_score": number,
            "large_score": number,
            "small_latency_s": number,
            "large_latency_s": number,
            "latency_basis": text,
            "statistics": statistics,
            "licence": text,
            "image_sha256": text,
            **{name: ClassLabel(names=list(LABEL_NAMES)) for name in LABELS},
            "modality": text,
            "images": List(Image()),
            "audio": List(Audio(decode=False)),  # decoding needs more than this package installs
            "video": List(Video(decode=False)),
        },
        "outcomes": {
            "query_id": text,
            "model": text,
            "status": text,
            "response": text,
            "score": number,
            "judge": text,
            "n_judgments": Value("int32"),
            "score_std": number,
            "latency_s": number,
            "latency_basis": text,
            "input_tokens": whole,
            "output_tokens": whole,
            "energy_j": number,
            "energy_basis": text,
            "first_token_s": number,
            "cost_usd": number,
        },
        "judgments": {
            "query_id": text,
            "model": text,
            "judge": text,
            "repeat": text,
            "score": number,
            "verdict": text,
        },
    }
    return Features(columns[table])


def is_track_name(name: object) -> bool:
    """Whether a track may be called so: its column stands beside those of `pairs` when a dataset is scored."""
    taken = {"split", IN_DOMAIN, *features("pairs")}
    plain = isinstance(name, str) and TRACK_NAME.fullmatch(name) is not None
    return plain and name not in taken and not FOLD_NAME.fullmatch(str(name))


def arrow_schema(table: str, lite: bool = False, optional: Iterable[str] = ()) -> pa.Schema:
    """The arrow schema of a table as it is written, Hub features in its metadata. optional: which of those it has."""
    from datasets import Features

    return Features({name: features(table)[name] for name in columns_of(table, lite, optional)}).arrow_schema


def columns_of(table: str, lite: bool = False, optional: Iterable[str] = ()) -> list[str]:
    """Names of the columns of a table, in order."""
    left_out = {*OPTIONAL_COLUMNS.get(table, ())} - {*optional}
    return [name for name in features(table) if name not in left_out and not (lite and name in content_columns(table))]


def task_id(scenario: str) -> str:
    """The Hub's id of a scenario's task in eval.yaml and .eval_results: one value, its RCS."""
    return f"rcs-{scenario.replace('_', '-')}"


def content_columns(table: str) -> tuple[str, ...]:
    return CONTENT_COLUMNS.get(table, ())


def fold_column(repeat: int) -> str:
    """The column of `splits` with the folds of a repeat."""
    return f"fold_{repeat}"


def splits_schema(tracks: Iterable[str], repeats: int = 0) -> pa.Schema:
    """The arrow schema of the splits table: a column with the folds of each repeat, one per cross-domain track."""
    folds = [(fold_column(repeat), pa.int8()) for repeat in range(repeats)]
    return pa.schema([("query_id", pa.string()), ("split", pa.string()), *folds, *((t, pa.string()) for t in tracks)])


def card_configs(
    lite: bool = False, files: Mapping[str, FileEntry] | None = None, optional: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """The `configs` of the card's YAML: mes-1 ... mes-10 are column projections of the pairs files.

    files: the manifest's. A split without rows is left out, and a table without any: `datasets` cannot load them.
    optional: which of these columns `pairs` has.
    """
    pairs = columns_of("pairs", lite, optional)

    def paths(table: str) -> list[dict[str, str]]:
        return [{"split": split, "path": f"{table}/{split}-*.parquet"} for split in SPLITS if filled(table, split)]

    def filled(table: str, split: str) -> bool:
        shards = [entry for name, entry in (files or {}).items() if name.startswith(f"{table}/{split}-")]
        return files is None or any(entry.rows for entry in shards)

    configs: list[dict[str, Any]] = [{"config_name": "pairs", "default": True, "data_files": paths("pairs")}]
    for mes in MES_LEVELS:
        columns = [name for name in pairs if name not in LABELS or name == label_column(mes)]
        configs.append({"config_name": f"mes-{mes}", "data_files": paths("pairs"), "columns": columns})
    others = [name for name in (LITE_TABLES if lite else TABLES) if name != "pairs"]
    return [*configs, *({"config_name": name, "data_files": paths(name)} for name in others if paths(name))]

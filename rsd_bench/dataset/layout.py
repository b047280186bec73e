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


_COLUMNS = {  # column -> kind, as `features` makes it
    "pairs": {
        **dict.fromkeys(("query_id", "group_id", "source", "source_domain", "domain"), "string"),
        "image": "image",
        **dict.fromkeys(("question", "reference_answer", "small_model", "large_model"), "string"),
        **dict.fromkeys(("small_score", "large_score", "small_latency_s", "large_latency_s"), "float64"),
        "latency_basis": "string",
        "statistics": "statistics",
        **dict.fromkeys(("licence", "image_sha256"), "string"),
        **dict.fromkeys(LABELS, "label"),
        "modality": "string",
        **dict.fromkeys(("images", "audio", "video"), "media"),
    },
    "outcomes": {
        **dict.fromkeys(("query_id", "model", "status", "response"), "string"),
        "score": "float64",
        "judge": "string",
        "n_judgments": "int32",
        **dict.fromkeys(("score_std", "latency_s"), "float64"),
        "latency_basis": "string",
        **dict.fromkeys(("input_tokens", "output_tokens"), "int64"),
        "energy_j": "float64",
        "energy_basis": "string",
        **dict.fromkeys(("first_token_s", "cost_usd"), "float64"),
    },
    "judgments": {
        **dict.fromkeys(("query_id", "model", "judge", "repeat"), "string"),
        "score": "float64",
        "verdict": "string",
    },
}
_TRACKS_MAY_NOT = frozenset({"split", IN_DOMAIN, *_COLUMNS["pairs"]})


@lru_cache
def features(table: str) -> Any:
    """The `datasets.Features` of a table with every column there can be; its arrow schema carries them in the files."""
    from datasets import Audio, ClassLabel, Features, Image, List, Value, Video

    number, media = Value("float64"), {"images": Image(), "audio": Audio(decode=False), "video": Video(decode=False)}
    kinds: dict[str, Any] = {  # decoding sound and video needs more than this package installs
        "image": Image(),
        "label": ClassLabel(names=list(LABEL_NAMES)),
        "statistics": {
            **dict.fromkeys(TEXT_NUMBERS, number),
            "question_type": Value("string"),
            "multiple_choice": Value("bool"),
            **dict.fromkeys(IMAGE_NUMBERS, number),
        },
    }
    return Features(
        {
            name: List(media[name]) if kind == "media" else kinds.get(kind) or Value(kind)
            for name, kind in _COLUMNS[table].items()
        }
    )


def is_track_name(name: object) -> bool:
    """Whether a track may be called so: its column stands beside those of `pairs` when a dataset is scored."""
    plain = isinstance(name, str) and TRACK_NAME.fullmatch(name) is not None
    return plain and name not in _TRACKS_MAY_NOT and not FOLD_NAME.fullmatch(str(name))


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

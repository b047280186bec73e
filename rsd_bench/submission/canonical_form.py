"""The files of a submission as this package writes them: equal content gives equal bytes.

Keys stand in the order of the schema, scenarios and tracks by name, numbers are floats, rows are sorted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.schemas import schema
from rsd_bench.submission.submission import ALLOWED_FILES, COLUMNS, PREDICTION_FILES, README, SUBMISSION

PREDICTIONS = PREDICTION_FILES[0]
_SCHEMA = pa.schema(
    [(name, pa.dictionary(pa.int32(), pa.string()) if name != "query_id" else pa.string()) for name in COLUMNS[:3]]
    + [("p_edge", pa.float64())]
)


def write_files(folder: Path, meta: Mapping[str, Any], predictions: pd.DataFrame) -> None:
    """submission.json and predictions.parquet in canonical form."""
    text = json.dumps(_canonical(meta, schema("submission")), indent=1, ensure_ascii=False) + "\n"
    (folder / SUBMISSION).write_bytes(text.encode("utf-8", "surrogatepass"))  # half a pair is for the check to refuse
    ordered = in_order(predictions)
    ordered = ordered.assign(p_edge=ordered["p_edge"] + 0.0)  # no -0.0
    table = pa.Table.from_pandas(ordered, _SCHEMA, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, folder / PREDICTIONS, compression="zstd")


def in_order(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows as they are written; their index says what each was called before."""
    return predictions[list(COLUMNS)].sort_values(list(COLUMNS[:3]), kind="stable")


def _canonical(value: Any, rules: Mapping[str, Any]) -> Any:
    """A value of submission.json; `rules` are those of the schema for it."""
    if isinstance(value, Mapping):
        named = list(rules.get("properties", ()))
        keys = sorted(value, key=lambda key: (named.index(key) if key in named else len(named), key))
        return {key: _canonical(value[key], rules["properties"][key] if key in named else {}) for key in keys}
    if isinstance(value, (int, float)):
        return rules.get("const", float(value) + 0.0)
    return value


def only_a_submission(folder: Path) -> bool:
    """Whether a folder may be replaced by a submission: it is one, and holds nothing besides."""
    names = {path.name for path in folder.iterdir()}
    return SUBMISSION in names and names <= ALLOWED_FILES


def keep_readme(old: Path, new: Path) -> None:
    """An author's words outlive the files that are written anew."""
    if (old / README).is_file():
        shutil.copyfile(old / README, new / README, follow_symlinks=False)

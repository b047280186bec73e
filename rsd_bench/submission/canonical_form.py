"""The files of a submission as this package writes them: equal content gives equal bytes.

Keys stand in the order of the schema, scenarios and tracks by name, numbers are floats, rows are sorted.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.schemas import schema
from rsd_bench.submission.submission import (
    ALLOWED_FILES,
    P_EDGE,
    PREDICTION_FILES,
    README,
    REPEAT,
    SUBMISSION,
    TEXT_COLUMNS,
    TIER_COLUMN,
    p_columns,
)

PREDICTIONS = PREDICTION_FILES[0]
_NUMBER_LIST = re.compile(r"\[[-+.0-9eE,\s\[\]]*\]")  # matches no text of JSON with a line feed: it holds none


def write_files(folder: Path, meta: Mapping[str, Any], predictions: pd.DataFrame) -> None:
    """submission.json and predictions.parquet in canonical form."""
    text = json.dumps(_canonical(meta, schema("submission")), indent=1, ensure_ascii=False) + "\n"
    text = _NUMBER_LIST.sub(lambda listed: re.sub(r"\n *", "", re.sub(r",\n *", ", ", listed[0])), text)
    (folder / SUBMISSION).write_bytes(text.encode("utf-8", "surrogatepass"))  # half a pair is for the check to refuse
    ordered = in_order(predictions)
    kinds = {"query_id": pa.string(), **dict.fromkeys(("track", "scenario"), pa.dictionary(pa.int32(), pa.string()))}
    if REPEAT in ordered and (whole := ordered[REPEAT].astype("int32")).eq(ordered[REPEAT]).all():
        ordered, kinds[REPEAT] = ordered.assign(**{REPEAT: whole}), pa.int32()
    written = pa.schema([(name, kinds.get(name, pa.float64())) for name in ordered])
    table = pa.Table.from_pandas(ordered, written, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, folder / PREDICTIONS, compression="zstd")


def in_order(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows and columns as they are written; their index says what each row was called before.

    A repeat that is not given is 0; a column of numbers that says nothing is left out, and 0.0 has no sign.
    """
    numbers = [name for name in map(str, predictions) if name in (REPEAT, P_EDGE) or TIER_COLUMN.fullmatch(name)]
    numbers.sort(key=lambda name: (name != REPEAT, name != P_EDGE, len(name), name))
    rows = predictions[[*TEXT_COLUMNS, *numbers]].copy()
    for name in numbers:
        rows[name] = rows[name].astype("float64") + 0.0
    if REPEAT in rows:
        rows[REPEAT] = rows[REPEAT].fillna(0.0)
        if not rows[REPEAT].any():
            rows = rows.drop(columns=REPEAT)
    silent = [name for name in numbers[numbers.count(REPEAT) :] if rows[name].isna().all()]
    if len(silent) < len(numbers) - numbers.count(REPEAT):  # else there is nothing to say, which the check refuses
        rows = rows.drop(columns=silent)
    by = [*TEXT_COLUMNS, *([REPEAT] if REPEAT in rows else [])]
    return rows.sort_values(by, kind="stable")


def prediction_rows(
    benchmark: Benchmark, entries: Mapping[tuple[str, str], tuple[Sequence[int], FloatArray]]
) -> pd.DataFrame:
    """Rows of predictions from repeats and probabilities, shape (R, n, K - 1), by (track, scenario)."""
    tables = []
    for (track, scenario), (repeats, p) in entries.items():
        query_ids = benchmark.part(track, "test").query_ids
        columns = dict(zip(p_columns(p.shape[2] + 1), np.moveaxis(p, 2, 0).reshape(p.shape[2], -1), strict=True))
        repeat = np.repeat(repeats, len(query_ids))
        ids = np.tile(query_ids, len(repeats))
        tables.append(pd.DataFrame({"track": track, "query_id": ids, "scenario": scenario, REPEAT: repeat, **columns}))
    return pd.concat(tables, ignore_index=True)


def _canonical(value: Any, rules: Mapping[str, Any]) -> Any:
    """A value of submission.json; `rules` are those of the schema for it."""
    if isinstance(value, Mapping):
        named = list(rules.get("properties", ()))
        keys = sorted(value, key=lambda key: (named.index(key) if key in named else len(named), key))
        return {key: _canonical(value[key], rules["properties"][key] if key in named else {}) for key in keys}
    if isinstance(value, (int, float)):
        return rules.get("const", float(value) + 0.0)
    return [_canonical(inner, {}) for inner in value] if isinstance(value, (list, tuple)) else value


def only_a_submission(folder: Path) -> bool:
    """Whether a folder may be replaced by a submission: it is one, and holds nothing besides."""
    names = {path.name for path in folder.iterdir()}
    return SUBMISSION in names and names <= ALLOWED_FILES


def keep_readme(old: Path, new: Path) -> None:
    """An author's words outlive the files that are written anew."""
    if (old / README).is_file():
        shutil.copyfile(old / README, new / README, follow_symlinks=False)

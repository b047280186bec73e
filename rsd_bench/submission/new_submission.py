"""Write a submission folder, and rewrite one in canonical form.

Canonical: equal content gives equal bytes. Keys stand in the order of the schema, scenarios and tracks by name, numbers
are floats, rows are sorted.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.folders import new_folder
from rsd_bench.schemas import schema
from rsd_bench.submission.check_submission import ALLOWED_FILES, open_submission
from rsd_bench.submission.submission import COLUMNS, PREDICTION_FILES, README, SLUG, SLUG_FIX, SUBMISSION
from rsd_bench.types import InputError
from rsd_bench.version import SUBMISSION_SCHEMA_VERSION

_PREDICTIONS = PREDICTION_FILES[0]
_SCHEMA = pa.schema(
    [(name, pa.dictionary(pa.int32(), pa.string()) if name != "query_id" else pa.string()) for name in COLUMNS[:3]]
    + [("p_edge", pa.float64())]
)


def new_submission(
    folder: Path,
    predictions: pd.DataFrame,
    benchmark: Benchmark,
    *,
    name: str,
    authors: Sequence[str],
    tau: Mapping[str, Any],
    router_latency_s: float,
    hardware: str,
    description: str = "",
    url: str | None = None,
    source: Path | None = None,
    replace_old: bool = True,
) -> Path:
    """Write and check `folder` (its name is the slug); nothing is left behind when the check fails (InputError).

    A submission that stands there is replaced, where `replace_old`, but for its README; one with files of any other
    kind is not. source: the file that `predictions` were read from; problems then name it, and a row by its label.
    """
    slug = folder.name
    if not SLUG.fullmatch(slug):
        raise InputError.at(slug, "is no slug", SLUG_FIX)
    if not replace_old and folder.exists() and any(folder.iterdir()):
        raise InputError.at(folder, "exists already", "name another slug, or give --replace")
    manifest = benchmark.manifest
    meta = {
        "schema_version": SUBMISSION_SCHEMA_VERSION,
        "slug": slug,
        "name": name,
        "authors": list(authors),
        "description": description,
        **({"url": url} if url else {}),
        "dataset": {
            "name": manifest["name"],
            "version": manifest["version"],
            # a lite edition or a published copy has the figures of the edition it came from, and so both accept it
            "manifest_sha256": manifest.get("derived_from", benchmark.manifest_sha256),
        },
        "tau": {scenario: tau[scenario] for scenario in tau},
        "router_latency": {"seconds": router_latency_s, "hardware": hardware},
    }
    with new_folder(folder, may_replace=_only_a_submission) as partial:
        inside = partial / slug  # checked under its own name, then moved up
        inside.mkdir()
        write_files(inside, meta, predictions)
        try:
            open_submission(inside, benchmark)
        except InputError as error:
            told = str(inside / _PREDICTIONS), _ordered(predictions).index, source or Path(f"{slug}, the predictions")
            places = (_place(p.where, *told).replace(str(inside), str(folder)) for p in error.problems)
            renamed = [replace(p, where=place) for p, place in zip(error.problems, places, strict=True)]
            raise InputError(renamed) from None
        for file in list(inside.iterdir()):
            file.rename(partial / file.name)
        inside.rmdir()
        _keep_readme(folder, partial)
    return folder


def _only_a_submission(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    return SUBMISSION in names and names <= ALLOWED_FILES


def _keep_readme(old: Path, new: Path) -> None:
    if (old / README).is_file():
        shutil.copyfile(old / README, new / README, follow_symlinks=False)


def _place(where: str, written: str, rows: pd.Index[Any], source: Path) -> str:
    """Where the author finds what stands at `where` in the file that was written, which is sorted and soon gone."""
    if not where.startswith(written):
        return where
    row = where.removeprefix(f"{written}:")
    if not row.isdigit():
        return str(source)
    label = rows[int(row) - 1]
    return label if isinstance(label, str) else f"{source}: row {label}"


def write_files(folder: Path, meta: Mapping[str, Any], predictions: pd.DataFrame) -> None:
    """submission.json and predictions.parquet in canonical form."""
    text = json.dumps(_canonical(meta, schema("submission")), indent=1, ensure_ascii=False) + "\n"
    (folder / SUBMISSION).write_bytes(text.encode("utf-8", "surrogatepass"))  # half a pair is for the check to refuse
    ordered = _ordered(predictions)
    ordered = ordered.assign(p_edge=ordered["p_edge"] + 0.0)  # no -0.0
    table = pa.Table.from_pandas(ordered, _SCHEMA, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, folder / _PREDICTIONS, compression="zstd")


def _ordered(predictions: pd.DataFrame) -> pd.DataFrame:
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


def default_tau() -> dict[str, float]:
    """0.5 in every scenario."""
    return dict.fromkeys(SCENARIOS, 0.5)


def pack_submission(folder: Path, benchmark: Benchmark) -> str:
    """Rewrite a sound submission in canonical form; return the SHA-256 over both files. InputError where it is not."""
    submission = open_submission(folder, benchmark)
    rows = [
        pd.DataFrame(
            dict(zip(COLUMNS, (track, benchmark.part(track, "test").query_ids, scenario, p_edge), strict=True))
        )
        for (track, scenario), p_edge in submission.p_edge.items()
    ]
    with new_folder(folder, may_replace=_only_a_submission) as packed:
        write_files(packed, submission.meta, pd.concat(rows, ignore_index=True))
        _keep_readme(folder, packed)
        names = sorted(path.name for path in packed.iterdir())
        digest = hashlib.sha256("".join(f"{n} {file_sha256(packed / n)}\n" for n in names).encode())
    return digest.hexdigest()

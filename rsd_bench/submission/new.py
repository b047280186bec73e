"""Write a submission folder: from an author's own table of probabilities, or from a router's output."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.config import IN_DOMAIN, SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.folders import new_folder
from rsd_bench.submission.check import open_submission
from rsd_bench.submission.model import ALL_SCENARIOS, COLUMNS, SLUG, SUBMISSION
from rsd_bench.submission.read import read_plain_table
from rsd_bench.types import InputError
from rsd_bench.version import SUBMISSION_SCHEMA_VERSION

_SCHEMA = pa.schema(
    [(name, pa.dictionary(pa.int32(), pa.string()) if name != "query_id" else pa.string()) for name in COLUMNS[:3]]
    + [("p_edge", pa.float64())]
)


def predictions_frame(path: Path) -> pd.DataFrame:
    """The four columns from an author's file: query_id and p_edge are needed, track and scenario have defaults.

    InputError for a missing column or a p_edge that is no number.
    """
    table = read_plain_table(path)
    for name in ("query_id", "p_edge"):
        if name not in table.columns:
            have = ", ".join(map(str, table.columns)) or "none"
            raise InputError.at(path, f"has no column {name!r}", f"give query_id and p_edge; it has {have}")
    defaults = {"track": IN_DOMAIN, "scenario": ALL_SCENARIOS}
    frame = pd.DataFrame({name: table[name] if name in table.columns else defaults[name] for name in COLUMNS})
    p = pd.to_numeric(frame["p_edge"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if np.isnan(p).any():
        row = int(np.flatnonzero(np.isnan(p))[0])
        value = frame["p_edge"].iat[row]
        raise InputError.at(f"{path}: row {row + 1}", f"p_edge {value!r} is no number", "give a probability in [0, 1]")
    return frame.assign(p_edge=p, **{name: frame[name].astype(str) for name in COLUMNS[:3]})


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
) -> Path:
    """Write and check `folder` (its name is the slug); nothing is left behind when the check fails (InputError)."""
    slug = folder.name
    if not SLUG.fullmatch(slug):
        raise InputError.at(slug, "is no slug", "use 2 to 63 of a-z, 0-9 and -, the first no -")
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
    with new_folder(folder, may_replace=lambda old: (old / SUBMISSION).is_file()) as partial:
        inside = partial / slug  # checked under its own name, then moved up
        inside.mkdir()
        write_files(inside, meta, predictions)
        try:
            open_submission(inside, benchmark)
        except InputError as error:
            renamed = [type(p)(p.where.replace(str(inside), str(folder)), p.what, p.mend) for p in error.problems]
            raise InputError(renamed) from None
        for file in list(inside.iterdir()):
            file.rename(partial / file.name)
        inside.rmdir()
    return folder


def write_files(folder: Path, meta: Mapping[str, Any], predictions: pd.DataFrame) -> None:
    """submission.json and predictions.parquet in canonical form: sorted rows, fixed types, same input same bytes."""
    text = json.dumps(meta, indent=1, ensure_ascii=False) + "\n"
    (folder / SUBMISSION).write_text(text, "utf-8", newline="\n")
    ordered = predictions[list(COLUMNS)].sort_values(list(COLUMNS[:3]), kind="stable")
    table = pa.Table.from_pandas(ordered, _SCHEMA, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, folder / "predictions.parquet", compression="zstd")


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
    with new_folder(folder, may_replace=lambda old: (old / SUBMISSION).is_file()) as packed:
        write_files(packed, submission.meta, pd.concat(rows, ignore_index=True))
        if (folder / "README.md").is_file():
            (packed / "README.md").write_bytes((folder / "README.md").read_bytes())
        names = sorted(path.name for path in packed.iterdir())
        digest = hashlib.sha256("".join(f"{n} {file_sha256(packed / n)}\n" for n in names).encode())
    return digest.hexdigest()

"""manifest.json: what a dataset folder holds, provably."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.dataset.layout import MANIFEST
from rsd_bench.types import InputError
from rsd_bench.version import DATA_SCHEMA_VERSION


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, in the same order everywhere: Windows would sort names without regard to case."""
    return sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).parts)


def file_entries(folder: Path, known: Mapping[str, dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    """sha256, bytes and (Parquet) rows of every file below `folder` but the manifest, by relative path.

    Names with a dot in front are not the dataset's: git's and the Hub's own files in a downloaded copy.
    known: entries that hold already; their files are not read again.
    """
    entries: dict[str, dict[str, Any]] = {}
    for path in files_below(folder):
        if path.name == MANIFEST:
            continue
        name = path.relative_to(folder).as_posix()
        if name.startswith("."):
            continue
        if known and name in known:
            entries[name] = known[name]
            continue
        entry: dict[str, Any] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        if path.suffix == ".parquet":
            entry["rows"] = _rows(path)
        entries[name] = entry
    return entries


def _rows(path: Path) -> int | None:
    """Rows of a Parquet file; None where it is damaged, which no manifest says."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowException:
        return None


def to_bytes(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset folder. InputError where there is none or its schema version is another."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        version = manifest["schema_version"]
    except FileNotFoundError:
        raise InputError.at(
            folder, f"is not a dataset folder (no {MANIFEST})", "build one: rsd-bench data build"
        ) from None
    except OSError as error:
        raise InputError.at(path, error.strerror or "cannot be read") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError.at(path, "is not a dataset manifest", "build the dataset again") from None
    if version != DATA_SCHEMA_VERSION:
        what = f"has schema version {version!r}, this package reads {DATA_SCHEMA_VERSION}"
        raise InputError.at(path, what, "build the dataset again, or install the matching rsd-bench")
    return dict(manifest)


def manifest_sha256(folder: Path) -> str:
    """The identity of a dataset: SHA-256 of its manifest.json, which holds the hashes of all its files."""
    return file_sha256(folder / MANIFEST)


def require_content(data: object, manifest: Mapping[str, Any]) -> None:
    """InputError where a published dataset has no images and questions of some sources, which may not be re-hosted."""
    if withheld := manifest.get("withheld"):
        what = f"was published without the images and questions of {', '.join(withheld)}"
        raise InputError.at(data, what, "use the built folder")

"""Damaged files of a store: one line that names the file and what fixes it, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from rsd_bench.types import InputError

FIX = "import the source again with --replace"


@contextmanager
def reading(path: Path, fix: str = FIX) -> Iterator[None]:
    """What fails in this block fails because the file at `path` is gone or damaged: InputError that says so."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError.at(path, "is missing", fix) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException) as error:
        what = " ".join(str(error).split())[:200]
        raise InputError.at(path, f"is damaged: {what}", fix) from None

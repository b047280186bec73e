"""How a hostile submission is made and judged: take a sound one, break it, and say what must be said about it.

An attack is (name, change, verdict). `change(folder)` breaks a sound folder; the verdict is None where it is accepted
rightly, else words that some problem must hold. Whatever the attack: no exception, no hang, no empty complaint.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sound_submissions import make

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.submission import COLUMNS, RouterLatency, Submission

Change = Callable[[Path], Any]
SECONDS = 20


_SOUND: dict[str, dict[str, bytes]] = {}  # files by the identity of a dataset


def sound(folder: Path, benchmark: Benchmark) -> Path:
    """A submission in order: one row a test query, tau 0.5. Made and checked once, written out each time."""
    if benchmark.identity not in _SOUND:
        with TemporaryDirectory() as root:
            latency = RouterLatency(0.01, "h")
            made = make(Path(root) / "sound", benchmark, name="N", authors=("A",), router_latency=latency)
            _SOUND[benchmark.identity] = {path.name: path.read_bytes() for path in made.iterdir()}
    folder.mkdir(parents=True)
    for name, content in _SOUND[benchmark.identity].items():
        (folder / name).write_bytes(content)
    meta(slug=folder.name)(folder)
    return folder


def judge(root: Path, benchmark: Benchmark, change: Change, verdict: str | None) -> Submission | None:
    """Break a sound submission and hold the verdict to what was foreseen."""
    folder = sound(root / "victim", benchmark)
    change(folder)
    start = time.monotonic()
    submission, problems = check_submission(folder, benchmark)
    assert time.monotonic() - start < SECONDS
    said = "\n".join(map(str, problems))
    if verdict is None:
        assert submission is not None, said
        assert not problems
        return submission
    assert submission is None, "was accepted"
    assert verdict in said, said
    assert all(p.where and p.what for p in problems)
    assert len(said) < 200_000, "a problem repeats the attacker's text at length"
    return None


# --- ways to break a folder ----------------------------------------------------------------------------------------


def rows_of(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "predictions.parquet")
    return frame.astype(dict.fromkeys(COLUMNS[:3], object))


def clear(folder: Path) -> None:
    for path in folder.glob("predictions.*"):
        path.unlink()


def parquet(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    """Predictions as Parquet, the frame changed."""

    def apply(folder: Path) -> None:
        frame = change(rows_of(folder).copy())
        clear(folder)
        frame.to_parquet(folder / "predictions.parquet", index=False)

    return apply


def table(change: Callable[[pa.Table], pa.Table], **options: Any) -> Change:
    """Predictions as Parquet, the arrow table changed."""

    def apply(folder: Path) -> None:
        made = change(pa.Table.from_pandas(rows_of(folder), preserve_index=False))
        clear(folder)
        pq.write_table(made, folder / "predictions.parquet", **options)

    return apply


def lines(change: Callable[[list[str]], list[str]], kind: str = "csv") -> Change:
    """Predictions as CSV or JSONL, the lines changed; what they become is joined by line feeds."""

    def apply(folder: Path) -> None:
        frame = rows_of(folder)
        clear(folder)
        if kind == "csv":
            text = frame.to_csv(index=False, lineterminator="\n")
        else:
            text = frame.to_json(orient="records", lines=True, double_precision=15)
        data = "\n".join(change(text.splitlines())) + "\n"
        (folder / f"predictions.{kind}").write_bytes(data.encode("utf-8", "surrogatepass"))

    return apply


def raw(name: str, data: bytes | Callable[[bytes], bytes]) -> Change:
    """A file of the folder replaced by bytes, or by what becomes of its bytes."""

    def apply(folder: Path) -> None:
        path = folder / name
        old = path.read_bytes() if path.exists() else b""
        if name.startswith("predictions"):
            clear(folder)
        path.write_bytes(data(old) if callable(data) else data)

    return apply


def meta(**changes: Any) -> Change:
    """submission.json with fields replaced; ... removes one."""

    def apply(folder: Path) -> None:
        path = folder / "submission.json"
        given = json.loads(path.read_text()) | changes
        given = {key: value for key, value in given.items() if value is not ...}
        path.write_text(json.dumps(given))

    return apply


def renamed(name: str, agree: bool = True) -> Change:
    """The folder under another name, and the slug with it; `judge` follows."""

    def apply(folder: Path) -> None:
        if agree:
            meta(slug=name)(folder)
        shutil.move(folder, folder.with_name(name))

    return apply

"""Seconds and peak memory of imports that carry images: a dataset of the Hub, and a benchmark of VLMEvalKit.

    python benchmarks/imports.py [--hub 5000] [--kit 4000] [--json]

`hub`: Parquet in row groups of 100 rows, an image of 7 KB a row. `vlmevalkit`: a TSV with an image of 52 KB a row, that
is 69 KB of base64, and a prediction file. Every image is a file of its own. Each import is `rsd-bench data import` as a
whole process, into an empty store; its peak is that of the process, the files it wrote not counted.
"""

from __future__ import annotations

import argparse
import base64
import csv
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

HUB_MAP = """
source = "bench"
split = "test"
[columns]
question = "query"
image = "image"
id = "qid"
reference_answer = "label"
[constants]
domain = "chart"
"""
ROW_GROUP = 100


def images(n: int, size: tuple[int, int], blur: float) -> Iterator[bytes]:
    """n JPEGs of 40 pictures; what follows the end of a picture makes each a file of its own."""
    rng, pictures = np.random.default_rng(0), []
    for _ in range(40):
        noise = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))
        out = io.BytesIO()
        noise.filter(ImageFilter.GaussianBlur(blur)).save(out, "JPEG", quality=90)
        pictures.append(out.getvalue())
    for i in range(n):
        yield pictures[i % 40] + i.to_bytes(4, "big")


def write_hub(folder: Path, n: int) -> list[str | Path]:
    """A dataset of n rows; return what imports it."""
    (folder / "hub" / "data").mkdir(parents=True)
    (folder / "map.toml").write_text(HUB_MAP)
    picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"qid": pa.string(), "query": pa.string(), "image": picture, "label": pa.string()})
    with pq.ParquetWriter(folder / "hub" / "data" / "test-00000-of-00001.parquet", schema) as out:
        rows = []
        for i, image in enumerate(images(n, (224, 160), 2.0), 1):
            cell = {"bytes": image, "path": f"{i}.jpg"}
            rows.append({"qid": f"q{i}", "query": f"How many things are in picture {i}?", "image": cell, "label": "4"})
            if len(rows) == ROW_GROUP or i == n:
                out.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
    return ["hub", folder / "hub", "--map", folder / "map.toml"]


def write_kit(folder: Path, n: int) -> list[str | Path]:
    """A benchmark of n rows with predictions; return what imports it."""
    names = ("index", "question", "image", "answer")
    with (folder / "Bench.tsv").open("w", newline="") as tsv, (folder / "tiny_Bench.tsv").open("w", newline="") as told:
        questions, answers = csv.writer(tsv, delimiter="\t"), csv.writer(told, delimiter="\t")
        questions.writerow(names)
        answers.writerow(("index", "question", "answer", "prediction"))
        for i, image in enumerate(images(n, (640, 480), 2.2)):
            asked = f"How many things are in picture {i}?"
            questions.writerow((i, asked, base64.b64encode(image).decode(), "4"))
            answers.writerow((i, asked, "4", f"I count {i % 9}."))
    return ["vlmevalkit", "--tsv", folder / "Bench.tsv", "--pred", f"tiny={folder / 'tiny_Bench.tsv'}"]


def imported(what: list[str | Path], store: Path) -> dict[str, float]:
    """Seconds, by the clock and of the CPU, and peak memory of an import as a process."""
    command = [sys.executable, "-m", "rsd_bench", "data", "import", *map(str, what), "--out", str(store)]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env=os.environ | {"HF_DATASETS_CACHE": f"{store}-cache"}
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    peak = usage.ru_maxrss / (1e6 if platform.system() == "Darwin" else 1e6 / 1024)
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": peak}


def measure(hub: int, kit: int) -> list[dict[str, Any]]:
    """A row an import; each also at a fifth of the rows, which shows what of the memory grows with them."""
    rows = []
    for work, write, n in (("hub", write_hub, hub), ("vlmevalkit", write_kit, kit)):
        for size in (n // 5, n):
            with tempfile.TemporaryDirectory() as root:
                what = write(Path(root), size)
                given = sum(path.stat().st_size for path in Path(root).rglob("*") if path.is_file())
                rows.append({"work": work, "rows": size, "mb": given / 1e6} | imported(what, Path(root) / "store"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hub", type=int, default=5000, help="rows of the dataset")
    parser.add_argument("--kit", type=int, default=4000, help="rows of the TSV")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = measure(given.hub, given.kit)
    if given.json:
        print(json.dumps(rows, indent=1))
        return
    print("| import | rows | MB given | seconds | CPU | rows/s | peak MB |\n|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        figures = (
            f"{row['seconds']:.3g} | {row['cpu']:.3g} | {row['rows'] / row['seconds']:,.0f} | {row['peak_mb']:.0f}"
        )
        print(f"| {row['work']} | {row['rows']:,} | {row['mb']:.1f} | {figures} |")


if __name__ == "__main__":
    main()

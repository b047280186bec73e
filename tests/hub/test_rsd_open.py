"""rsd-open itself: what licences forbid to re-host is not in what a push sends, not a sentence and not an image; and a
push of 3,851 queries is quick and small in memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hub_client import Client, environment
from hub_server import LoopbackHub

CLOSED = ("kitchen_json", "logicvista", "mllm_bench")
OPEN_PICTURES = 1_503 + 1_200 + 90 + 76 + 149
MEASURE = """
import sys
from pathlib import Path
from rsd_bench.cli.main import main
try: main()
finally:  # ru_maxrss would start at the size of the test process that forked this one
    status = Path("/proc/self/status").read_text().splitlines()
    print("peak", next(int(row.split()[1]) for row in status if row.startswith("VmHWM")) // 1024, file=sys.stderr)
"""


def sentences(records: Path) -> set[str]:
    """Questions, reference answers and answers of the closed sources, long enough to be somebody's words."""
    found = set()
    for source in CLOSED:
        for name in ("queries", "responses"):
            for line in (records / source / f"{name}.jsonl").open(encoding="utf-8"):
                row = json.loads(line)
                found |= {row.get(key) for key in ("question", "reference_answer", "response")}
    return {text.strip() for text in found if isinstance(text, str) and len(text) > 30}


def texts(data: bytes) -> set[str]:
    """Every string a Parquet file holds, at any depth."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, str):
            found.add(value.strip())
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)

    table = pq.read_table(io.BytesIO(data))
    for name in set(table.column_names) - {"image"}:
        for value in table.column(name).to_pylist():
            walk(value)
    return found


@pytest.fixture
def pushed(hub: LoopbackHub, client: Client, rsd_open: Path, tmp_path: Path) -> tuple[float, int]:
    """Seconds and MiB of one push, in a process of its own."""
    command = [sys.executable, "-c", MEASURE, "data", "push", str(rsd_open / "full"), "org/rsd-open", "--no-dry-run"]
    started = time.monotonic()
    run = subprocess.run(command, env=environment(hub, tmp_path / "home"), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return time.monotonic() - started, int(run.stderr.split("peak ")[1])


def test_rsd_open_is_published_without_what_is_closed(
    pushed: tuple[float, int], hub: LoopbackHub, client: Client, records: Path, rsd_open: Path
) -> None:
    seconds, peak = pushed
    sent = hub.files("org/rsd-open", "v2.0.0")
    assert sum(map(len, sent.values())) > 100e6
    closed = sentences(records)
    assert len(closed) > 5_000
    forbidden = {
        hashlib.sha256(p.read_bytes()).hexdigest() for source in CLOSED for p in (records / source / "images").iterdir()
    }
    assert len(forbidden) > 700
    held: set[str] = set()
    pictures: list[str] = []
    for path, data in sent.items():
        if path.endswith(".parquet"):
            held |= texts(data)
        else:
            assert not any(text in data.decode("utf-8") for text in closed), path
        if path.startswith("pairs/"):
            column = pq.read_table(io.BytesIO(data), columns=["image"]).column(0)
            pictures += [hashlib.sha256(image["bytes"]).hexdigest() for image in column.to_pylist() if image]
    assert not held & closed
    assert not forbidden & set(pictures)
    assert len(pictures) == OPEN_PICTURES
    queries = (records / source / "queries.jsonl" for source in CLOSED)
    ids = {json.loads(line)["query_id"] for path in queries for line in path.open(encoding="utf-8")}
    assert len(ids & held) == 105 + 445 + 283
    assert peak < 1_000, f"{peak} MiB"
    assert seconds < 15 * 4, f"{seconds:.1f} s (bound 15 s on a quiet machine)"

    code = """
import time, rsd_bench as rsd
started = time.monotonic()
parts = rsd.load("org/rsd-open@v2.0.0", mes=6)
out = [time.monotonic() - started, parts.num_rows]
"""
    seconds, rows = client.python(code)
    assert rows == {"train": 2286, "validation": 747, "test": 818}
    assert seconds < 5 * 4, f"{seconds:.1f} s (bound 5 s on a quiet machine)"
    again = client.push(rsd_open / "full", repo="org/rsd-open")
    assert (again["already_published"], again["public"]["send"]) == (True, [])

"""Logs as inspect-ai writes them, small, for tests: `.json`, and `.eval` with entries deflated or in Zstandard."""

from __future__ import annotations

import base64
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
from conftest import png


def uri(seed: int) -> str:
    """The data URI of a small image of its own."""
    return "data:image/png;base64," + base64.b64encode(png(seed)).decode()


def shown(text: str, *media: tuple[str, str]) -> list[dict[str, Any]]:
    """An input of one message: a text and media, as (kind, value)."""
    parts = [{"type": "text", "text": text}, *({"type": kind, kind: value} for kind, value in media)]
    return [{"role": "user", "source": "input", "content": parts}]


def sample(number: int, value: Any = "C", *, epoch: int = 1, model: str = "org/small", **fields: Any) -> dict[str, Any]:
    """A sample that `model` answered with "answer N"; `fields` replace or add to it."""
    message = {"role": "assistant", "source": "generate", "content": f"answer {number}"}
    return {
        "id": number,
        "epoch": epoch,
        "input": f"Question {number}?",
        "target": f"target {number}",
        "messages": [{"role": "user", "source": "input", "content": f"Question {number}?"}, message],
        "output": {
            "model": model.rpartition("/")[2],
            "choices": [{"message": message, "stop_reason": "stop"}],
            "usage": {"input_tokens": 40 + number, "output_tokens": 5},
        },
        "scores": {"match": {"value": value, "answer": f"answer {number}"}},
        "metadata": {},
        "model_usage": {model: {"input_tokens": 40 + number, "output_tokens": 5}},
    } | fields


def log(samples: list[dict[str, Any]], model: str = "org/small", task: str = "pets", **header: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "status": "success",
        "eval": {"task": task, "task_id": f"{task}-{model}", "model": model, "dataset": {"location": "org/pets"}},
        "results": {"total_samples": len(samples), "scores": []},
        "samples": samples,
    } | header


def write_json(path: Path, written: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(written), "utf-8")
    return path


def write_eval(path: Path, written: dict[str, Any], *, zstd: bool = False) -> Path:
    """The log as an archive, laid out as inspect-ai does."""
    header = {name: value for name, value in written.items() if name != "samples"}
    entries = {"_journal/start.json": {"version": 2, "eval": written["eval"]}}
    entries |= {f"samples/{s['id']}_epoch_{s['epoch']}.json": s for s in written["samples"]}
    entries |= {"summaries.json": [], "reductions.json": [], "header.json": header}
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {name: json.dumps(value).encode() for name, value in entries.items()}
    if zstd:
        path.write_bytes(zstd_zip(texts))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
    return path


def zstd_zip(texts: dict[str, bytes]) -> bytes:
    """A zip with entries of method 93, which Python's zipfile cannot write before 3.14."""
    body, directory = b"", b""
    for name, text in texts.items():
        packed: bytes = pa.compress(text, codec="zstd", asbytes=True)
        sizes = struct.pack("<IIIHH", zlib.crc32(text), len(packed), len(text), len(name.encode()), 0)
        common = struct.pack("<HHHHH", 63, 0, 93, 0, 33) + sizes
        directory += b"PK\x01\x02" + struct.pack("<H", 63) + common + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        directory += name.encode()
        body += b"PK\x03\x04" + common + name.encode() + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(texts), len(texts), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end

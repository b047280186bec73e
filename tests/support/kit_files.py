"""Files as VLMEvalKit writes them: a table in each of its formats, images in base64."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
from PIL import Image

FORMATS = (".xlsx", ".tsv", ".csv", ".json", ".columns.json", ".jsonl")


def png(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (9, 7), (shade, 40, 90)).save(data, "PNG")
    return data.getvalue()


def b64(shade: int) -> str:
    return base64.b64encode(png(shade)).decode()


def absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A table of dicts, in the format of the suffix; `.columns.json` is the JSON that pandas writes by column."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [["" if absent(row.get(name)) else row[name] for name in columns] for row in rows]
    kind = path.suffixes[-2:] == [".columns", ".json"]
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in [columns, *cells]:
            book.active.append([None if cell == "" else cell for cell in row])
        book.save(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    elif kind:
        by_column = {name: {str(i): row.get(name) for i, row in enumerate(rows)} for name in columns}
        path.write_text(json.dumps(by_column), "utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(list(rows), indent=4, ensure_ascii=False), "utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",", quoting=csv.QUOTE_ALL)
            writer.writerows([columns, *cells])
    return path

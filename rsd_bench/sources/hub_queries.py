"""Queries of any Hub dataset, or of a local dataset folder or file, through a column map in TOML. No responses.

    source = "chartqa"                # id of the source; default: the dataset's name
    config = "default"                # default: the only one
    split = "test"
    revision = "b605b6e"              # or REPO@REVISION on the command line; default: the newest
    license = "GPL-3.0"               # default: unknown
    redistributable = false           # may images and texts be re-hosted? default: no

    [columns]                         # what a query needs = the dataset's name for it
    question = "query"
    image = "image"                   # an image column, or bytes; the original bytes are kept
    id = "question_id"                # default: the row number, from 1
    group = "image_id"                # default: the query itself
    reference_answer = "label"        # default: none
    domain = "human_or_machine"       # or the same domain for all:

    [constants]
    domain = "chart"

Rows are streamed. `datasets` is imported when a source is opened, not with this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.config import read_toml
from rsd_bench.dataset.image_file import read_bounded
from rsd_bench.jsonl import describe
from rsd_bench.sources.ids import is_name, row_id, slug
from rsd_bench.sources.named_media import image_in
from rsd_bench.sources.source import Media, Query, Source, SourceInfo
from rsd_bench.types import InputError, Problem, Report

_TEXT = {"type": "string", "minLength": 1}
_MAP = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            **dict.fromkeys(("repo", "source", "config", "split", "revision", "license"), _TEXT),
            "redistributable": {"type": "boolean"},
            "columns": {
                "type": "object",
                "properties": dict.fromkeys(("question", "image", "id", "domain", "group", "reference_answer"), _TEXT),
                "required": ["question", "image"],
                "additionalProperties": False,
            },
            "constants": {"type": "object", "properties": {"domain": _TEXT}, "additionalProperties": False},
        },
        "required": ["split", "columns"],
        "additionalProperties": False,
    }
)
_FILES = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv", ".arrow": "arrow"}


@dataclass(frozen=True)
class _Place:
    """Where a dataset is: a Hub repository at a revision, or a local path."""

    repo: str
    revision: str | None
    local: Path | None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def open_hub(repo: str, mapping: Path, report: Report) -> Source:
    """Open the dataset `repo` ("org/name", "org/name@revision", or a path) through the column map `mapping`.

    Raises InputError where the map cannot be read or is no such map, naming every fault of it. A dataset that cannot be
    loaded, a missing column, and faults of rows go to `report`.
    """
    fields = _read_map(mapping)
    place = _place(repo, fields, mapping, report)
    name = place.local.resolve().stem if place.local else place.repo.rpartition("/")[2]
    info = SourceInfo(
        source=fields.get("source") or slug(name) or "hub",
        name=name if place.local else place.repo,
        license=fields.get("license", "unknown"),
        redistributable=fields.get("redistributable", False),
        repository="" if place.local else f"https://huggingface.co/datasets/{place.repo}",
        commit=place.revision or "",
        notes=f"split {fields['split']}" + (f", config {fields['config']}" if "config" in fields else ""),
        score_rule="no responses",
    )
    return Source(info, _queries(place, info.source, fields, mapping, report), iter(()))


def _read_map(path: Path) -> dict[str, Any]:
    fields = read_toml(path)
    problems = [
        Problem(str(path), describe(fault), "see `rsd_bench.sources.hub_queries`") for fault in _MAP.iter_errors(fields)
    ]
    columns, constants = fields.get("columns"), fields.get("constants", {})
    if isinstance(columns, dict) and isinstance(constants, dict) and ("domain" in columns) == ("domain" in constants):
        problems.append(Problem(str(path), "domain is not given exactly once", "[columns] or [constants] domain = ..."))
    source = fields.get("source", "source")
    if isinstance(source, str) and source and not is_name(source):
        problems.append(Problem(str(path), f"source {source!r} is no id", "use letters, digits, dot, dash, underscore"))
    if problems:
        raise InputError(problems)
    return fields


def _place(repo: str, fields: Mapping[str, Any], mapping: Path, report: Report) -> _Place:
    if Path(repo).exists():
        return _Place(repo, None, Path(repo))
    name, _, revision = repo.partition("@")
    if fields.get("repo", name) != name:
        report(Problem(str(mapping), f"is the map of {fields['repo']}, not of {name}", "name the dataset's own map"))
    if revision and fields.get("revision", revision) != revision:
        report(Problem(str(mapping), f"revision is {fields['revision']}, not {revision}", "name one revision"))
    return _Place(name, revision or fields.get("revision"), None)


def _queries(place: _Place, source: str, fields: Mapping[str, Any], mapping: Path, report: Report) -> Iterator[Query]:
    columns: dict[str, str] = fields["columns"]
    for number, row in enumerate(_rows(place, fields, report), 1):
        if number == 1 and (missing := [c for c in columns.values() if c not in row]):
            what = f"{place} has no column {', '.join(sorted(set(missing)))}; it has {', '.join(row)}"
            report(Problem(str(mapping), what, "fix [columns]"))
            return
        where = f"{place}[{fields['split']}]: row {number}"
        cells = {name: row[column] for name, column in columns.items()}
        question = cells["question"]
        texts = {name: _as_text(cells[name]) for name in ("id", "group", "reference_answer") if name in cells}
        domain = slug(_as_text(cells.get("domain", fields.get("constants", {}).get("domain"))))
        image = _image_reader(cells["image"], place)
        name = _image_name(cells["image"])
        faults = []
        if not isinstance(question, str) or not question.strip():
            faults.append(f"{columns['question']} is not a text")
        if isinstance(image, str):
            faults.append(f"{columns['image']} {image}")
        if domain is None:
            faults.append(f"{columns.get('domain', 'domain')} gives no domain: it has no Latin letter or digit")
        if texts.get("id") == "":
            faults.append(f"{columns['id']} is empty")
        for fault in faults:
            report(Problem(where, fault, "name another column, or leave the row out of the split"))
        if faults or isinstance(image, str) or domain is None:
            continue
        query_id = f"{source}/{texts.get('id', number)}"
        group = f"{source}/{texts['group']}" if texts.get("group") else query_id
        reference = texts.get("reference_answer") or None
        yield Query(where, query_id, domain, group, question.strip(), reference, (Media("image", image, name),))


def _rows(place: _Place, fields: Mapping[str, Any], report: Report) -> Iterator[dict[str, Any]]:
    """Rows with their images as stored: {"bytes", "path"}."""
    import datasets

    single = place.local is not None and place.local.is_file()
    try:
        if single and place.local is not None:
            builder = _FILES.get(place.local.suffix.lower(), "parquet")
            files = {fields["split"]: str(place.local)}
            rows = datasets.load_dataset(builder, data_files=files, split=fields["split"], streaming=True)
        else:
            rows = datasets.load_dataset(
                str(place.local or place.repo),
                fields.get("config"),
                split=fields["split"],
                revision=place.revision,
                streaming=True,
            )
        classes = {name: _classes(feature) for name, feature in (rows.features or {}).items()}
        stream = iter(rows.decode(False))  # a decoded image could only be encoded anew
        first = next(stream, None)
        if first is None:
            report(Problem(f"{place}[{fields['split']}]", "has no rows", "name another split"))
            return
        named = {name: label for name, label in classes.items() if label is not None}
        for row in chain([first], stream):
            yield row | {name: _named(row[name], label) for name, label in named.items()}
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        what = " ".join(str(error).split())[:500]
        report(Problem(str(place), f"cannot be loaded: {what}", "fix repo, config, split or revision"))


def _classes(feature: Any) -> Any:
    """The ClassLabel of a column of classes or of lists of them, else None."""
    from datasets import ClassLabel

    if isinstance(feature, list):
        feature = feature[0] if feature else None
    feature = getattr(feature, "feature", feature)
    return feature if isinstance(feature, ClassLabel) else None


def _named(value: Any, label: Any) -> Any:
    """A cell with class names in place of their numbers; -1, which is no class, is None."""
    if isinstance(value, list):
        return [_named(item, label) for item in value]
    if isinstance(value, int) and value >= 0:
        return label.int2str(value)
    return None if value == -1 else value


def _as_text(value: Any) -> str:
    """A cell as text: None and an empty list are "", a list of one its item, other structures JSON."""
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else None
    if value is None:
        return ""
    if isinstance(value, float):
        return row_id(str(value))
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _image_reader(value: Any, place: _Place) -> Callable[[], bytes] | str:
    """A reader of the original bytes, or what is wrong with the cell."""
    if isinstance(value, list):
        if len(value) > 1:
            return f"holds {len(value)} images; a query has one"
        value = value[0] if value else None
    if isinstance(value, dict) and {"bytes", "path"} & value.keys():
        data, path = value.get("bytes"), value.get("path")
    else:
        data, path = value, None
    if isinstance(data, bytes):
        return lambda: data
    if isinstance(path, str) and path and data is None:
        return lambda: _read(path, place)
    return "holds no image" if data is None else f"is no image column but {type(data).__name__}"


def _image_name(value: Any) -> str:
    """The path that an image cell gives, else ""."""
    value = value[0] if isinstance(value, list) else value
    path = value.get("path") if isinstance(value, dict) else None
    return path if isinstance(path, str) else ""


def _read(path: str, place: _Place) -> bytes:
    """The bytes at a path that the dataset's own files gave; a row must not name any other file."""
    if place.local is not None:
        inside = place.local if place.local.is_dir() else place.local.parent
        return image_in(inside, path)
    if not path.rpartition("::")[2].startswith(f"hf://datasets/{place.repo}@"):
        raise OSError(0, f"image {path!r} lies outside {place.repo}")
    from datasets.utils.file_utils import xopen

    with xopen(path, "rb") as stream:
        return read_bounded(stream)

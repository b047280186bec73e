"""The map of a table, in TOML: which columns hold what, on which scale, in which units (`rsd-bench schema map`).

    source = "mmr-bench"              # id of the source
    license = "CC-BY-4.0"             # default: unknown; redistributable = true where images and texts may be re-hosted
    score_scale = "0-1"               # "0-1", "0-10", "0-100", "true/false"; or [labels]
    images = "data"                   # the folder of the image column's paths; without it cells hold the bytes

    [columns]                         # what a query needs = the table's name for it
    id = "dataset_idx"                # or several, joined; or id_rule = "row" or "question" above
    question = "question"
    image = "img_path"                # or modality = "text" (or "image", not to be had) above
    domain = "dataset"                # or [constants] domain; [match] domain = "(.+)_" keeps a part of the cell

    [outcomes]                        # what an outcome needs; {model} in each name: a row holds those of all models
    score = "{model}_correct"
    cost_usd = "{model}_cost"

A map is read whole: all of its faults are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsd_bench.config import read_toml
from rsd_bench.jsonl import describe
from rsd_bench.schemas import validator
from rsd_bench.sources.ids import slug
from rsd_bench.sources.source import MEDIA_KINDS, SourceProblem
from rsd_bench.types import InputError, Problem, Report

MODEL = "{model}"
_FOLDERS = {"image": "images", "audio": "sounds", "video": "videos"}
_UNITS = (("latency_s", "latency_ms"), ("first_token_s", "first_token_ms"))
_FIX = "see `rsd-bench schema map` and docs/formats.md"


@dataclass(frozen=True)
class TableMap:
    """A checked map. Column names are those of the table; an id may be of several columns."""

    path: Path
    fields: Mapping[str, Any]
    id: tuple[str, ...]  # of a query; () where id_rule makes it
    outcome_id: tuple[str, ...]
    columns: Mapping[str, str]  # of a query, its id left out
    outcomes: Mapping[str, str]  # of an outcome, its id left out
    constants: Mapping[str, str]
    folders: Mapping[str, Path]  # of the files that cells name, by kind of media
    query_files: tuple[Path, ...]
    match: Mapping[str, re.Pattern[str]]
    labels: Mapping[str, float] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return str(self.fields["source"])

    @property
    def wide(self) -> bool:
        """Whether a row holds the outcomes of all models."""
        return any(MODEL in name for name in self.outcomes.values())

    def query_columns(self) -> list[str]:
        return [*self.id, *self.columns.values()]

    def long_columns(self) -> list[str]:
        """The columns of outcomes, of a long table."""
        if not self.outcomes:
            return []
        return [*self.outcome_id, *(() if self.wide else self.outcomes.values())]

    def wanted(self, name: str) -> bool:
        """Whether the map may speak of a column, or of something within it."""
        plain = {*self.query_columns(), *self.long_columns()}
        if name in plain or any(column.startswith(f"{name}.") for column in plain):
            return True
        return self.wide and any(_model_in(name, pattern) is not None for pattern in self.outcomes.values())

    def models(self, columns: Iterable[str], where: str, report: Report) -> dict[str, dict[str, str]]:
        """Of a wide table with these columns: the columns of each model's outcomes, by model."""
        have = set(columns)
        names = self.fields.get("models") or sorted({*self._named(have)})
        if not names:
            shown = ", ".join(sorted(filter(None, have))[:20])
            what = f"has no column like {', '.join(self.outcomes.values())}; it has {shown}"
            report(SourceProblem(where, what, _FIX))
        found = {}
        for model in names:
            its = {name: pattern.replace(MODEL, model) for name, pattern in self.outcomes.items()}
            if missing := [column for column in its.values() if column not in have]:
                what = f"model {model!r} has no column {', '.join(missing)}"
                fix = (
                    'fix the pattern, leave its line out, or list the models that are to be imported: models = ["..."]'
                )
                report(SourceProblem(where, what, fix))
            else:
                found[model] = its
        return found

    def _named(self, columns: Iterable[str]) -> Iterator[str]:
        """The models that columns are named after. A column is that of the pattern with most text around the model."""
        patterns = sorted((p for p in self.outcomes.values() if p != MODEL), key=len, reverse=True)
        for column in columns:
            named = next((model for p in patterns if (model := _model_in(column, p)) is not None), None)
            if named is not None:
                yield named


def _model_in(column: str, pattern: str) -> str | None:
    before, after = pattern.split(MODEL)
    inside = column[len(before) : len(column) - len(after)]
    return inside if inside and column == f"{before}{inside}{after}" else None


def read_table_map(path: Path) -> TableMap:
    """Read and check a map. InputError naming every fault."""
    fields = read_toml(path)
    faults = [describe(fault) for fault in validator("map", "table").iter_errors(fields)]
    faults = faults or [*_query_faults(fields), *_outcome_faults(fields), *_file_faults(fields, path.parent)]
    if faults:
        raise InputError([Problem(str(path), fault, _FIX) for fault in faults])
    columns, outcomes = dict(fields["columns"]), dict(fields.get("outcomes", {}))
    query_id = _ids(columns.pop("id", ()))
    return TableMap(
        path=path,
        fields=fields,
        id=query_id,
        outcome_id=_ids(outcomes.pop("id", ())) or query_id,
        columns=columns,
        outcomes=outcomes,
        constants=fields.get("constants", {}),
        folders={kind: path.parent / fields[key] for kind, key in _FOLDERS.items() if key in fields},
        query_files=tuple(_query_files(path.parent, fields)),
        match={name: re.compile(pattern) for name, pattern in fields.get("match", {}).items()},
        labels={text.strip().casefold(): score for text, score in fields.get("labels", {}).items()},
        statuses={text.strip().casefold(): status for text, status in fields.get("statuses", {}).items()},
    )


def _ids(given: str | list[str] | tuple[()]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _file_faults(fields: Mapping[str, Any], folder: Path) -> Iterator[str]:
    for key in _FOLDERS.values():
        if key in fields and not (folder / fields[key]).is_dir():
            yield f"{key} {str(folder / fields[key])!r} is no folder"
    for pattern in fields.get("queries", {}).get("files", ()):
        if not _matching(folder, pattern):
            yield f"queries.files: no file {pattern!r} in {folder}"


def _query_files(folder: Path, fields: Mapping[str, Any]) -> list[Path]:
    patterns = fields.get("queries", {}).get("files", ())
    return list(dict.fromkeys(path for pattern in patterns for path in _matching(folder, pattern)))


def _matching(folder: Path, pattern: str) -> list[Path]:
    """The file of that name, else those that a pattern fits."""
    if (folder / pattern).is_file():
        return [folder / pattern]
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except (NotImplementedError, ValueError):  # an absolute pattern, or none
        return []


def _query_faults(fields: Mapping[str, Any]) -> Iterator[str]:
    columns, constants = fields["columns"], fields.get("constants", {})
    if ("domain" in columns) == ("domain" in constants):
        yield f"domain is {_times(columns, 'domain')}: give [columns] domain, or [constants] domain"
    if "domain" in constants and slug(constants["domain"]) is None:
        yield f"constants.domain {constants['domain']!r} has no Latin letter or digit"
    if ("id" in columns) == ("id_rule" in fields):
        yield f'the id is {_times(columns, "id")}: give [columns] id, or id_rule = "row" or "question"'
    kinds = [kind for kind in MEDIA_KINDS if kind in columns]
    if not kinds and "modality" not in fields:
        yield 'no image, audio or video column is given, and no modality: "text", or "image" for images not to be had'
    for kind, key in _FOLDERS.items():
        if key in fields and kind not in kinds:
            yield f"{key} is the folder of files that [columns] {kind} names, and that is not given"
    for name, pattern in fields.get("match", {}).items():
        if name not in columns:
            yield f"match.{name} speaks of [columns] {name}, which is not given"
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            yield f"match.{name} is no regular expression: {error}"
        else:
            if groups != 1:
                yield f"match.{name} has {groups} groups in brackets, not one"


def _times(columns: Mapping[str, Any], name: str) -> str:
    """How often something is given that can stand in [columns] or elsewhere, and does in both or in neither."""
    return "given twice" if name in columns else "not given"


def _outcome_faults(fields: Mapping[str, Any]) -> Iterator[str]:
    outcomes, constants, queries = fields.get("outcomes", {}), fields.get("constants", {}), fields.get("queries")
    columns = {name: column for name, column in outcomes.items() if name != "id"}
    wide = any(MODEL in column for column in columns.values())
    if not outcomes:
        for key in (key for key in ("score_scale", "labels", "statuses", "models", "queries") if key in fields):
            yield f"{key} speaks of [outcomes], which are not given"
        return
    if not {"score", "response"} & outcomes.keys():
        yield "[outcomes] has neither score nor response"
    if wide:
        for name, column in columns.items():
            if column.count(MODEL) != 1:
                yield f"outcomes.{name} {column!r} does not hold {MODEL} once, as each does in a wide table"
        if "models" not in fields and all(column == MODEL for column in columns.values()):
            yield f'models are not given, and no pattern has text beside {MODEL} to find them by: models = ["..."]'
        if "model" in columns or "model" in constants:
            yield f"a model is given, and columns by {MODEL} too"
    elif ("model" in columns) == ("model" in constants):
        times = _times(columns, "model")
        yield f"the model is {times}: give [outcomes] model, [constants] model, or columns by {MODEL}"
    if "models" in fields and not wide:
        yield f"models lists those of a wide table, whose [outcomes] hold {MODEL}"
    if ("score" in columns) != ("score_scale" in fields or "labels" in fields):
        yield "outcomes.score and how it is read, score_scale or [labels], go together"
    if "score_scale" in fields and "labels" in fields:
        yield "score_scale and [labels] are both given"
    if nan := [text for text, score in fields.get("labels", {}).items() if score != score]:
        yield f"labels.{nan[0]} is NaN, which is no score"
    for one, other in _UNITS:
        if one in columns and other in columns:
            yield f"outcomes.{one} and outcomes.{other} are both given"
    if "judge" in columns and "judge" in constants:
        yield "judge is given twice: [outcomes] judge and [constants] judge"
    if "statuses" in fields and "status" not in columns:
        yield "[statuses] speaks of outcomes.status, which is not given"
    for key in ("labels", "statuses"):
        texts = [text.strip().casefold() for text in fields.get(key, {})]
        if twice := sorted({text for text in texts if texts.count(text) > 1}):
            yield f"{key} has {', '.join(twice)} twice: upper and lower case are alike"
    if "id" in outcomes and queries is None:
        yield "outcomes.id is the id in outcome tables beside [queries], which is not given"
    if queries is not None and "id" not in fields["columns"]:
        yield "[queries] needs [columns] id, by which outcomes find their query"
    if fields.get("id_rule") == "row" and not wide:
        yield 'id_rule = "row" needs a row for each query: a long table has several'

"""Outcomes of a table: a cell of each column becomes a score, 0-10, seconds, US dollars, tokens.

A cell that is no such thing is a Problem, and the outcome is left out: no part of it is guessed. In a wide table a
model all of whose cells are empty in a row was not asked; an empty score beside other figures is `unscored`, and where
a status other than ok is given a score does not count. An outcome that stands twice is a Problem, twice otherwise a
SourceProblem.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rsd_bench.config import MAX_SECONDS, SCORE_MAX
from rsd_bench.sources.cells import SCALES, cell_count, cell_label, cell_number, cell_score, cell_text, is_empty
from rsd_bench.sources.source import STATUSES, Response, SourceProblem
from rsd_bench.sources.table.table_files import TableFile, TableRow, place_of
from rsd_bench.sources.table.table_map import MODEL, TableMap
from rsd_bench.sources.table.table_queries import Queries, find, id_of
from rsd_bench.types import Problem, Report

_DIGEST = 16
_MAX_ENERGY_J = 1e12
_FIX = "fix the cell, empty it, or leave the row out"
_OWN_STATUSES = {status: status for status in STATUSES}

Fields = dict[str, Any]
Readers = Mapping[str, tuple[str, Callable[[Any], Any]]]


def _answer(value: Any) -> str | None:
    """A text as it stands, white space included."""
    return value if isinstance(value, str) else cell_text(value) or None


def _ms(value: Any) -> float:
    return cell_number(value, 0, MAX_SECONDS * 1000) / 1000


#: What a cell becomes: the field of the outcome, and how it is read.
_FIGURES: Readers = {
    "latency_s": ("latency_s", partial(cell_number, least=0, most=MAX_SECONDS)),
    "latency_ms": ("latency_s", _ms),
    "first_token_s": ("first_token_s", partial(cell_number, least=0, most=MAX_SECONDS)),
    "first_token_ms": ("first_token_s", _ms),
    "cost_usd": ("cost_usd", cell_number),
    "energy_j": ("energy_j", partial(cell_number, least=0, most=_MAX_ENERGY_J)),
    "input_tokens": ("input_tokens", cell_count),
    "output_tokens": ("output_tokens", cell_count),
}


@dataclass
class _Seen:
    """Outcomes of queries that several rows are about: a digest of what each says, and where."""

    said: dict[bytes, tuple[bytes, int, int]] = field(default_factory=dict)


def score_rule(mapping: TableMap) -> str:
    """How the table's scores became 0-10, in words."""
    if "score" not in mapping.outcomes:
        return "unscored: the table has no score" if mapping.outcomes else "no responses"
    column = mapping.outcomes["score"]
    if mapping.labels:
        return f"column {column}: {', '.join(f'{text} {score:g}' for text, score in mapping.labels.items())}"
    scale = mapping.fields["score_scale"]
    return f"column {column} ({scale}) x {SCORE_MAX / SCALES[scale]:g}"


def outcomes_of(queries: Queries, files: Sequence[TableFile], report: Report) -> Iterator[Response]:
    """The outcomes in the order of the rows. Rows whose query was left out are, too, without another word."""
    mapping, seen = queries.mapping, _Seen()
    readers = _readers(mapping)
    apart = files is not queries.files
    for index, file in enumerate(files):
        models = mapping.models(file.columns, str(file.path), report) if mapping.wide else {}
        told = report if apart else list[Problem]().append  # what is wrong with rows that describe queries was told
        for row in file.rows(told, mapping.wanted):
            if not apart and (index, row.number) in queries.left_out:
                continue
            try:
                query = id_of(row, mapping.outcome_id, mapping)
            except ValueError as error:
                report(Problem(row.where, str(error), _FIX))
                continue
            if query not in queries.described:
                if apart and query not in queries.incomplete:
                    what = f"is about {query!r}, which is no query of {', '.join(f.path.name for f in queries.files)}"
                    report(Problem(row.where, what, "name the file that holds it under [queries]"))
                continue
            for model, cells in _by_model(row, models, mapping, report):
                outcome = _outcome(row, f"{mapping.source}/{query}", model, cells, mapping, readers, report)
                twice = apart or queries.repeats(query)
                if outcome is not None and not (twice and _is_known(outcome, index, row, files, seen, report)):
                    yield outcome


def _by_model(
    row: TableRow, models: Mapping[str, Mapping[str, str]], mapping: TableMap, report: Report
) -> Iterator[tuple[str, Fields]]:
    """The models that a row holds outcomes of, with the cells of each by the map's name for them."""
    if mapping.wide:
        for model, columns in models.items():
            cells = {name: find(row.cells, column) for name, column in columns.items()}
            if not all(map(is_empty, cells.values())):
                yield model, cells
        return
    cells = {name: find(row.cells, column) for name, column in mapping.outcomes.items()}
    model = mapping.constants.get("model") or cell_text(cells["model"])
    if model:
        yield model, cells
    else:
        report(Problem(row.where, f"{mapping.outcomes['model']} is empty: whose outcome is it?", _FIX))


def _readers(mapping: TableMap) -> Readers:
    """How cells are read, by the map's name for them: the field of the outcome, and the reader."""
    score = partial(cell_label, labels=mapping.labels) if mapping.labels else None
    return {
        "score": ("score", score or partial(cell_score, scale=mapping.fields.get("score_scale", ""))),
        "status": ("status", partial(cell_label, labels=mapping.statuses or _OWN_STATUSES)),
        "response": ("response", _answer),
        "judge": ("judge", cell_text),
        **_FIGURES,
    }


def _outcome(
    row: TableRow, query_id: str, model: str, cells: Fields, mapping: TableMap, readers: Readers, report: Report
) -> Response | None:
    """The outcome that a model's cells make; None, and Problems, where one of them is not what it should be."""
    given: Fields = {"judge": mapping.constants.get("judge"), "status": "ok", "score": None}
    sound = True
    for name, cell in cells.items():
        if name == "model" or is_empty(cell):
            continue
        of, reader = readers[name]
        try:
            given[of] = reader(cell)
        except ValueError as error:
            report(Problem(row.where, f"{mapping.outcomes[name].replace(MODEL, model)} {error}", _FIX))
            sound = False
    if not sound:
        return None
    if given["status"] != "ok":
        given["score"] = None
    elif given["score"] is None:
        given["status"] = "unscored"
    return Response(row.where, query_id, model, **given)


def _is_known(
    outcome: Response, index: int, row: TableRow, files: Sequence[TableFile], seen: _Seen, report: Report
) -> bool:
    """Whether the outcome of this model on this query stood in an earlier row; then that is told."""
    key = _digest(outcome.query_id, outcome.model)
    said = _digest(*(getattr(outcome, name) for name in ("status", "response", "score", *_of_figures())))
    known = seen.said.setdefault(key, (said, index, row.place))
    if known == (said, index, row.place):
        return False
    first = place_of(files[known[1]].path, known[2], files[known[1]].by_line)
    model, query = repr(outcome.model), repr(outcome.query_id)
    if known[0] == said:
        report(Problem(row.where, f"says of {model} on {query} what {first} says", "leave one of them out"))
    else:
        what = f"says something else of {model} on {query} than {first}"
        report(SourceProblem(row.where, what, "leave out the one that does not hold, or tell them apart by the model"))
    return True


def _of_figures() -> list[str]:
    return sorted({of for of, _ in _FIGURES.values()})


def _digest(*parts: Any) -> bytes:
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()

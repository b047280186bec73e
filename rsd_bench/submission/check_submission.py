"""Check a submission against a dataset: all problems at once, each with where it is and how to fix it.

One way through, in layers: the folder, its files, README.md, submission.json, the predictions and their rows held
against the dataset; a Submission at the end. A layer that is broken leaves every other to tell what it finds, and none
may crowd another out of what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.submission.check_rows import check_rows
from rsd_bench.submission.metadata import is_of_schema_1, metadata_problems, read_fields, stated_tau
from rsd_bench.submission.predictions import bounds_of
from rsd_bench.submission.predictions_file import read_predictions
from rsd_bench.submission.submission import Decisions, Metadata, Submission
from rsd_bench.submission.submission_files import need_folder, need_plain_readme, need_slug, stray_files
from rsd_bench.types import InputError, Problem

_MOST_PROBLEMS = 200
_LONGEST_TEXT = 300
_Layers = list[list[Problem]]


def open_submission(folder: Path, benchmark: Benchmark) -> Submission:
    """A submission that is in order; InputError listing every problem otherwise."""
    return open_submissions([folder], benchmark)[0]


def open_submissions(folders: Sequence[Path], benchmark: Benchmark) -> list[Submission]:
    """Submissions that are in order; InputError listing every problem of each that is not."""
    checked = {folder: check_submission(folder, benchmark) for folder in dict.fromkeys(folders)}
    if problems := [problem for _, found in checked.values() for problem in found]:
        raise InputError(problems)
    return [submission for folder in folders if (submission := checked[folder][0])]


def check_submission(folder: Path, benchmark: Benchmark) -> tuple[Submission | None, list[Problem]]:
    """(submission, []) where all is in order, else (None, the problems): a bounded number, each of bounded length."""
    layers: _Layers = []
    submission = None
    with _layer(layers):
        need_folder(folder)
        submission = _check(folder, benchmark, layers)
    return (None, _bounded(layers, folder)) if any(layers) else (submission, [])


def _check(folder: Path, benchmark: Benchmark, layers: _Layers) -> Submission | None:
    """None where there are problems, which are added to the layers."""
    fields: Any = None
    entries: dict[tuple[str, str], Decisions] = {}
    with _layer(layers):
        need_slug(folder)
    with _layer(layers) as problems:
        problems += stray_files(folder)
    with _layer(layers):
        need_plain_readme(folder)
    with _layer(layers) as problems:
        fields = read_fields(folder, benchmark, problems.append)
        problems += metadata_problems(fields, folder, benchmark)
    if is_of_schema_1(fields):
        return None
    with _layer(layers) as problems:
        predictions = read_predictions(folder, bounds_of(benchmark))
        entries, faults = check_rows(predictions, stated_tau(fields), benchmark)
        problems += faults
    return None if any(layers) else Submission(Metadata.from_dict(fields), entries)


@contextmanager
def _layer(layers: _Layers) -> Iterator[list[Problem]]:
    """The problems of one more layer; what ends the block as an error is one of them, and ends nothing else."""
    problems: list[Problem] = []
    layers.append(problems)
    try:
        yield problems
    except InputError as error:
        problems += error.problems
    except OSError as error:  # of a folder that may not be looked into
        problems.append(Problem(str(error.filename), error.strerror or "cannot be read"))


def _bounded(layers: _Layers, folder: Path) -> list[Problem]:
    """What a board, a terminal or a comment can show, whatever the submission holds."""
    found = _shared_out(layers)
    shown = [Problem(_text(p.where), _short(_text(p.what)), _short(_text(p.fix))) for p in found]
    if more := sum(map(len, layers)) - len(found):
        shown.append(Problem(_text(str(folder)), f"has at least {more} more problems", "fix these first"))
    return shown


def _shared_out(layers: _Layers) -> list[Problem]:
    """At most _MOST_PROBLEMS, in order: a layer that has few tells all, what is left is shared by the others."""
    kept, room = dict.fromkeys(range(len(layers)), 0), _MOST_PROBLEMS
    for done, at in enumerate(sorted(kept, key=lambda at: len(layers[at]))):
        kept[at] = min(len(layers[at]), room // (len(layers) - done))
        room -= kept[at]
    return [problem for at, layer in enumerate(layers) for problem in layer[: kept[at]]]


def _short(text: str) -> str:
    half = _LONGEST_TEXT // 2
    return text if len(text) <= _LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"


def _text(text: str) -> str:
    """Text that can be written as UTF-8; the bytes of a file's name need not be."""
    return text.encode("utf-8", "backslashreplace").decode()

"""Check a submission against a dataset: all problems at once, each with where it is and how to fix it.

One way through: the folder and its files, submission.json, the predictions file, its rows against the dataset, and a
Submission at the end. A stage that cannot go on leaves the others to tell what they find.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.submission.check_rows import check_rows
from rsd_bench.submission.metadata import metadata_problems, read_metadata
from rsd_bench.submission.predictions import bounds_of
from rsd_bench.submission.predictions_file import read_predictions
from rsd_bench.submission.submission import Metadata, Submission
from rsd_bench.submission.submission_files import need_folder, need_plain_readme, stray_files
from rsd_bench.types import InputError, Problem

_MOST_PROBLEMS = 200
_LONGEST_TEXT = 300


def open_submission(folder: Path, benchmark: Benchmark) -> Submission:
    """A submission that is in order; InputError listing every problem otherwise."""
    submission, problems = check_submission(folder, benchmark)
    if submission is None:
        raise InputError(problems)
    return submission


def check_submission(folder: Path, benchmark: Benchmark) -> tuple[Submission | None, list[Problem]]:
    """(submission, []) where all is in order, else (None, the problems): a bounded number, each of bounded length."""
    problems: list[Problem] = []
    submission = None
    try:
        with _added_to(problems):
            need_folder(folder)
            submission = _check(folder, benchmark, problems)
    except OSError as error:  # of a folder that may not be looked into
        problems.append(Problem(str(error.filename or folder), error.strerror or "cannot be read"))
    return (None, _bounded(problems, folder)) if problems else (submission, [])


def _check(folder: Path, benchmark: Benchmark, problems: list[Problem]) -> Submission | None:
    """None where there are problems, which are added to the list."""
    meta: Metadata | None = None
    p_edge: dict[tuple[str, str], FloatArray] = {}
    problems += stray_files(folder)
    with _added_to(problems):
        need_plain_readme(folder)
    with _added_to(problems):
        meta = read_metadata(folder)
        problems += metadata_problems(meta, folder, benchmark)
    with _added_to(problems):
        predictions = read_predictions(folder, bounds_of(benchmark))
        p_edge, faults = check_rows(predictions, meta.declared.tau if meta else None, benchmark)
        problems += faults
    return None if problems or meta is None else Submission(meta, p_edge)


@contextmanager
def _added_to(problems: list[Problem]) -> Iterator[None]:
    """What ends the block as an InputError is added to the problems."""
    try:
        yield
    except InputError as error:
        problems += error.problems


def _bounded(problems: list[Problem], folder: Path) -> list[Problem]:
    """What a board, a terminal or a comment can show, whatever the submission holds."""
    shown = [Problem(_text(p.where), _short(_text(p.what)), _short(_text(p.fix))) for p in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        more = f"has at least {len(problems) - _MOST_PROBLEMS} more problems"
        shown.append(Problem(_text(str(folder)), more, "fix these first"))
    return shown


def _short(text: str) -> str:
    half = _LONGEST_TEXT // 2
    return text if len(text) <= _LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"


def _text(text: str) -> str:
    """Text that can be written as UTF-8; the bytes of a file's name need not be."""
    return text.encode("utf-8", "backslashreplace").decode()

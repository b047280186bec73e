"""What VLMEvalKit's files and columns are called, and how those are read that are called otherwise.

    <model>_<benchmark>.xlsx                  predictions
    <model>_<benchmark>_<judge>[_result].xlsx what a judge said of them

Where either name holds an underscore, its file alone does not tell where the model ends: the benchmark is then known
from the TSV or stated, and nothing is guessed.

Predictions made outside of the kit: `id` or `question_id` is read as index and `response`, `output` or `model_output`
as prediction where a file has no column of that name and one of these. Any other column is named by a ColumnMap. A file
that has all columns given for index and prediction is read by these, whatever else it has; in any other they stand in
only for what it lacks, so that files of the kit, which may have an `id` too, can be read beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase

from rsd_bench.sources.source import SourceProblem
from rsd_bench.sources.spreadsheets import Naming, column_name
from rsd_bench.types import InputError, Report

#: Columns that tell what was asked and what is right; the files of one benchmark agree on them.
AGREED = (
    *("question", "hint", *ascii_uppercase, "answer"),
    *("choices", "question_type", "answer_type", "answer_option", "precision"),
)
CATEGORIES = ("category", "l2-category")
ROLES = ("index", "prediction", "image", "image_path", *AGREED, *CATEGORIES, "hit", "score", "res", "log")
_OUTSIDE_THE_KIT = {"index": ("id", "question_id"), "prediction": ("response", "output", "model_output")}
_FIX = (
    "name the right file (`rsd-bench data inspect FILE` says what one is), or say which columns they are: "
    "--columns index=COLUMN,prediction=COLUMN"
)


@dataclass(frozen=True)
class ColumnMap:
    """Which columns stand for the kit's: `given` by the kit's name."""

    given: Mapping[str, str] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)  # of `given`, the columns that some file had

    def naming(self) -> Naming:
        return Naming(self._roles, _FIX, ROLES)

    def _roles(self, columns: Collection[str]) -> Mapping[str, str]:
        pair = [self.given[role] for role in _OUTSIDE_THE_KIT if role in self.given]
        outside = all(column in columns for column in pair)
        roles = {
            role: column
            for role, column in self.given.items()
            if column in columns and (outside or role not in _OUTSIDE_THE_KIT or role not in columns)
        }
        self.met.update(roles.values())
        for role, others in _OUTSIDE_THE_KIT.items():
            found = [name for name in others if name in columns]
            if role not in columns and role not in roles and len(found) == 1:
                roles[role] = found[0]
        return roles

    def tell_unmet(self, report: Report) -> None:
        """Report the columns of `given` that no file had."""
        for role, column in self.given.items():
            if column not in self.met:
                what = f"no file that was read has a column {column!r}"
                report(SourceProblem(f"--columns {role}={column}", what, "name a column of the files"))


def read_column_map(text: str) -> ColumnMap:
    """A ColumnMap of "index=id,prediction=response". InputError where a part is no ROLE=COLUMN."""
    given: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, _, column = (side.strip() for side in part.partition("="))
        role = column_name(role)
        if role not in ROLES or not column or role in given:
            what = f"{part!r} is given twice" if role in given else f"{part!r} is no COLUMN-OF-THE-KIT=COLUMN"
            known = ", ".join(name for name in ROLES if len(name) > 1)
            raise InputError.at("--columns", what, f"name one of {known}, A to Z: index=id,prediction=response")
        given[role] = column_name(column)
    return ColumnMap(given)


def model_of(path: Path, benchmark: str | None, source: str | None = None) -> str:
    """The model that a prediction file is called after; InputError where its name does not tell.

    benchmark: what it must be called after besides, where a TSV says that. source: what it may be called after; where
    neither is in the name, the name tells the model only where it holds one underscore.
    """
    for name in filter(None, [benchmark, source]):
        model, rest = path.stem[: -len(name) - 1], path.stem[-len(name) - 1 :]
        if model and rest.casefold() == f"_{name}".casefold():
            return model
    if benchmark:
        raise InputError.at(path, f"is not called <model>_{benchmark}", "name it as MODEL=FILE")
    model, _, rest = path.stem.partition("_")
    if not model or not rest or "_" in rest:
        what = "its name does not tell where the model ends and the benchmark begins"
        raise InputError.at(path, what, "name it as MODEL=FILE, or the benchmark by --tsv or --source")
    return model


def benchmark_of(predictions: Mapping[str, Path]) -> str | None:
    """The benchmark that prediction files are called after, by model; None where their names do not tell one."""
    names = set()
    for model, path in predictions.items():
        first, _, rest = path.stem.partition("_")
        if path.stem.startswith(f"{model}_"):
            names.add(path.stem[len(model) + 1 :])
        elif first and rest and "_" not in rest:
            names.add(rest)
        else:
            names.add("")
    return names.pop() or None if len(names) == 1 else None


def judged_model(path: Path, predictions: Mapping[str, Path]) -> str:
    """The model whose prediction file a judge file is called after: that of the longest name that it begins with."""
    called = {file.stem: model for model, file in predictions.items() if path.stem.startswith(f"{file.stem}_")}
    if not called:
        fix = "name it as MODEL=FILE"
        raise InputError.at(path, "is called after none of the prediction files: <their name>_<judge>", fix)
    return called[max(called, key=len)]

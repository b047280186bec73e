"""VLMEvalKit: a benchmark's questions, one prediction file a model and, where there is one, its judge file.

    TSV          index, question, image or image_path; hint, A ... Z, answer, category, l2-category where there are some
    predictions  index, prediction, and what the TSV has but for the images (.xlsx, .tsv, .csv, .json, .jsonl)
    judge files  index and a score, or what the judge read out of the answer: see `vlmevalkit_judge`

Without a TSV the questions are those that the prediction files repeat (`vlmevalkit_questions`). Files made outside of
the kit name their columns otherwise (`vlmevalkit_names`). Where images are found: `vlmevalkit_images`.

A query is SOURCE/index; its question is hint, question and options as lines; its domain the category, else the
l2-category, else the source, or a column that is named. An answer is paired with its question by the index, and where
a file repeats the question, options or answer of a row, they must be those of the benchmark.

An answer that VLMEvalKit failed to get is stored by it as "Failed to obtain answer ..." and then judged. Here it is
status `error` without response and score, whatever the judge file says. So is an empty prediction: a table cannot
tell an empty answer from a call that gave none, and VLMEvalKit hands its judge the text "nan" in its place. An answer
without a verdict is `unscored`; no answer is matched with the reference here.

Circular evaluation: what counts is the first roll of a question, or, with `Reading.circular` "all", all of them: right
only where every roll is. VLMEvalKit's own judge files of it hold first rolls only, whose hit already says that every
roll was right; then that is the score, and the score rule says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rsd_bench.sources.ids import is_name, row_id, slug
from rsd_bench.sources.source import Response, Source, SourceInfo, SourceProblem
from rsd_bench.sources.spreadsheets import Row, read_table
from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Agreement, Benchmark, Reading, same_text
from rsd_bench.sources.vlmevalkit.vlmevalkit_judge import JudgeFile, judge_name, read_judge_file
from rsd_bench.sources.vlmevalkit.vlmevalkit_names import benchmark_of
from rsd_bench.sources.vlmevalkit.vlmevalkit_questions import read_predictions, read_tsv, require_media
from rsd_bench.types import InputError, Problem, Report

_FAILED = "failed to obtain answer"
_AS_WRITTEN = Reading()
_THESE_PREDICTIONS = "name the judge file of these predictions"


def open_vlmevalkit(
    tsv: Path | None,
    predictions: Mapping[str, Path],
    judges: Mapping[str, Path],
    source: str | None,
    report: Report,
    reading: Reading = _AS_WRITTEN,
) -> Source:
    """Open a benchmark with the predictions and judge files of its models, by model name.

    tsv: the benchmark; None: the prediction files tell it. source: short id, default the TSV's name, else the benchmark
    that the prediction files are called after. The files carry no licence: SourceInfo says "unknown", not to be
    re-hosted. Raises InputError where `source` is no legal id or it is not said where the images are; all other faults
    go to `report`.
    """
    benchmark = Benchmark(*_names(tsv, predictions, source))
    require_media(tsv, reading)
    for model in judges.keys() - predictions.keys():
        what = f"judges {model!r}, which has no predictions"
        report(SourceProblem(str(judges[model]), what, "name its prediction file"))
    if tsv:
        read_tsv(tsv, benchmark, reading, report)
    else:
        read_predictions(predictions.values(), benchmark, reading, report)
    if benchmark.faulty and not benchmark.questions:
        where, what = str(tsv or next(iter(predictions.values()), "")), "has no row without a fault"
        report(SourceProblem(where, what, "fix the rows that are named"))
    files = {
        model: _judge_file(judges[model], path, benchmark, tsv is not None, reading, report)
        for model, path in predictions.items()
        if model in judges
    }
    info = SourceInfo(
        source=benchmark.source,
        name=benchmark.name,
        license="unknown",
        redistributable=False,
        notes=_notes(tsv, benchmark),
        score_rule=_score_rule(files, benchmark, reading),
    )
    answers = _Answers(benchmark, reading, tsv is not None, report)
    return Source(info, benchmark.queries(), answers.responses(predictions, files))


def _names(tsv: Path | None, predictions: Mapping[str, Path], source: str | None) -> tuple[str, str]:
    """The source's id and the benchmark's name."""
    called = tsv.stem if tsv else benchmark_of(predictions)
    if not (called or source):
        what = "the names of the prediction files do not tell the benchmark"
        raise InputError.at("--pred", what, "give --tsv, or name the benchmark by --source")
    name = source or slug((called or "").removesuffix("_local")) or "vlmevalkit"
    if not is_name(name):
        raise InputError.at(name, "is no source id", "use letters, digits, dot, dash, underscore; at most 63")
    return name, called or name


def _judge_file(
    path: Path, prediction: Path, benchmark: Benchmark, has_tsv: bool, reading: Reading, report: Report
) -> JudgeFile:
    # A file that holds both answers and verdicts has no columns of a benchmark to be told from.
    own = benchmark.columns if has_tsv or path != prediction else frozenset[str]()
    naming, agreement = reading.columns.naming(), Agreement(path, benchmark)
    return read_judge_file(path, judge_name(path, prediction), benchmark.name, own, report, naming, agreement)


def _notes(tsv: Path | None, benchmark: Benchmark) -> str:
    notes = f"VLMEvalKit: {tsv.name}" if tsv else f"VLMEvalKit: {benchmark.name}, questions of the prediction files"
    if benchmark.first_of:
        notes += f"; {len(benchmark.first_of)} further rolls of {len(benchmark.rolls)} questions are no queries"
    return notes


def _score_rule(files: Mapping[str, JudgeFile], benchmark: Benchmark, reading: Reading) -> str:
    rules = set()
    for file in files.values():
        if not file.rule:
            continue
        circular = ""
        if benchmark.rolls and not _judges_rolls(file, benchmark):
            circular = ", circular as VLMEvalKit judged it: right only where every roll is"
        elif benchmark.rolls:
            all_rolls, first = ", circular: right only where every roll is", ", circular: of the first roll"
            circular = all_rolls if reading.circular == "all" else first
        rules.add(file.rule + circular)
    return "VLMEvalKit " + "; ".join(sorted(rules)) if rules else "unscored: no judge file"


def _judges_rolls(file: JudgeFile, benchmark: Benchmark) -> bool:
    return any(index in benchmark.first_of for index in file.verdicts)


class _Answers:
    """The rows of prediction files as responses."""

    def __init__(self, benchmark: Benchmark, reading: Reading, has_tsv: bool, report: Report) -> None:
        self._benchmark, self._reading, self._report = benchmark, reading, report
        self._has_tsv = has_tsv  # without one, the rows were checked when the benchmark was read

    def responses(self, predictions: Mapping[str, Path], files: Mapping[str, JudgeFile]) -> Iterator[Response]:
        if not self._benchmark.questions and not self._benchmark.faulty:
            return  # what is wrong with the benchmark has been told; its answers are not all unknown besides
        for model, path in predictions.items():
            file = files.get(model, JudgeFile(""))
            single = self._of_model(model, path, file)
            circular = bool(self._benchmark.rolls) and self._reading.circular == "all"
            yield from self._of_all_rolls(single, path, file) if circular else self._of_first_rolls(single)
        self._reading.columns.tell_unmet(self._report)

    def _of_first_rolls(self, answers: Iterator[tuple[str, Response]]) -> Iterator[Response]:
        return (response for index, response in answers if index not in self._benchmark.first_of)

    def _of_all_rolls(self, answers: Iterator[tuple[str, Response]], path: Path, file: JudgeFile) -> Iterator[Response]:
        """One response a question: the first roll's, with the score that all of its rolls have."""
        found = dict(answers)
        judges_rolls = _judges_rolls(file, self._benchmark)
        for index, response in found.items():
            if index in self._benchmark.first_of:
                continue
            further = self._benchmark.rolls.get(index, [])
            if missing := [roll for roll in further if roll not in found]:
                what = f"{path} has no answer to roll {missing[0]!r} of it"
                self._report(Problem(response.where, what, "leave out the row, or let the first roll count"))
            elif further and judges_rolls:
                yield _of_rolls(response, [found[roll] for roll in further])
            else:
                yield response

    def _of_model(self, model: str, path: Path, file: JudgeFile) -> Iterator[tuple[str, Response]]:
        """The index and the response of each row that answers a question of the benchmark; rolls are questions here."""
        benchmark, report = self._benchmark, self._report
        naming, agreement = self._reading.columns.naming(), Agreement(path, benchmark)
        answered: dict[str, tuple[str, int]] = {}  # where, and a figure that differs where a row does
        changed: list[str] = []
        strangers: list[Row] = []
        faults: list[Problem] = []

        def lost(problem: Problem) -> None:
            faults.append(problem)
            if self._has_tsv:
                report(problem)

        for row in read_table(path, ("index", "prediction"), lost, naming):
            index, text = row_id(row.cells["index"]), row.cells["prediction"]
            content = hash(frozenset(row.cells.items()))
            if index in answered:
                where, first = answered[index]
                if content != first:
                    what = f"outcome of {model!r} on {benchmark.query_id(index)!r} stands at {where} too"
                    fix = "keep the one that was judged"
                    report(SourceProblem(row.where, f"{what}, and the rows differ", fix))
                continue
            answered[index] = row.where, content
            verdict = file.verdicts.get(index)
            if verdict and verdict.prediction is not None and not same_text(text, verdict.prediction):
                changed.append(verdict.where)
            if index in benchmark.faulty or not (self._has_tsv or row.cells.get("question", index).strip()):
                continue
            if index not in benchmark.questions:
                strangers.append(row)
                continue
            agreement.look(row, index)
            query_id = benchmark.query_id(index)
            if not text.strip() or text.strip().lower().startswith(_FAILED):
                yield index, Response(row.where, query_id, model, "error")
            elif verdict is None:
                yield index, Response(row.where, query_id, model, "unscored", text)
            else:
                yield index, Response(row.where, query_id, model, verdict.status, text, verdict.score, file.judge)
        self._tell_strangers(strangers)
        if self._has_tsv:
            agreement.tell(report)
        if changed:
            what = f"judges another answer than {path} in {len(changed)} rows"
            report(SourceProblem(changed[0], what, _THESE_PREDICTIONS))
        not_answered = [v.where for index, v in file.verdicts.items() if index not in answered]
        if not_answered and not faults:  # else the answers that are judged may be those that could not be read
            what = f"judges {len(not_answered)} answers that are not in {path}"
            report(Problem(not_answered[0], what, _THESE_PREDICTIONS))

    def _tell_strangers(self, rows: list[Row]) -> None:
        """Rows of no question: a fault of each, or of the file where no row says what its question is."""
        for row in rows:
            index = row_id(row.cells["index"])
            what = f"query_id {self._benchmark.query_id(index)!r} is no query of {self._benchmark.source}"
            if index and "question" not in row.cells:
                more = f", nor are those of {len(rows) - 1} more rows" if len(rows) > 1 else ""
                fix = "name predictions of this benchmark, whose index is that of its rows"
                self._report(SourceProblem(row.where, f"{what}{more}; no column says what was asked", fix))
                return
            self._report(Problem(row.where, what if index else "has no index", "fix the index or leave out the row"))


def _of_rolls(first: Response, further: list[Response]) -> Response:
    """The first roll's response with the outcome of all: wrong where one is, else without a score where one is."""
    rolls = [first, *further]
    wrong = [roll for roll in rolls if roll.score == 0]
    without = [roll for roll in rolls if roll.score is None]
    outcome = (wrong or without or [min(rolls, key=lambda roll: roll.score or 0.0)])[0]
    text = None if outcome.status == "error" else first.response
    return Response(first.where, first.query_id, first.model, outcome.status, text, outcome.score, outcome.judge)

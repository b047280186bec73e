"""lmms-eval: the sample logs of one or more models (`--log_samples`), one source a task.

    LOGDIR/.../<model>/<run>_samples_<task>.jsonl    doc_id, input, target, resps, filtered_resps, metrics; or .jsonl.gz
    LOGDIR/.../<model>/<run>_results.json            model_name, configs, higher_is_better

Logs of several models on a task make one source; a doc_id must mean the same query in each (`lmms_eval_pairing`);
prompts may be worded per model, the first log's is kept. A query is TASK/doc_id; its domain the category where the
sample has one, else the task; its group the media that the log names, else itself. An answer that was not got is status
`error` without response and score, whatever its metric says.

Logs are read twice, a row in memory at a time: first what is asked, which is kept and compared, then what is answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from itertools import combinations
from pathlib import Path

from rsd_bench.config import MAX_SECONDS
from rsd_bench.jsonl import read_rows
from rsd_bench.sources.ids import source_id
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.lmms_eval.lmms_eval_logs import LogFile, find_logs
from rsd_bench.sources.lmms_eval.lmms_eval_media import Wanted, find_media, group_of, kind_of, media_of
from rsd_bench.sources.lmms_eval.lmms_eval_metric import MetricChoice
from rsd_bench.sources.lmms_eval.lmms_eval_pairing import Doc, LoggedDocs, disagreement
from rsd_bench.sources.lmms_eval.lmms_eval_power import Power, power_log, read_power
from rsd_bench.sources.lmms_eval.lmms_eval_sample import (
    ROW,
    domain_of,
    is_of_lm_eval,
    is_sound,
    key_of,
    read_answer,
    read_cost,
    read_doc,
    wanted_media,
)
from rsd_bench.sources.source import Media, Query, Response, Source, SourceInfo, SourceProblem, metric_of, modality_of
from rsd_bench.types import InputError, Problem, Report

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")  # a path of the machine that ran the log is no provenance
_AGAIN = "log the task again with --log_samples"


@dataclass
class _Log:
    file: LogFile
    docs: dict[str, Doc] = field(default_factory=dict)
    is_foreign: bool = False  # of another tool
    clocked: int = 0
    power: Power | None = None


@dataclass
class _Asked:
    """A query as the first log gives it."""

    doc: Doc
    domain: str
    wanted: Wanted


@dataclass
class _Task:
    name: str
    source: str
    logs: list[_Log]
    asked: dict[str, _Asked] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)  # rows that were reported
    prompts: dict[str, str] = field(default_factory=dict)
    rewordings: int = 0

    def leave_out(self, problem: Problem, report: Report) -> None:
        self.left_out.add(problem.where)
        report(problem)


def open_lmms_eval(
    logdir: Path, report: Report, *, images: Path | None = None, no_images: bool = False, metric: str | None = None
) -> list[Source]:
    """Open every task of a log folder, or a single log. Raises InputError where there is none; faults go to `report`.

    images: folder of the queries' media; queries whose media are not there are Problems and left out. no_images: text
        and outcomes alone. metric: which metric scores, where samples have several; "NAME/100" names its full marks.
    """
    if images is not None and (no_images or not images.is_dir()):
        what = "is given with --no-images" if no_images else "is no folder"
        raise InputError.at(images, what, "name the folder of the images, or use --no-images alone")
    if images is None and not no_images:
        fix = "name their folder with --images, or take text and outcomes alone with --no-images"
        report(SourceProblem(str(logdir), "lmms-eval logs hold no images", fix))
    found = find_logs(logdir, report)
    sources = []
    for name, files in found.items():
        task = _Task(name, source_id(name, "lmms-eval"), [_Log(file) for file in files])
        choice = MetricChoice(metric)
        for log in task.logs:
            _scan(task, log, choice, report)
            _read_power(log, report)
        _compare(task, report)
        higher = {k: v for file in files for k, v in file.of_task("higher_is_better", name).items()}
        rule = choice.settle(str(files[0].path), higher, partial(task.leave_out, report=report))
        media = _media(task, images, len(found) == 1, report) if images is not None else {}
        if no_images:
            media = dict.fromkeys(task.asked, ())
        sources.append(Source(_info(task, rule), _queries(task, media), _responses(task, choice, media.keys())))
    return sources


def _scan(task: _Task, log: _Log, choice: MetricChoice, report: Report) -> None:
    """First pass over a log: collect its queries, take note of its metrics and of what cannot be read."""
    leave_out = partial(task.leave_out, report=report)

    def stop(problem: Problem) -> None:
        report(SourceProblem(problem.where, problem.what, problem.fix))

    rows: dict[str, tuple[str, bytes]] = {}
    for where, row in read_rows(log.file.path, ROW, leave_out, is_sound, fix=_AGAIN, stopped=stop):
        key, digest = key_of(row), blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=16).digest()
        first, known = rows.setdefault(key, (where, digest))
        if first != where:
            what = f"outcome of {log.file.model!r} on '{task.source}/{key}' stands at {first} too"
            kind = Problem if digest == known else SourceProblem
            leave_out(kind(where, what, "keep one row a doc_id, those of a single filter"))
            continue
        doc = read_doc(where, row)
        if not doc.question and is_of_lm_eval(row):
            fix = f"`rsd-bench data import lm-eval` reads it; {inspect_hint(log.file.path)} to see how"
            stop(Problem(str(log.file.path), "is a log of lm-eval, not of lmms-eval", fix))
            log.is_foreign = True
            return
        if not doc.question:
            leave_out(Problem(where, "has no prompt: neither input, arguments nor doc.question is text", _AGAIN))
            continue
        try:
            log.clocked += read_cost(row).latency_s is not None
        except ValueError as error:
            leave_out(Problem(where, str(error), f"give seconds from 0 to {MAX_SECONDS:g}, or leave them out"))
            continue
        try:
            read_answer(row)
        except ValueError as error:
            leave_out(Problem(where, str(error), "log one text a row, as a filter take_first leaves it"))
            continue
        question = task.prompts.setdefault(doc.question, doc.question)  # logs of many models share their prompts
        log.docs[key] = doc = replace(doc, question=question)
        choice.note(where, row)
        asked = task.asked.setdefault(key, _Asked(doc, domain_of(row, task.source), wanted_media(row)))
        if doc.media and not asked.wanted.names:  # older logs of the same task name none
            asked.wanted = wanted_media(row)


def _compare(task: _Task, report: Report) -> None:
    """Report each two logs that have different queries under one doc_id."""
    logged = [LoggedDocs(log.docs) for log in task.logs]
    for first, other in combinations(logged, 2):
        if problem := disagreement(first, other):
            report(problem)
    for log in task.logs:
        task.rewordings += sum(doc.question != task.asked[key].doc.question for key, doc in log.docs.items())
        log.docs = {}


def _read_power(log: _Log, report: Report) -> None:
    """Take the power log of a run, where its answers were clocked and no other run lies beside it."""
    path = power_log(log.file.path) if log.clocked and log.file.is_alone else None
    if path is None:
        return
    try:
        log.power = read_power(path)
    except InputError as error:
        for problem in error.problems:
            report(SourceProblem(problem.where, problem.what, problem.fix))


def _info(task: _Task, rule: str) -> SourceInfo:
    paths = [log.file.of_task("configs", task.name).get("dataset_path") for log in task.logs]
    repository = next((p for p in paths if isinstance(p, str) and _HUB_ID.fullmatch(p)), "")
    notes = f"lmms-eval task {task.name}"
    if task.rewordings:
        notes += f"; {task.rewordings} prompts were worded otherwise for another model"
    if any(log.clocked for log in task.logs):
        notes += "; latencies are preprocess_seconds + generation_seconds"
    return SourceInfo(
        source=task.source,
        name=task.name,
        license="unknown",
        redistributable=False,
        repository=repository,
        notes=notes,
        score_rule=rule,
        metric=metric_of(rule),
    )


def _media(task: _Task, images: Path, only_task: bool, report: Report) -> dict[str, tuple[Media, ...]]:
    """The media of each query that has its files in the folder, by doc_id; each of the others is a Problem."""
    folder = images / task.name
    if not folder.is_dir():
        if not only_task:  # doc_id 0 of another task would be taken for this one's
            report(SourceProblem(str(folder), "is no folder", f"put the images of task {task.name} there"))
            return {}
        folder = images
    found = find_media(folder, {key: asked.wanted for key, asked in task.asked.items()})
    if found.unclear:
        report(SourceProblem(str(folder), found.unclear, "give the files the names in the log, all of them"))
    for key, what in found.missing.items():
        where, wanted = task.asked[key].doc.where, task.asked[key].wanted
        fix = f"put {'it there under that name, or ' if wanted.names else ''}one image there, named {key}.jpg or .png"
        report(Problem(where, f"query {task.source}/{key}: {what}", fix))
    return {key: media_of(folder, files) for key, files in found.files.items()}


def _queries(task: _Task, media: Mapping[str, tuple[Media, ...]]) -> Iterator[Query]:
    for key, asked in task.asked.items():
        if key in media:
            query_id, reference = f"{task.source}/{key}", asked.doc.target.strip() or None
            names = asked.wanted.names
            group = group_of(task.source, names) or query_id
            modality = "" if media[key] else modality_of(map(kind_of, names or ("",)))
            question = asked.doc.question
            yield Query(asked.doc.where, query_id, asked.domain, group, question, reference, media[key], modality)


def _responses(task: _Task, choice: MetricChoice, imported: Set[str]) -> Iterator[Response]:
    for log in task.logs:
        if log.is_foreign:
            continue
        rows = read_rows(log.file.path, ROW, lambda _: None, is_sound)  # faults were reported by the first pass
        for where, row in rows:
            key = key_of(row)
            if key not in imported or where in task.left_out:
                continue
            text, got = read_answer(row)
            if not got:
                yield Response(where, f"{task.source}/{key}", log.file.model, "error")
                continue
            scored, cost = choice.score(row), read_cost(row)
            yield Response(
                where=where,
                query_id=f"{task.source}/{key}",
                model=log.file.model,
                status="ok" if scored else "unscored",
                response=text,
                score=scored[1] if scored else None,
                judge=f"lmms-eval:{scored[0]}" if scored else None,
                input_tokens=cost.input_tokens,
                output_tokens=cost.output_tokens,
                latency_s=cost.latency_s,
                first_token_s=cost.first_token_s,
                energy_j=log.power.energy(cost.latency_s) if log.power else None,
                energy_basis=log.power.basis if log.power else None,
            )

"""inspect-ai: the logs (`.eval` or `.json`) of one or more models, one source a task.

Logs of several models on a task make one source. A sample id proves nothing by itself: each log that has it must ask
the same question, with the same choices, target and media, or the source is refused. A model's failed runs of a task
(one `task_id`) are left out where one of them succeeded; of two runs that both count, none is picked.

A query is TASK/sample_id. How a sample and its status are read: `inspect_sample`; which score counts: `inspect_score`;
what becomes of epochs: `inspect_outcome`. Media are read from the log, or from a folder (`inspect_media`); a query with
media that are nowhere to be had keeps its modality.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rsd_bench.sources.domain_field import DomainField
from rsd_bench.sources.ids import source_id
from rsd_bench.sources.inspect_ai.inspect_log import SUFFIXES, InspectLog, read_log, samples_of
from rsd_bench.sources.inspect_ai.inspect_media import Identity, may_be_same, name_in
from rsd_bench.sources.inspect_ai.inspect_outcome import outcome
from rsd_bench.sources.inspect_ai.inspect_sample import Sample, read_sample
from rsd_bench.sources.inspect_ai.inspect_score import ScoreChoice
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.linked_folders import not_followed_problems
from rsd_bench.sources.source import Media, Query, Response, Source, SourceInfo, SourceProblem, metric_of
from rsd_bench.types import InputError, Problem, Report

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")  # a path of the machine that ran the log is no provenance


@dataclass
class _Asked:
    """What a sample id stands for: where the query is taken from, and what every log must agree with."""

    where: str
    log: int
    asked: bytes
    identities: tuple[Identity, ...]
    has_media: bool


@dataclass
class _Task:
    name: str
    images: Path | None
    scores: ScoreChoice
    domains: DomainField
    logs: list[InspectLog] = field(default_factory=list)
    queries: dict[str, _Asked] = field(default_factory=dict)
    rows: dict[tuple[int, str], dict[int, str]] = field(default_factory=dict)  # log, sample -> epoch -> where it stands
    counts: Counter[str] = field(default_factory=Counter)
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)  # model, and the other that answered for it
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        return source_id(self.name, "inspect-ai")


def open_inspect(
    paths: Sequence[Path],
    report: Report,
    *,
    images: Path | None = None,
    scorer: str | None = None,
    scale: float = 1.0,
    domain_column: str | None = None,
) -> list[Source]:
    """Open logs, or folders of them. Raises InputError where none is a log with samples; other faults go to `report`.

    images: folder of media that logs only name. scorer: whose score counts, where samples have several. scale: full
    marks of scores that are numbers. domain_column: the field of `metadata` that is the domain.
    """
    if not 0 < scale < float("inf"):
        raise InputError.at("--scale", f"{scale} is no full marks", "a number above 0")
    if images is not None and not images.is_dir():
        raise InputError.at(images, "is no folder", "name the folder of the media that the logs name")
    tasks: dict[str, _Task] = {}
    for log in _logs(paths):
        new = _Task(log.task, images, ScoreChoice(scorer, scale), DomainField(domain_column))
        tasks.setdefault(log.task, new).logs.append(log)
    sources, empty = [], list[Problem]()
    for task in tasks.values():
        _keep_one_run(task, report)
        for number, log in enumerate(task.logs):
            if not _scan(task, number, log, report) and log.status == "success":
                ran = log.of_results("total_samples")
                what = "holds no samples" + (f", of {ran:,} that were run" if isinstance(ran, int) else "")
                empty.append(Problem(str(log.path), what, "log the run with its samples (no --no-log-samples)"))
        if not task.queries:
            continue
        rule = task.scores.settle(str(task.logs[0].path), report)
        ambiguous = task.domains.settle(str(task.logs[0].path), report)
        sources.append(Source(_info(task, rule, ambiguous), _queries(task), _responses(task)))
    if not sources:
        named = ", ".join(map(str, paths))
        raise InputError(empty or [Problem(named, "holds no sample that can be read", "log the run again")])
    for problem in empty:
        report(problem)
    return sources


def _logs(paths: Sequence[Path]) -> list[InspectLog]:
    """The logs in the order of their paths, each once. InputError that names every file that is none."""
    logs: dict[Path, InspectLog] = {}
    problems: list[Problem] = []
    for path in paths:
        inside = path.is_dir()
        files = sorted((p for p in path.rglob("*") if p.suffix in SUFFIXES), key=lambda p: p.relative_to(path).parts)
        before = len(logs)
        for file in files if inside else [path]:
            try:
                log = read_log(file)
            except InputError as error:
                problems += error.problems
                continue
            if log is not None:
                logs.setdefault(file.resolve(), log)
            elif not inside or file.suffix == ".eval":  # logs.json and the like lie beside logs
                fix = f"name a .eval or .json, or {inspect_hint(file)} to see what this is"
                problems.append(Problem(str(file), "is no log of inspect-ai: it has no `eval`", fix))
        if inside and len(logs) == before and not problems:
            fix = f"name a folder with logs, or {inspect_hint(path)} to see what this is"
            nothing = Problem(str(path), "holds no .eval or .json log", fix)
            problems += not_followed_problems(path) or [nothing]
    if problems:
        raise InputError(problems)
    return list(logs.values())


def _keep_one_run(task: _Task, report: Report) -> None:
    """One log a model: a run that succeeded stands for those that it retried."""
    by_model: dict[str, list[InspectLog]] = {}
    for log in task.logs:
        by_model.setdefault(log.model, []).append(log)
    task.logs = []
    for model, logs in by_model.items():
        done = [log for log in logs if log.status == "success"]
        if len(logs) > 1 and len(done) == 1 and len({log.of_eval("task_id") for log in logs}) == 1:
            task.notes.append(f"{len(logs) - 1} unfinished runs of {model} left out: {done[0].path.name} retried them")
            logs = done
        for log in logs[1:]:
            what = f"is another run of {model!r} on {task.name!r}, beside {logs[0].path}"
            report(SourceProblem(str(log.path), what, "keep the run to be imported and move the other away"))
        task.logs.append(logs[0])


def _scan(task: _Task, number: int, log: InspectLog, report: Report) -> int:
    """First pass over a log: what its samples ask, against earlier logs, and what scores they have. How many it holds.

    A sample that cannot be read, or that no text says anything of, goes to `report` and is left out of what follows.
    """
    contents: dict[tuple[str, int], bytes] = {}
    taken: dict[str, str] = {}
    rows = 0

    def unread(problem: Problem) -> None:
        nonlocal rows
        rows += 1
        report(problem)

    for where, raw in samples_of(log, unread):
        rows += 1
        try:
            sample = read_sample(where, raw, log.model)
            _find_files(task, sample, taken)
            task.scores.note(where, sample.scores)
        except ValueError as error:
            report(Problem(where, str(error), "log the sample again, or leave it out"))
            continue
        key = (sample.sample_id, sample.epoch)
        epochs = task.rows.setdefault((number, sample.sample_id), {})
        if (first := epochs.setdefault(sample.epoch, where)) != where:
            if contents[key] != sample.content:
                what = f"sample {key[0]!r}, epoch {key[1]}, stands at {first} too, and differs"
                report(SourceProblem(where, what, "keep one of them"))
            continue
        contents[key] = sample.content
        task.domains.note(sample.metadata)
        _agree(task, number, sample, report)
        _count(task, log, sample)
    ran = log.of_results("total_samples")
    if isinstance(ran, int) and ran != rows:
        task.notes.append(f"{log.path.name} holds {rows} of {ran} samples")
    if log.status != "success":
        task.notes.append(f"{log.path.name} has status {log.status!r}")
    return rows


def _find_files(task: _Task, sample: Sample, taken: dict[str, str]) -> None:
    """ValueError where a medium should be in the folder and is not, or its file is that of another logged path."""
    for medium in sample.media:
        if task.images is None or not medium.is_file:
            continue
        if (name := name_in(task.images, medium.value)) is None:
            raise ValueError(f"{medium.kind} {medium.value[-80:]!r} is not in {task.images}")
        if (other := taken.setdefault(name, medium.value)) != medium.value:
            raise ValueError(f"{name} would stand for {other[-80:]!r} and {medium.value[-80:]!r}")


def _agree(task: _Task, number: int, sample: Sample, report: Report) -> None:
    """Enter what a sample asks, or hold it against what its id stood for before."""
    has_media = all(medium.media(task.images) for medium in sample.media)
    new = _Asked(sample.where, number, sample.asked, sample.identities, has_media)
    first = task.queries.setdefault(sample.sample_id, new)
    if first.asked != new.asked or not may_be_same(first.identities, new.identities):
        differs = "media" if first.asked == new.asked else "question or target"
        what = f"sample {sample.sample_id!r} is not the query it is at {first.where}: its {differs} differs"
        report(SourceProblem(sample.where, what, "import logs of one version of the task together"))
    elif has_media and not first.has_media:
        task.queries[sample.sample_id] = new


def _count(task: _Task, log: InspectLog, sample: Sample) -> None:
    if sample.answered_by and not f"/{log.model}".endswith(f"/{sample.answered_by}"):
        task.answered[log.model, sample.answered_by] += 1
    if sample.clock:
        task.counts[f"latency is {sample.clock}"] += 1
    if sample.status != "ok":
        task.counts[sample.status] += 1
    if sample.invalid:
        task.counts["invalidated by their owner"] += 1


def _info(task: _Task, rule: str, ambiguous: str | None) -> SourceInfo:
    epochs = [len(rows) for rows in task.rows.values()]
    if max(epochs) > 1:
        span = f"{min(epochs)} to {max(epochs)}" if min(epochs) < max(epochs) else max(epochs)
        rule += f"; mean over {span} epochs, each of which has a score"
    absent = Counter(not query.has_media for query in task.queries.values())[True]
    locations = [log.of_eval("dataset", "location") for log in task.logs]
    notes = [f"inspect-ai task {task.name}, logs of {len(task.logs)} models", *task.notes]
    notes += [f"{count} samples: {what}" for what, count in sorted(task.counts.items())]
    notes += [f"{other} answered for {model} in {n} samples" for (model, other), n in sorted(task.answered.items())]
    notes += [f"media of {absent} queries are not in the logs (URLs, removed, or files: --images)"] if absent else []
    return SourceInfo(
        source=task.source,
        name=task.name,
        license="unknown",
        redistributable=False,
        repository=next((text for text in locations if isinstance(text, str) and _HUB_ID.fullmatch(text)), ""),
        notes="; ".join(notes + ([ambiguous] if ambiguous else [])),
        score_rule=rule,
        metric=metric_of(rule),
    )


def _samples(task: _Task, number: int, wanted: Callable[[str], bool]) -> Iterator[Sample]:
    """The samples of a log that stand at wanted places, read again; the first pass told what is wrong with others."""
    log = task.logs[number]
    for where, raw in samples_of(log, lambda _: None):
        if wanted(where):
            yield read_sample(where, raw, log.model)


def _queries(task: _Task) -> Iterator[Query]:
    places = {query.where for query in task.queries.values()}
    for number in sorted({query.log for query in task.queries.values()}):
        for sample in _samples(task, number, places.__contains__):
            media = [medium.media(task.images) for medium in sample.media]
            found: list[Media] = [medium for medium in media if medium is not None]
            query_id = f"{task.source}/{sample.sample_id}"
            yield Query(
                where=sample.where,
                query_id=query_id,
                domain=task.domains.domain(sample.metadata, task.name),
                group=query_id,
                question=sample.question,
                reference_answer=sample.target,
                media=tuple(found) if len(found) == len(media) else (),
                modality=sample.modality,
            )


def _responses(task: _Task) -> Iterator[Response]:
    for number, log in enumerate(task.logs):
        places = {where for (n, _), epochs in task.rows.items() if n == number for where in epochs.values()}
        waiting: dict[str, list[Sample]] = {}
        for sample in _samples(task, number, places.__contains__):
            epochs = waiting.setdefault(sample.sample_id, [])
            epochs.append(replace(sample, media=(), metadata={}))  # until the last epoch is there, its outcome only
            if len(epochs) == len(task.rows[number, sample.sample_id]):
                del waiting[sample.sample_id]
                yield outcome(f"{task.source}/{sample.sample_id}", log.model, epochs, task.scores)

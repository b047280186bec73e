"""lm-eval (lm-evaluation-harness): the sample logs of one or more models (`--log_samples`), one source a task.

    DIR/.../<model>/samples_<task>_<time>.jsonl    doc_id, doc, target, arguments, resps, filtered_resps, filter ...
    DIR/.../<model>/results_<time>.json            model_name, config, configs, higher_is_better, n-samples

The model is `model_name` of the results, else the `pretrained` or `model` of its arguments, else the folder's name. A
sample is logged once a filter; the score is one metric under one filter, chosen as `METRIC,FILTER`, which is how the
results name it. How a row is read: `lm_eval_row`.

Logs of several models on a task make one source, of queries TASK/doc_id. The same doc_id must mean the same query in
each: the same target and options, and the same prompt, or, where prompts are worded per model, the same `doc`, if that
doc is no other row's. `doc_hash` proves nothing: there are logs in which it is the hash of nothing in every row. A
prompt that another row of the other log has word for word is an error. Texts only: of a task with images or sounds the
logs hold none.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.jsonl import parse_json, read_rows
from rsd_bench.sources.domain_field import DomainField
from rsd_bench.sources.ids import source_id
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.linked_folders import not_followed_problems
from rsd_bench.sources.lm_eval.lm_eval_row import Row, read_row
from rsd_bench.sources.lmms_eval.lmms_eval_logs import LogFile
from rsd_bench.sources.lmms_eval.lmms_eval_metric import MetricChoice
from rsd_bench.sources.source import Query, Response, Source, SourceInfo, SourceProblem, metric_of
from rsd_bench.types import InputError, Problem, Report

_SAMPLES = re.compile(r"samples_(?P<task>.+?)(?:_(?P<time>\d{4}-\d\d-\d\dT[\d.:-]+))?\.jsonl")
_ROW = Draft202012Validator(
    {
        "type": "object",
        "properties": {"doc_id": {"type": ["integer", "string"]}, "filter": {"type": "string"}},
        "required": ["doc_id", "target", "arguments", "filtered_resps"],
    }
)
_FIX = "log the task again with --log_samples; logs of lmms-eval: `rsd-bench data import lmms-eval`"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_MODEL_ARGUMENT = re.compile(r"(?:^|,)(?:pretrained|model)=([^,]+)")
_LOCAL = ("hf", "vllm", "sglang", "mamba", "nemo", "openvino", "neuron", "dummy")  # backends that run the model


@dataclass(frozen=True)
class _Log(LogFile):
    """A sample log of lm-eval."""

    @property
    def keeps_failures_quiet(self) -> bool:
        """Whether an empty answer may be a failed request: backends that ask an API log those as empty answers."""
        config = self.results.get("config")
        backend = config.get("model") if isinstance(config, dict) else None
        return not (isinstance(backend, str) and backend.startswith(_LOCAL))


@dataclass(frozen=True)
class _Doc:
    """What a row asks, as digests: enough to tell whether another log's row asks the same."""

    where: str
    answer: bytes
    prompt: bytes
    proof: bytes | None


@dataclass
class _Task:
    name: str
    wanted: str | None
    metric: str | None
    domains: DomainField
    logs: list[_Log] = field(default_factory=list)
    docs: list[dict[str, _Doc]] = field(default_factory=list)  # by log
    rows: dict[tuple[int, str, str], str] = field(default_factory=dict)  # log, doc_id, filter -> where it stands
    choices: dict[str, MetricChoice] = field(default_factory=dict)  # by filter
    filter: str = ""
    left_out: set[str] = field(default_factory=set)  # rows without a score that can be read
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        return source_id(self.name, "lm-eval")


def open_lm_eval(
    paths: Sequence[Path], report: Report, *, metric: str | None = None, domain_column: str | None = None
) -> list[Source]:
    """Open sample logs, or folders of them. Raises InputError where there is none; other faults go to `report`.

    metric: which metric scores, NAME or NAME,FILTER; "NAME/100" names its full marks. domain_column: the field of `doc`
    that is the domain.
    """
    name, _, chosen = (metric or "").partition(",")
    tasks: dict[str, _Task] = {}
    for task_name, log in _logs(paths, report):
        new = _Task(task_name, chosen or None, name or None, DomainField(domain_column))
        task = tasks.setdefault(task_name, new)
        if earlier := next((other for other in task.logs if other.model == log.model), None):
            what = f"is another run of {log.model!r} on {task_name!r}, beside {earlier.path}"
            report(SourceProblem(str(log.path), what, "keep the run to be imported and move the other away"))
        else:
            task.logs.append(log)
    sources = []
    for task in tasks.values():
        for number, log in enumerate(task.logs):
            _scan(task, number, log, report)
        if any(task.docs):
            _agree(task, report)
            rule, ambiguous = _settle(task, report), task.domains.settle(str(task.logs[0].path), report)
            sources.append(Source(_info(task, rule, ambiguous), _queries(task), _responses(task)))
    return sources


def _logs(paths: Sequence[Path], report: Report) -> Iterator[tuple[str, _Log]]:
    found: dict[Path, tuple[Path, str, str | None]] = {}
    for path in paths:
        inside = sorted(path.rglob("samples_*.jsonl"), key=lambda p: p.relative_to(path).parts) if path.is_dir() else []
        named = {file: match for file in inside or [path] if (match := _SAMPLES.fullmatch(file.name))}
        if not named and path.is_dir() and (links := not_followed_problems(path)):
            raise InputError(links)
        if not named or not all(file.is_file() for file in named):
            fix = f"run lm-eval with --log_samples, or {inspect_hint(path)} to see what this is"
            raise InputError.at(path, "is or holds no samples_<task>_<time>.jsonl", fix)
        for file, match in named.items():
            found.setdefault(file.resolve(), (file, match["task"], match["time"]))
    for file, task, time in found.values():
        results = _results(file, time, report)
        yield task, _Log(file, _model(results) or file.resolve().parent.name, results)


def _results(samples: Path, time: str | None, report: Report) -> Mapping[str, Any]:
    path = samples.with_name(f"results_{time}.json" if time else "results.json")
    if not path.is_file():
        return {}
    try:
        loaded = parse_json(path.read_bytes().decode("utf-8-sig"), nan=True)
    except (OSError, ValueError) as error:
        report(SourceProblem(str(path), f"cannot be read: {error}", "restore the file, or remove it"))
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _model(results: Mapping[str, Any]) -> str | None:
    config = results.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    if isinstance(arguments, dict):
        arguments = ",".join(f"{name}={value}" for name, value in arguments.items())
    of_arguments = _MODEL_ARGUMENT.search(arguments) if isinstance(arguments, str) else None
    names = (results.get("model_name"), of_arguments and of_arguments[1])
    return next((name for name in names if isinstance(name, str) and name.strip()), None)


def _read(log: _Log, report: Report) -> Iterator[tuple[Row, dict[str, Any]]]:
    """The rows of a log that can be read, with their JSON."""

    def stopped(problem: Problem) -> None:
        report(SourceProblem(problem.where, problem.what, problem.fix))

    for where, raw in read_rows(log.path, _ROW, report, fix=_FIX, stopped=stopped):
        try:
            yield read_row(where, raw), raw
        except ValueError as error:
            report(Problem(where, str(error), "log the task again, or leave the row out"))


def _scan(task: _Task, number: int, log: _Log, report: Report) -> None:
    """First pass over a log: what its rows ask, and which metrics they have under which filter."""
    docs: dict[str, _Doc] = {}
    contents: dict[tuple[str, str], bytes] = {}
    task.docs.append(docs)
    for row, raw in _read(log, report):
        content = sha256(json.dumps(raw, sort_keys=True).encode()).digest()
        first = task.rows.setdefault((number, row.doc_id, row.filter), row.where)
        if first != row.where:
            if contents[row.doc_id, row.filter] != content:
                what = f"doc_id {row.doc_id} under filter {row.filter!r} stands at {first} too, and differs"
                report(SourceProblem(row.where, what, "keep one of them"))
            continue
        contents[row.doc_id, row.filter] = content
        task.domains.note(row.doc)
        task.choices.setdefault(row.filter, MetricChoice(task.metric)).note(row.where, _metrics(raw))
        doc = _Doc(row.where, row.answer, row.prompt, row.proof)
        earlier = docs.setdefault(row.doc_id, doc)
        if (earlier.answer, earlier.prompt) != (doc.answer, doc.prompt):
            what = f"doc_id {row.doc_id} is not the query it is at {earlier.where}"
            report(SourceProblem(row.where, what, "import the log as lm-eval wrote it"))
    ran = log.of_task("n-samples", task.name).get("effective")
    if isinstance(ran, int) and ran != len(docs):
        task.notes.append(f"{log.path.name} holds {len(docs)} of {ran} samples")


def _metrics(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row that are metrics: those that it lists, where it does."""
    listed = raw.get("metrics")
    if not isinstance(listed, list):
        return dict(raw)
    return {name: raw[name] for name in listed if isinstance(name, str) and name in raw}


def _agree(task: _Task, report: Report) -> None:
    """Hold each log against what its doc_ids stood for in the logs before it."""
    first_of: dict[str, tuple[int, _Doc]] = {}
    prompts = [{doc.prompt for doc in docs.values()} for docs in task.docs]
    proofs = [Counter(doc.proof for doc in docs.values()) for docs in task.docs]
    reworded = 0
    for number, docs in enumerate(task.docs):
        for key, doc in docs.items():
            other, first = first_of.setdefault(key, (number, doc))
            if doc.answer == first.answer and doc.prompt == first.prompt:
                continue
            proven = doc.proof is not None and doc.proof == first.proof
            alone = proofs[number][doc.proof] == 1 and proofs[other][first.proof] == 1
            another = doc.prompt in prompts[other] or first.prompt in prompts[number]
            if doc.answer != first.answer or not (proven and alone) or another:
                what = f"doc_id {key} is not the query it is at {first.where}"
                report(SourceProblem(doc.where, what, "import logs of one version of the task together"))
            reworded += 1
    if reworded:
        task.notes.append(f"{reworded} prompts were worded otherwise for another model")


def _settle(task: _Task, report: Report) -> str:
    """Choose filter and metric, or report why there is no choice; return the score rule."""
    where, filters = str(task.logs[0].path), sorted(task.choices)

    if task.wanted is None and len(filters) > 1:
        what = f"samples are scored under several filters: {', '.join(filters)}"
        report(SourceProblem(where, what, f'choose one with --metric, as in "exact_match,{filters[0]}"'))
        return "unscored"
    if task.wanted is not None and task.wanted not in filters:
        what = f"no sample has a filter {task.wanted!r}; they have {', '.join(filters)}"
        report(SourceProblem(where, what, "choose one of these"))
        return "unscored"
    task.filter = task.wanted or filters[0]
    known = {k: v for log in task.logs for k, v in log.of_task("higher_is_better", task.name).items()}

    def leave_out(problem: Problem) -> None:
        task.left_out.add(problem.where)
        report(problem)

    rule = task.choices[task.filter].settle(where, known, leave_out)
    if rule == "unscored":
        return rule
    filtered = f", filter {task.filter}" if task.filter != "none" else ""
    return f"lm-eval {rule.removeprefix('lmms-eval ')}{filtered}"


def _info(task: _Task, rule: str, ambiguous: str | None) -> SourceInfo:
    paths = [log.of_task("configs", task.name).get("dataset_path") for log in task.logs]
    notes = [f"lm-eval task {task.name}, logs of {len(task.logs)} models", *task.notes]
    return SourceInfo(
        source=task.source,
        name=task.name,
        license="unknown",
        redistributable=False,
        repository=next((p for p in paths if isinstance(p, str) and _HUB_ID.fullmatch(p)), ""),
        notes="; ".join(notes + ([ambiguous] if ambiguous else [])),
        score_rule=rule,
        metric=metric_of(rule),
    )


def _queries(task: _Task) -> Iterator[Query]:
    told: set[str] = set()
    for number, log in enumerate(task.logs):
        if task.docs[number].keys() <= told:
            continue
        for row, _ in _read(log, lambda _: None):  # faults were reported by the first pass
            if row.doc_id in told or task.rows.get((number, row.doc_id, row.filter)) != row.where:
                continue
            told.add(row.doc_id)
            query_id, domain = f"{task.source}/{row.doc_id}", task.domains.domain(row.doc, task.name)
            yield Query(row.where, query_id, domain, query_id, row.question, row.reference, (), row.modality)


def _responses(task: _Task) -> Iterator[Response]:
    choice = task.choices.get(task.filter)
    for number, log in enumerate(task.logs):
        for row, raw in _read(log, lambda _: None):
            stands = task.rows.get((number, row.doc_id, row.filter)) == row.where
            if row.filter != task.filter or not stands or row.where in task.left_out:
                continue
            query_id = f"{task.source}/{row.doc_id}"
            is_empty = row.text is not None and not row.text.strip()
            if not row.is_answered or (is_empty and log.keeps_failures_quiet):
                yield Response(row.where, query_id, log.model, "error")
                continue
            scored = choice.score(_metrics(raw)) if choice else None
            name, score = scored or ("", None)
            yield Response(
                where=row.where,
                query_id=query_id,
                model=log.model,
                status="ok" if scored else "unscored",
                response=row.response(name),
                score=score,
                judge=f"lm-eval:{name}" if scored else None,
            )

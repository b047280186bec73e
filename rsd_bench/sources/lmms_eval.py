"""lmms-eval: the sample logs of one or more models (`--log_samples`), one source a task.

    LOGDIR/.../<model>/<run>_samples_<task>.jsonl    doc_id, input, target, resps, filtered_resps, metrics
    LOGDIR/.../<model>/<run>_results.json            model_name, configs, higher_is_better

Also read: samples_<task>_<run>.jsonl beside results_<run>.json. The model is `model_name` of the results, else the
folder's name. Logs of several models on a task make one source; a doc_id must mean the same query in each: an equal
target, and an equal doc_hash or prompt (prompts may be worded per model; the first log's is kept).

Logs hold no images. They are taken from a folder: a file at the path that a field of `doc` gives, else one whose name
without suffix is the doc_id, under IMAGES/<task>/ or, where LOGDIR has a single task, in IMAGES itself.

A query is TASK/doc_id; its domain the category where the sample has one, else the task. An answer that was not got
("[LMMS_EVAL_REQUEST_FAILED ...", or empty, which is what API models give after their last retry) is status `error`
without response and score, whatever its metric says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from rsd_bench.jsonl import read_rows
from rsd_bench.sources.ids import slug
from rsd_bench.sources.lmms_eval_metric import MetricChoice
from rsd_bench.sources.named_media import image_at
from rsd_bench.sources.source import Media, Query, Response, Source, SourceInfo
from rsd_bench.types import InputError, Problem, Report

_SAMPLES = re.compile(r"(?:(?P<run>.+?)_)?samples_(?P<task>.+?)(?:_(?P<late_run>\d{4}-\d\d-\d\dT[\d.:-]+))?\.jsonl")
_ROW = Draft202012Validator(
    {
        "type": "object",
        "properties": {"doc_id": {"type": ["integer", "string"]}, "doc": {"type": "object"}},
        "required": ["doc_id", "target", "filtered_resps"],
    }
)
_IMAGE_PATHS = ("image_path", "image", "img_path", "image_file", "file_name")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")  # a path of the machine that ran the log is no provenance
_FAILED = "[lmms_eval_request_failed"


@dataclass
class _Log:
    path: Path
    model: str
    results: Mapping[str, Any]


@dataclass
class _Doc:
    """A query as the first log gives it."""

    where: str
    question: str
    target: str
    doc_hash: str
    domain: str
    image_paths: list[str]


@dataclass
class _Task:
    name: str
    source: str
    logs: list[_Log] = field(default_factory=list)
    docs: dict[str, _Doc] = field(default_factory=dict)
    rewordings: int = 0


def open_lmms_eval(
    logdir: Path, report: Report, *, images: Path | None = None, metric: str | None = None
) -> list[Source]:
    """Open every task of a log folder. Raises InputError where it holds no sample log; other faults go to `report`.

    images: folder of the queries' images. metric: which metric scores, where samples have several; "NAME/100" names its
    full marks. Queries without an image are Problems and left out.
    """
    tasks = _find(logdir, report)
    sources = []
    for task in tasks:
        choice = MetricChoice(metric)
        for log in task.logs:
            _scan(task, log, choice, report)
        known = {k: v for log in task.logs for k, v in _of_task(log, "higher_is_better", task.name).items()}
        rule = choice.settle(str(task.logs[0].path), known, report)
        files = _images(task, images, len(tasks) == 1, report)
        sources.append(Source(_info(task, rule), _queries(task, files), _responses(task, choice, set(files))))
    return sources


def _find(logdir: Path, report: Report) -> list[_Task]:
    tasks: dict[str, _Task] = {}
    found = logdir.rglob("*samples_*.jsonl") if logdir.is_dir() else []
    for path in sorted(found, key=lambda p: p.relative_to(logdir).parts):  # a Path sorts otherwise on Windows
        match = _SAMPLES.fullmatch(path.name)
        if match is None:
            continue
        results = _results(path, match["run"] or match["late_run"], report)
        name = results.get("model_name")
        log = _Log(path, name if isinstance(name, str) and name else path.resolve().parent.name, results)
        task = tasks.setdefault(match["task"], _Task(match["task"], slug(match["task"]) or "lmms-eval"))
        if earlier := next((other for other in task.logs if other.model == log.model), None):
            what = f"is another run of {log.model!r} on {task.name!r}, beside {earlier.path}"
            report(Problem(str(path), what, "keep the run to be imported and move the other away"))
        else:
            task.logs.append(log)
    if not tasks:
        raise InputError.at(logdir, "holds no *_samples_<task>.jsonl", "run lmms-eval with --log_samples")
    return list(tasks.values())


def _results(samples: Path, run: str | None, report: Report) -> Mapping[str, Any]:
    names = [f"{run}_results.json", f"results_{run}.json"] if run else ["results.json"]
    path = next((p for name in names if (p := samples.with_name(name)).is_file()), None)
    if path is None:
        return {}
    try:
        # Python writes NaN for a metric that could not be aggregated; only names and settings are read here.
        loaded = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        report(Problem(str(path), f"cannot be read: {error}", "restore the file, or remove it"))
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _of_task(log: _Log, section: str, task: str) -> dict[str, Any]:
    """What the results of a log say of a task in a section; {} where they say nothing."""
    tasks = log.results.get(section)
    found = tasks.get(task) if isinstance(tasks, dict) else None
    return found if isinstance(found, dict) else {}


def _info(task: _Task, rule: str) -> SourceInfo:
    paths = [_of_task(log, "configs", task.name).get("dataset_path") for log in task.logs]
    repository = next((p for p in paths if isinstance(p, str) and _HUB_ID.fullmatch(p)), "")
    notes = f"lmms-eval task {task.name}, logs of {len(task.logs)} models"
    if task.rewordings:
        notes += f"; {task.rewordings} prompts were worded otherwise for another model"
    return SourceInfo(
        source=task.source,
        name=task.name,
        license="unknown",
        redistributable=False,
        repository=repository,
        notes=notes,
        score_rule=rule,
    )


def _scan(task: _Task, log: _Log, choice: MetricChoice, report: Report) -> None:
    """First pass over a log: collect its queries, compare them with those of earlier logs, take note of its metrics."""

    def located(problem: Problem) -> None:
        ours = "schema" in problem.fix  # a sample does not follow the schema of records
        report(replace(problem, fix="log the task again with --log_samples") if ours else problem)

    for where, row in read_rows(log.path, _ROW, located):
        doc, key = _doc(task, where, row), str(row["doc_id"])
        if not doc.question.strip():
            report(Problem(where, "has no prompt: neither input, arguments nor doc.question is text", "log it again"))
            continue
        choice.note(where, row)
        first = task.docs.setdefault(key, doc)
        same_doc = bool(doc.doc_hash) and doc.doc_hash == first.doc_hash
        if doc.target != first.target or (doc.question != first.question and not same_doc):
            what = f"doc_id {key} is not the query it is at {first.where}"
            report(Problem(where, what, "import logs of one version of the task together"))
        task.rewordings += doc.question != first.question


def _doc(task: _Task, where: str, row: Mapping[str, Any]) -> _Doc:
    doc = row.get("doc") or {}
    prompts = (row.get("input"), _innermost(row.get("arguments"), first=True), doc.get("question"))
    categories = [v.get("category") for v in (doc, *row.values()) if isinstance(v, dict)]
    category = next((c for c in categories if isinstance(c, str) and slug(c)), task.name)
    target = row["target"]
    return _Doc(
        where=where,
        question=next((prompt for prompt in prompts if isinstance(prompt, str) and prompt.strip()), ""),
        target=target if isinstance(target, str) else json.dumps(target, ensure_ascii=False),
        doc_hash=str(row.get("doc_hash") or ""),
        domain=slug(category) or task.source,
        image_paths=[doc[name] for name in _IMAGE_PATHS if isinstance(doc.get(name), str) and doc[name]],
    )


def _innermost(value: Any, first: bool = False) -> Any:
    """What lists of one item hold; with `first`, the first item of any list."""
    while isinstance(value, list) and value and (first or len(value) == 1):
        value = value[0]
    return value


def _images(task: _Task, images: Path | None, only_task: bool, report: Report) -> dict[str, Path]:
    """The image file of each query that has one, by doc_id; each of the others is a Problem."""
    where = str(task.logs[0].path)
    if images is None:
        report(
            Problem(where, "lmms-eval logs hold no images", "name a folder with one image a query: 0.jpg, 1.jpg ...")
        )
        return {}
    folder = images / task.name
    if not folder.is_dir():
        if not only_task:  # doc_id 0 of another task would be taken for this one's
            report(Problem(str(folder), "is no folder", f"put the images of task {task.name} there"))
            return {}
        folder = images
    by_name: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), key=lambda p: p.name) if folder.is_dir() else []:
        by_name.setdefault(path.stem, []).append(path)
    files = {}
    for key, doc in task.docs.items():
        inside = [p for name in doc.image_paths if (p := (folder / name).resolve()).is_relative_to(folder.resolve())]
        found = [p for p in inside if p.is_file()][:1] or by_name.get(key, [])
        if len(found) == 1:
            files[key] = found[0]
            continue
        what = "several images: " + ", ".join(p.name for p in found) if found else f"no image in {folder}"
        report(
            Problem(doc.where, f"query {task.source}/{key}: {what}", f"put one image there, named {key}.jpg or .png")
        )
    return files


def _queries(task: _Task, files: Mapping[str, Path]) -> Iterator[Query]:
    for key, path in files.items():
        doc, query_id, read = task.docs[key], f"{task.source}/{key}", partial(image_at, path, path.name)
        reference = doc.target.strip() or None
        media = (Media("image", read, path.name),)
        yield Query(doc.where, query_id, doc.domain, query_id, doc.question, reference, media)


def _responses(task: _Task, choice: MetricChoice, imported: set[str]) -> Iterator[Response]:
    for log in task.logs:
        for where, row in read_rows(log.path, _ROW, lambda _: None):  # faults were reported by the first pass
            key = str(row["doc_id"])
            if key not in imported:
                continue
            query_id, counts = f"{task.source}/{key}", _innermost(row.get("token_counts"))
            answers = (_innermost(row.get("resps")), _innermost(row["filtered_resps"]))
            text = next((answer for answer in answers if isinstance(answer, str)), None)
            if text is not None and (not text.strip() or text.strip().lower().startswith(_FAILED)):
                yield Response(where, query_id, log.model, "error")
                continue
            scored = choice.score(row)
            yield Response(
                where=where,
                query_id=query_id,
                model=log.model,
                status="ok" if scored else "unscored",
                response=text,
                score=scored[1] if scored else None,
                judge=f"lmms-eval:{scored[0]}" if scored else None,
                input_tokens=_count(counts, "input_tokens"),
                output_tokens=_count(counts, "output_tokens"),
            )


def _count(counts: Any, name: str) -> int | None:
    """A token count; backends that do not count log 0."""
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and value > 0 else None

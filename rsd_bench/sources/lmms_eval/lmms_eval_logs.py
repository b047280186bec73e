"""The files of lmms-eval runs: which sample logs a folder holds, of which task and model, and the results beside them.

    .../<model>/<run>_samples_<task>.jsonl[.gz]    .../<model>/<run>_results.json
    .../<model>/samples_<task>_<run>.jsonl[.gz]    .../<model>/results_<run>.json

The model is `model_name` of the results, else the folder's name. One run of a model on a task is read; a second is a
fault, since nobody knows which of the two is meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_bench.config import MAX_IMAGE_BYTES
from rsd_bench.sources.inspect_hint import inspect_hint
from rsd_bench.sources.linked_folders import not_followed_problems
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import InputError, Report

_SAMPLES = re.compile(
    r"(?:(?P<run>.+?)_)?samples_(?P<task>[^.].*?)(?:_(?P<late_run>\d{4}-\d\d-\d\dT[\d.:-]+))?\.jsonl(?:\.gz)?"
)
_HUB_CACHE = re.compile(r"/models--(?:([^/]+?)--)?([^/]+)/snapshots/")  # a model that was loaded from there is a Hub's


@dataclass(frozen=True)
class LogFile:
    """A sample log of a model, and the results of its run ({} where there are none)."""

    path: Path
    model: str
    results: Mapping[str, Any]

    def of_task(self, section: str, task: str) -> dict[str, Any]:
        """What the results say of a task in a section; {} where they say nothing."""
        tasks = self.results.get(section)
        found = tasks.get(task) if isinstance(tasks, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def is_alone(self) -> bool:
        """Whether no other run has its logs in the same folder."""
        names = (_SAMPLES.fullmatch(path.name) for path in self.path.parent.glob("*samples_*.jsonl*"))
        return len({name["run"] or name["late_run"] for name in names if name}) == 1


def find_logs(logdir: Path, report: Report) -> dict[str, list[LogFile]]:
    """The sample logs of each task, one a model. InputError where there are none, other faults go to `report`."""
    tasks: dict[str, list[LogFile]] = {}
    found = [logdir] if logdir.is_file() else logdir.rglob("*samples_*.jsonl*") if logdir.is_dir() else []
    for path in sorted(found, key=lambda p: p.relative_to(logdir).parts):  # a Path sorts otherwise on Windows
        match = _SAMPLES.fullmatch(path.name)
        if match is None:
            continue
        task = _text(match["task"])
        logs = tasks.setdefault(task, [])
        results = _results(path, match["run"] or match["late_run"] or "", report)
        log = LogFile(path, _model(results.get("model_name")) or _text(path.resolve().parent.name), results)
        if earlier := next((other for other in logs if other.model == log.model), None):
            what = f"is another run of {log.model!r} on {task!r}, beside {earlier.path}"
            report(SourceProblem(str(path), what, "keep the run to be imported and move the other away"))
        else:
            logs.append(log)
    if not tasks and logdir.is_dir() and (links := not_followed_problems(logdir)):
        raise InputError(links)
    if not tasks:
        fix = f"run lmms-eval with --log_samples, or {inspect_hint(logdir)} to see what this is"
        raise InputError.at(logdir, "holds no *_samples_<task>.jsonl", fix)
    return tasks


def _text(name: str) -> str:
    """A name that can be written: one of a file need not be UTF-8."""
    return name.encode("utf-8", "replace").decode()


def _model(name: Any) -> str:
    """The name of a model; of one in the cache of a Hub, the name that it has there."""
    if not isinstance(name, str):
        return ""
    cached = _HUB_CACHE.search(f"{name}/")
    return _text("/".join(filter(None, cached.groups())) if cached else name)


def _results(samples: Path, run: str, report: Report) -> Mapping[str, Any]:
    names = [f"{run}_results.json", f"results_{run}.json"] if run else ["results.json"]
    path = next((p for name in names if (p := samples.with_name(name)).is_file()), None)
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            data = file.read(MAX_IMAGE_BYTES + 1)
        if len(data) > MAX_IMAGE_BYTES:
            raise ValueError(f"it has more than {MAX_IMAGE_BYTES:,} bytes")
        # Python writes NaN for a metric that could not be aggregated; only names and settings are read here.
        loaded = json.loads(data.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        report(SourceProblem(str(path), f"cannot be read: {error}", "restore the file, or remove it"))
        return {}
    return loaded if isinstance(loaded, dict) else {}

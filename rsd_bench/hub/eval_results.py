"""`.eval_results/*.yaml` of a router's model repository: what the Hub shows on the model's page and gathers on a board.

One value per task, the in-domain RCS of a scenario, written through huggingface_hub's own types from a result of the
committed leaderboard. The notes say what stands beside the value there: interval, threshold, latency basis, data.
"""

from __future__ import annotations

import json
from pathlib import Path

from rsd_bench.config import IN_DOMAIN
from rsd_bench.dataset.layout import task_id
from rsd_bench.evaluation.result import EvalScore, Result
from rsd_bench.schemas import validator
from rsd_bench.types import InputError, Problem

FOLDER = ".eval_results"


def read_result(board: Path, slug: str) -> Result:
    """The result of a slug on a leaderboard folder. InputError where there is none, or it is no result."""
    path = board / "results" / f"{slug}.json"
    known = sorted(p.stem for p in (board / "results").glob("*.json"))
    if slug not in known:
        raise InputError.at(path, f"no result of {slug!r}", f"results: {', '.join(known) or 'none'}; run board build")
    try:
        data = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError.at(path, f"is not JSON: {error}", "run `rsd-bench board build`") from None
    faults = list(validator("result").iter_errors(data))
    if faults:
        raise InputError([Problem(str(path), fault.message[:300], "run `rsd-bench board build`") for fault in faults])
    return Result.from_dict(data)


def eval_result_files(
    result: Result, dataset: str, *, revision: str | None = None, source_url: str | None = None
) -> dict[str, bytes]:
    """Path in the model repository -> content, for `hub.push.publish_model` or a folder.

    dataset: the benchmark's Hub id. revision: the dataset's commit. source_url: where the board stands.
    InputError where the result entered no in-domain scenario.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=dataset,
            task_id=task_id(score.scenario),
            value=score.rcs.value,
            dataset_revision=revision,
            source_url=source_url,
            notes=_notes(result, score),
        )
        for score in result.scores
        if score.track == IN_DOMAIN
    ]
    if not entries:
        raise InputError.at(result.slug, "entered no in-domain scenario", "a task's value is the in-domain RCS")
    text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=120)
    return {f"{FOLDER}/{dataset.rpartition('/')[2]}.yaml": text.encode()}


def _notes(result: Result, score: EvalScore) -> str:
    data, asked = result.dataset, (result.scenarios or {}).get(score.scenario)
    return (
        f"RCS{f' at {asked.described}' if asked else ''}, "
        f"rsd_bench metrics version {result.metrics_version}, 95 % interval "
        f"[{score.rcs.low:.4f}, {score.rcs.high:.4f}] over {score.groups} groups, "
        f"{'tau chosen per fold' if score.tau is None else f'tau {score.tau:g}'}, "
        f"latency basis {', '.join(result.latency_basis)}, "
        f"data {data.name} {data.version} (manifest {data.manifest_sha256[:12]})"
    )

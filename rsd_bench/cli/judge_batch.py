"""`rsd-bench judge --batch-out` and `--batch-in`: the same requests, by files of the Batch API."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli import panels
from rsd_bench.cli.output import print_json, say
from rsd_bench.types import Problem

if TYPE_CHECKING:
    from rsd_bench.endpoints.answer_store import AnswerStore
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.endpoints.prices import Budget
    from rsd_bench.judge.model_judge import ModelJudge, Scope


@dataclass(frozen=True)
class BatchOptions:
    """Files of the Batch API in place of calls."""

    batch_out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an OpenAI Batch file, ask nothing.", rich_help_panel=panels.BATCH),
    ] = None
    batch_in: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Read Batch output, ask nothing.", rich_help_panel=panels.BATCH),
    ] = None

    def require_use(self, closed: str | None) -> None:
        """A usage error for an option that the run would ignore. closed: the judge's name where it asks no model."""
        if self.batch_out and (closed or self.batch_in):
            what = f"{closed} asks no model" if closed else "a run writes a Batch file or reads some"
            raise typer.BadParameter(f"{what}: leave one out", param_hint="--batch-out")
        if self.batch_in and closed:
            raise typer.BadParameter(f"{closed} asks no model: leave one out", param_hint="--batch-in")


def write_judge_batch(judge: ModelJudge, scope: Scope, answers: AnswerStore, path: Path, as_json: bool) -> None:
    """Write what is still to be asked as input files of the Batch API."""
    from rsd_bench.endpoints.batch_files import write_batch
    from rsd_bench.judge.model_judge import first_requests, repair_requests

    requests = chain(first_requests(judge, scope), repair_requests(judge, scope, answers))
    files = write_batch(requests, answers, scope.media, path)
    if as_json:
        print_json({"ok": True, "files": {str(file): n for file, n in files}})
        return
    for file, n in files:
        say(f"{n} requests  {file}")
    say(
        "upload each file as a batch for /v1/chat/completions, then: judge STORE ... --batch-in OUTPUT"
        if files
        else "nothing to ask"
    )


def read_judge_batch(
    judge: ModelJudge, scope: Scope, answers: AnswerStore, paths: list[Path], budget: Budget, as_json: bool
) -> tuple[Tally, list[Problem]]:
    """What the files answered, and what is wrong with them: other options of the run ask for other requests."""
    from rsd_bench.endpoints.batch_files import read_batch
    from rsd_bench.endpoints.engine import Tally
    from rsd_bench.judge.model_judge import first_requests, repair_requests

    requests = chain(first_requests(judge, scope), repair_requests(judge, scope, answers))
    counts = read_batch(paths, requests, answers, budget)
    if not as_json:
        say("read      " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    tally = Tally()
    for status, n in counts.items():
        if status not in ("unknown", "differs"):
            tally.asked[judge.endpoint.model, status] += n
    problems = []
    if counts["unknown"]:
        what = f"{counts['unknown']} lines answer nothing that this run asks"
        problems.append(Problem("--batch-in", what, "give the options of --batch-out, --repeats and --param too"))
    if counts["differs"]:
        what = f"{counts['differs']} lines answer otherwise than what the store holds, which stays"
        problems.append(Problem("--batch-in", what, "read one answer to a request, by a call or from one batch"))
    requests = chain(first_requests(judge, scope), repair_requests(judge, scope, answers))
    if open_keys := {request.key for request in requests if not answers.has_final(request.key)}:
        what = f"{len(open_keys)} requests are not answered"
        fix = "give the options of --batch-out, or write what is missing with --batch-out again"
        problems.append(Problem("--batch-in", what, fix))
    return tally, problems

"""`rsd-bench data diff` and `data push`: what publishing would change, and publishing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_bench.cli.output import AsJson, DryRun, only_shows, print_json, say

if TYPE_CHECKING:
    from rsd_bench.hub.push import PushPlan


def diff(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder.")],
    repo: Annotated[str, typer.Argument(metavar="REPO[@REV]", help="The published one: Hub id, or a folder.")],
    as_json: AsJson = False,
) -> None:
    """What publishing DIR would change: rows, labels per MES, scores, columns; patch, minor or major version."""
    from rsd_bench.hub.dataset_diff import diff_with_published

    found = diff_with_published(folder, repo)
    if as_json:
        print_json(found.to_dict())
    else:
        say(found.to_text())


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="Hub dataset, org/name.")],
    version: Annotated[str | None, typer.Option(metavar="vX.Y.Z", help="Default: the folder's own.")] = None,
    dry_run: DryRun = None,
    private_outcomes: Annotated[
        str | None, typer.Option(metavar="REPO", help="Gated repository for the outcomes of the test split.")
    ] = None,
    benchmark: Annotated[bool, typer.Option(help="With eval.yaml, which the Hub holds against its own list.")] = True,
    as_json: AsJson = False,
) -> None:
    """Publish a dataset as one commit and a tag. What a licence forbids to re-host stays here."""
    from rsd_bench.hub.publication import read_version
    from rsd_bench.hub.push import planned_push
    from rsd_bench.hub.push import push as carry_out

    wanted = read_version(version) if version is not None else None
    with planned_push(folder, repo, wanted, private_outcomes, benchmark=benchmark) as plan:
        if not as_json:
            say(_plan_text(plan))
        dry = only_shows(dry_run, as_json)
        commit = None if dry else carry_out(plan)
        if as_json:
            print_json({"ok": True, "dry_run": dry, "commit": commit, **plan.to_dict()})
        elif dry:
            say("nothing was sent (--no-dry-run publishes)")
        else:
            say(f"commit    {commit}")
            say(f'load      rsd_bench.load("{plan.repo}@{plan.version.tag}", mes=6)')


def _plan_text(plan: PushPlan) -> str:
    lines = [f"{plan.manifest.name} {plan.version.tag} -> {plan.repo}, manifest {plan.manifest_sha256[:12]}"]
    if withheld := plan.manifest.withheld:
        lines.append(f"withheld  images and texts of {', '.join(withheld)} (not redistributable)")
    for side, commit in (("", plan.commit), (f" -> {plan.private.repo}" if plan.private else "", plan.private)):
        if commit is None:
            continue
        verb = "create" if commit.head is None else "change"
        lines.append(f"{verb}    {len(commit.add)} files to send ({commit.bytes / 1e6:.1f} MB){side}")
        lines += [f"  send    {path}" for path in sorted(commit.add)]
        lines += [f"  delete  {path}" for path in commit.delete]
        lines.append(f"  keep    {len(commit.unchanged)} files that are there already")
    if plan.done:
        lines.append(f"{plan.version.tag} is published as it is here")
    return "\n".join(lines)

"""The scenarios of cohorts as a TOML file, in the shape of `presets/scenarios.toml`, with what each rests on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from rsd_bench.folders import write_file
from rsd_bench.inert_text import one_line
from rsd_bench.judge.fit_scenarios import Cohort
from rsd_bench.types import InputError, Interval

_FIRST = "# Scenarios fitted to people's satisfaction by `rsd-bench scenario fit`."
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def check_scenario_file(path: Path) -> None:
    """InputError where `path` is something that this command did not write: it must not be lost."""
    if path.is_dir():
        raise InputError.at(path, "is a folder", "name a file with --out")
    if path.exists() and not path.read_bytes().startswith(_FIRST.encode()):
        raise InputError.at(path, "was not written by `scenario fit`", "name a new file with --out")


def write_scenarios(path: Path, cohorts: Sequence[Cohort], ratings: str, like: str) -> None:
    """Write the fitted scenarios; ratings: the name of their file, like: of the preset that gave the weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, scenarios_toml(cohorts, ratings, like).encode())


def scenarios_toml(cohorts: Sequence[Cohort], ratings: str, like: str) -> str:
    """The file as text: a table a scenario, comments on those that were fitted and on those that were not."""
    lines = [
        _FIRST,
        f"# MES: from {one_line(ratings)}. alpha, beta and gamma: those of {like}; ratings are silent on them.",
    ]
    for cohort in cohorts:
        lines.append("")
        lines += [f"# {line}" for line in _comments(cohort)]
        if of := cohort.scenario:
            lines.append(f"[{cohort.name if _BARE_KEY.fullmatch(cohort.name) else json.dumps(cohort.name)}]")
            lines += [f"{name} = {_number(getattr(of, name))}" for name in ("mes", "alpha", "beta", "gamma")]
    return "\n".join(lines) + "\n"


def _comments(cohort: Cohort) -> list[str]:
    who = (
        "all ratings" if cohort.cohort is None else f"cohort {json.dumps(one_line(cohort.cohort), ensure_ascii=False)}"
    )
    told = f"{who}: n = {cohort.ratings} ratings of {cohort.answers} answers, {100 * cohort.satisfied:.0f} % satisfied"
    if not cohort.scenario or not cohort.fit:
        return [told, f"no scenario: {cohort.refused}"]
    fit = cohort.fit
    mes = f"MES {_bounds(fit.mes, 1)} (95 % interval over {fit.n_groups} groups of queries)"
    return [told, f"{mes}, AUROC {_bounds(fit.auroc, 2)}"]


def _number(value: float) -> str:
    return repr(int(value) if value == int(value) else value)


def _bounds(figure: Interval, digits: int) -> str:
    return f"{figure.low:.{digits}f} to {figure.high:.{digits}f}"

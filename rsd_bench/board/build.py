"""The leaderboard: a pure function of a folder of submissions and a dataset.

    leaderboard/results/<slug>.json      one Result
    leaderboard/leaderboard.json         rows by track and scenario, references, sensitivity, refused submissions
    leaderboard/leaderboard.csv, .md     the same rows for a spreadsheet and for people
    leaderboard/index.html               the same board as one static page

Ranks are bands: routers whose paired interval contains 0 share one. `check_board` says which committed files differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.board.flags import DECLARED, decision_flags, duplicate_flags
from rsd_bench.board.lines import to_json
from rsd_bench.board.page import to_html
from rsd_bench.board.render import to_csv, to_markdown
from rsd_bench.board.scored import Scored, score_folders
from rsd_bench.board.sensitivity import sensitivity
from rsd_bench.board.what_if import domain_frames, statistics_of
from rsd_bench.config import MES_LEVELS, N_BOOT, SCENARIOS
from rsd_bench.dataset.benchmark import Benchmark, Part
from rsd_bench.folders import write_file
from rsd_bench.metrics import reference_scores
from rsd_bench.stats import rank_bands
from rsd_bench.types import InputError, Problem, Scenario
from rsd_bench.version import METRICS_VERSION, __version__

RESULTS = "results"
PAGE = "index.html"
_DECIMALS = 9


def build_board(
    submissions: Path, benchmark: Benchmark, *, n_boot: int = N_BOOT, seed: int = 0, cached: Path | None = None
) -> dict[str, bytes]:
    """Every file of the board by relative path, from the folders below `submissions` (names with _ or . are skipped).

    A submission with problems is not scored; the board lists it with them. cached: a folder that keeps scores between
    calls. InputError where there is no folder at all.
    """
    if not submissions.is_dir():
        raise InputError.at(submissions, "is not a folder", "name the folder that holds one folder per router")
    folders = sorted(p for p in submissions.iterdir() if p.is_dir() and p.name[0] not in "._")
    outcomes = score_folders(folders, benchmark, n_boot, seed, cached)
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
    refused = [
        {"slug": folder.name, "problems": [_relative(p, submissions) for p in outcome]}
        for folder, outcome in zip(folders, outcomes, strict=True)
        if not isinstance(outcome, Scored)
    ]
    board = _board(accepted, benchmark, n_boot, seed) | {"refused": refused}
    files = {f"{RESULTS}/{scored.slug}.json": scored.result_json for scored in accepted}
    tables = [{k: v for k, v in table.items() if k != "sweeps"} for table in board["tables"]]  # results/ has them
    files["leaderboard.json"] = to_json(board | {"tables": tables}, depth=4)
    files["leaderboard.csv"] = to_csv(board).encode()
    files["leaderboard.md"] = to_markdown(board).encode()
    files[PAGE] = to_html(board)
    return files


def write_board(files: dict[str, bytes], out: Path) -> None:
    """Write the files of a board and remove results of submissions that are gone."""
    (out / RESULTS).mkdir(parents=True, exist_ok=True)
    for stale in set(_committed(out)) - set(files):
        (out / stale).unlink()
    committed = _committed(out)
    for name, data in files.items():
        if committed.get(name) != data:
            write_file(out / name, data)


def check_board(files: dict[str, bytes], out: Path) -> list[Problem]:
    """Files that differ from what the submissions and the dataset give; empty where the board is up to date."""
    mend = "run `rsd-bench board build` and commit"
    committed = _committed(out)
    problems = [Problem(str(out / name), "is missing", mend) for name in sorted(set(files) - set(committed))]
    problems += [Problem(str(out / name), "has no submission", mend) for name in sorted(set(committed) - set(files))]
    for name in sorted(set(files) & set(committed)):
        if committed[name] != files[name]:
            problems.append(Problem(str(out / name), "differs from what the submissions give", mend))
    return problems


def _committed(out: Path) -> dict[str, bytes]:
    found = [*out.glob("leaderboard.*"), *out.glob(PAGE), *(out / RESULTS).glob("*.json")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def _relative(problem: Problem, submissions: Path) -> dict[str, str]:
    """The problem with a path that does not depend on where the checkout lies."""
    return asdict(Problem(problem.where.replace(f"{submissions}/", ""), problem.what, problem.mend))


def _board(accepted: list[Scored], benchmark: Benchmark, n_boot: int, seed: int) -> dict[str, Any]:
    manifest = benchmark.manifest
    tables = []
    for track in benchmark.tracks:
        for scenario in SCENARIOS.values():
            entered = [s for s in accepted if s.row(track, scenario.name)]
            if entered:
                tables.append(_table(entered, benchmark, track, scenario))
    duplicates = duplicate_flags((s.slug, s.digest) for s in accepted)
    return {
        "dataset": {k: manifest[k] for k in ("name", "version", "pair", "queries")}
        | {"manifest_sha256": benchmark.manifest_sha256},
        "metrics_version": METRICS_VERSION,
        "package_version": __version__,
        "latency_basis": benchmark.latency_basis,
        "bootstrap": {"n_boot": n_boot, "seed": seed, "unit": "group"},
        "scenarios": {name: asdict(scenario) for name, scenario in SCENARIOS.items()},
        "noise": noise_ceiling(manifest),
        "submissions": [
            {
                "slug": s.slug,
                "sha256": s.sha256,
                "name": s.meta["name"],
                "authors": s.meta["authors"],
                "url": s.meta.get("url"),
                "description": s.meta.get("description", ""),
                "tau": s.meta["tau"],
                "router_latency": s.result["router_latency"],
                "flags": [
                    *duplicates.get(s.slug, []),
                    *([DECLARED] if s.result["router_latency"]["basis"] == "declared" else []),
                ],
            }
            for s in accepted
        ],
        "tables": tables,
    }


def noise_ceiling(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Per scenario the share of queries whose label flips when judged again, from the audit; None without an audit."""
    flips = (manifest.get("flip_prob") or {}).get("all")
    if not flips:
        return None
    levels = [mes for mes in MES_LEVELS if str(mes) in flips]
    ceiling = {}
    for scenario in SCENARIOS.values():
        flip = float(np.interp(scenario.mes, levels, [float(flips[str(mes)]) for mes in levels]))
        ceiling[scenario.name] = {"flip_prob": round(flip, _DECIMALS), "agreement_ceiling": round(1 - flip, _DECIMALS)}
    return ceiling


def _table(entered: list[Scored], benchmark: Benchmark, track: str, scenario: Scenario) -> dict[str, Any]:
    """One ranking: rows from the best band down, then reference policies without a rank."""
    part = benchmark.part(track, "test")
    rows = {s.slug: s.row(track, scenario.name) or {} for s in entered}
    frames = domain_frames(part)
    bands = _bands(entered, track, scenario, None, {slug: row["rcs"]["value"] for slug, row in rows.items()})
    by_domain = {f["domain"]: bands for f in frames}
    if len(frames) > 1:
        for position, frame in enumerate(frames):
            values = {slug: row["domains"][position]["rcs"]["value"] for slug, row in rows.items()}
            by_domain[frame["domain"]] = _bands(entered, track, scenario, frame["domain"], values)
    order = sorted(rows, key=lambda slug: (bands[slug], -rows[slug]["rcs"]["value"], slug))
    statistics = {s.slug: s.statistics[track][scenario.name] for s in entered}
    fixed = {
        name: statistics_of(np.full(len(part), name == "all-edge"), part, 0.0) for name in ("all-edge", "all-cloud")
    }
    names = {s.slug: s.meta["name"] for s in entered}
    left_out = ("track", "scenario", "references", "sweep")
    return {
        "track": track,
        "scenario": scenario.name,
        "n": len(part),
        "rows": [
            {
                "band": bands[slug],
                "slug": slug,
                "name": names[slug],
                **{k: v for k, v in rows[slug].items() if k not in left_out},
                "domains": [d | {"band": by_domain[d["domain"]][slug]} for d in rows[slug]["domains"]],
                "flags": decision_flags(rows[slug]),
            }
            for slug in order
        ],
        "references": [r for r in rows[order[0]]["references"] if r["policy"] != "random"],
        "domain_references": _domain_references(part, scenario),
        "random": {s.slug: _random(rows[s.slug]) for s in entered},
        "sweeps": {s.slug: rows[s.slug]["sweep"] for s in entered},
        "what_if": {"domains": frames, "statistics": statistics, "fixed": fixed},
        "sensitivity": sensitivity(frames, statistics, fixed, scenario),
    }


def _domain_references(part: Part, scenario: Scenario) -> dict[str, list[dict[str, Any]]]:
    """Reference policies within each domain."""
    found = {}
    for domain, inside in part.by_domain.items():
        references = reference_scores(part.outcomes.take(inside), scenario)
        found[domain] = [
            {"policy": name, **{k: round(v, _DECIMALS) for k, v in row.to_dict().items()}}
            for name, row in references.items()
        ]
    return found


def _bands(
    entered: list[Scored], track: str, scenario: Scenario, domain: str | None, values: Mapping[str, float]
) -> dict[str, int]:
    """Rank band of each slug on a track, or within one domain of it, from paired samples."""
    samples = np.column_stack([s.samples[track, scenario.name, domain] for s in entered]).astype(np.float64)
    bands = rank_bands(np.array([values[s.slug] for s in entered]), samples)
    return {s.slug: int(band) for s, band in zip(entered, bands, strict=True)}


def _random(row: dict[str, Any]) -> dict[str, Any]:
    """The random policy at the CA of a row."""
    return next(dict(reference) for reference in row["references"] if reference["policy"] == "random")

"""The leaderboard: a pure function of a folder of submissions and a dataset.

    leaderboard/results/<slug>.json      one Result
    leaderboard/leaderboard.json         rows by track and scenario, references, sensitivity, refused submissions
    leaderboard/leaderboard.csv, .md     the same rows for a spreadsheet and for people
    leaderboard/index.html               the same board as one static page

`check_board` says which committed files differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from rsd_bench.board.board_overall import board_overall
from rsd_bench.board.board_tables import board_tables
from rsd_bench.board.copies import alike
from rsd_bench.board.flags import DECLARED, copy_flag
from rsd_bench.board.json_lines import to_json
from rsd_bench.board.leaderboard import BoardDataset, BoardSubmission, Leaderboard, NoiseCeiling, Refused
from rsd_bench.board.page import to_html
from rsd_bench.board.render import to_csv, to_markdown
from rsd_bench.board.scored import Scored, files_sha256, score_folders
from rsd_bench.config import MES_LEVELS, N_BOOT
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation.costs import prices_of
from rsd_bench.evaluation.result import Resampling
from rsd_bench.folders import clear_unfinished, write_file
from rsd_bench.types import InputError, Problem, Scenario
from rsd_bench.version import METRICS_VERSION, __version__

RESULTS = "results"
BOARD, CSV, MARKDOWN = "leaderboard.json", "leaderboard.csv", "leaderboard.md"
PAGE = "index.html"
_DECIMALS = 9


@dataclass(frozen=True)
class Board:
    """The leaderboard, and results/<slug>.json as scoring gave them."""

    data: Leaderboard
    results: dict[str, bytes]

    def files(self) -> dict[str, bytes]:
        """Every file of the board by relative path."""
        return {
            **self.results,
            BOARD: to_json(self.data.to_dict(), depth=4),
            CSV: to_csv(self.data).encode(),
            MARKDOWN: to_markdown(self.data).encode(),
            PAGE: to_html(self.data),
        }


def build_board(submissions: Path, benchmark: Benchmark, **options: Any) -> dict[str, bytes]:
    """Every file of the board by relative path; arguments as `collect_board`."""
    return collect_board(submissions, benchmark, **options).files()


def collect_board(
    submissions: Path,
    benchmark: Benchmark,
    *,
    n_boot: int = N_BOOT,
    seed: int = 0,
    cached: Path | None = None,
    prices: Path | None = None,
) -> Board:
    """The board of the folders below `submissions` (names with _ or . are skipped).

    A submission with problems is not scored; the board lists it with them. cached: a folder that keeps scores between
    calls. prices: a file of prices, default the shipped one. InputError where there is no folder at all.
    """
    folders, priced = submission_folders(submissions), prices_of(benchmark, prices)
    outcomes = score_folders(folders, benchmark, n_boot, seed, cached, priced)
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
    refused = [
        _refused(folder, outcome, submissions)
        for folder, outcome in zip(folders, outcomes, strict=True)
        if not isinstance(outcome, Scored)
    ]
    manifest = benchmark.manifest
    data = Leaderboard(
        dataset=BoardDataset(
            name=manifest.name,
            version=manifest.version,
            pair=manifest.pair,
            queries=manifest.queries,
            manifest_sha256=benchmark.manifest_sha256,
        ),
        metrics_version=METRICS_VERSION,
        package_version=__version__,
        latency_basis=tuple(benchmark.latency_basis),
        bootstrap=Resampling(n_boot, seed),
        scenarios=benchmark.scenarios,
        scenarios_given=benchmark.given_scenarios is not None,
        noise=noise_ceiling(manifest.flip_prob, benchmark.scenarios),
        submissions=_submissions(accepted),
        overall=board_overall(accepted),
        prices_day=priced.day if any(e.score.saved_usd for s in accepted for e in s.entries.values()) else None,
        tables=board_tables(accepted, benchmark),
        refused=tuple(refused),
    )
    return Board(data, {f"{RESULTS}/{scored.slug}.json": scored.result_json for scored in accepted})


def submission_folders(submissions: Path) -> list[Path]:
    """The folders of submissions below a folder, by name; InputError where it is none."""
    if not submissions.is_dir():
        raise InputError.at(submissions, "is not a folder", "name the folder that holds one folder per router")
    return sorted(p for p in submissions.iterdir() if p.is_dir() and p.name[0] not in "._")


def write_board(files: dict[str, bytes], out: Path) -> None:
    """Write the files of a board and remove results of submissions that are gone.

    InputError where `out` holds files of these names that are no board's, or where a board with routers would be left
    without any: a folder that was mistyped, or is not checked out, must not erase what is published.
    """
    committed = _committed(out)
    old = _read(committed.get(BOARD, b""))
    if committed and "tables" not in old:
        raise InputError.at(out, f"holds {min(committed)} but no board", "give --out a new folder, or that of a board")
    if old.get("submissions") and not any(name.startswith(f"{RESULTS}/") for name in files):
        why, look = "there is no submission", "name the right --submissions"
        if _read(files[BOARD])["refused"]:
            why, look = "every submission is refused", "see `rsd-bench submit check`, or name the right --data"
        what = f"would lose all {len(old['submissions'])} routers: {why}"
        raise InputError.at(out, what, f"{look}; an empty board goes to a new --out, or here once this one is removed")
    (out / RESULTS).mkdir(parents=True, exist_ok=True)
    for folder in (out, out / RESULTS):
        clear_unfinished(folder)
    for stale in set(committed) - set(files):
        if _read(committed[stale]).keys() >= {"slug", "scores"}:
            (out / stale).unlink()
    for name, data in sorted(files.items(), key=lambda item: item[0] != BOARD):  # first what says that this is a board
        if committed.get(name) != data:
            write_file(out / name, data)


def check_board(files: dict[str, bytes], out: Path) -> list[Problem]:
    """Files that differ from what the submissions and the dataset give; empty where the board is up to date."""
    fix = "run `rsd-bench board build` and commit"
    committed = _committed(out)
    problems = [Problem(str(out / name), "is missing", fix) for name in sorted(set(files) - set(committed))]
    stray = "run `rsd-bench board build` or remove it, and commit"
    problems += [Problem(str(out / name), "has no submission", stray) for name in sorted(set(committed) - set(files))]
    for name in sorted(set(files) & set(committed)):
        if committed[name] != files[name]:
            problems.append(Problem(str(out / name), "differs from what the submissions give", fix))
    return problems


def _committed(out: Path) -> dict[str, bytes]:
    found = [*(out / name for name in (BOARD, CSV, MARKDOWN, PAGE)), *(out / RESULTS).glob("*.json")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found if path.is_file()}


def _read(data: bytes) -> dict[str, Any]:
    """A JSON object; empty where the bytes are none."""
    try:
        value = orjson.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _refused(folder: Path, problems: list[Problem], submissions: Path) -> Refused:
    """A refused submission; paths do not depend on where the checkout lies.

    `board diff` tells by the SHA-256 that the code refuses what it took.
    """
    try:
        sha256 = None if folder.is_symlink() else files_sha256(folder)
    except OSError:
        sha256 = None
    shown = (Problem(_text(p.where.replace(f"{submissions}/", "")), _text(p.what), _text(p.fix)) for p in problems)
    return Refused(_text(folder.name), sha256, tuple(shown))


def _text(text: str) -> str:
    """Text that a file can hold: a file name may be no UTF-8, and must not stop the board."""
    return text.encode("utf-8", "backslashreplace").decode()


def _submissions(accepted: list[Scored]) -> tuple[BoardSubmission, ...]:
    """Who submitted, with the flags of a submission as a whole."""
    digests = {s.slug: {key: entry.probabilities_sha256 for key, entry in s.entries.items()} for s in accepted}
    copies = alike({s.slug: s.rankings for s in accepted}, digests)
    flagged = []
    for submission in (s.submission for s in accepted):
        declared = [DECLARED] if submission.router_latency.basis == "declared" else []
        same = [copy_flag(copies[submission.slug])] if submission.slug in copies else []
        flagged.append(replace(submission, flags=(*same, *declared)))
    return tuple(flagged)


def noise_ceiling(audit: Mapping[str, Any] | None, scenarios: Mapping[str, Scenario]) -> dict[str, NoiseCeiling] | None:
    """Per scenario the share of queries whose label flips when judged again, from the audit; None without an audit."""
    flips = (audit or {}).get("all")
    if not flips:
        return None
    levels = [mes for mes in MES_LEVELS if str(mes) in flips]
    ceiling = {}
    for scenario in scenarios.values():
        flip = float(np.interp(scenario.mes, levels, [float(flips[str(mes)]) for mes in levels]))
        ceiling[scenario.name] = NoiseCeiling(round(flip, _DECIMALS), round(1 - flip, _DECIMALS))
    return ceiling

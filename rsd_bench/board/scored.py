"""Score a folder of submissions, each one once: what follows from a submission's files is kept in a cache.

Key: sha256 over the submission's file names and bytes, the dataset's manifest, the source of this package, prices,
n_boot and seed. Nothing else goes into a score, so a cached one cannot be stale. Layout: `<key>.json` (what `Scored`
holds), `<key>.result.json` (the published result, only ever copied), `<key>.npy` (float32 samples, one row a key and
repeat, then the overall figures) and `<key>.orders.npy` (the rankings, end to end); the first is written last and
holds the second's SHA-256, since nothing that reads the second would see that it was cut short.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from tqdm import tqdm

from rsd_bench.board.case import Spread, spread_of
from rsd_bench.board.copies import Ranking, Rankings, rankings_of
from rsd_bench.board.curves import pack_curve
from rsd_bench.board.json_lines import to_json
from rsd_bench.board.leaderboard import BoardSubmission
from rsd_bench.board.what_if import Statistics, domain_frames, statistics_of
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.endpoints.prices import Prices
from rsd_bench.evaluation.evaluate import Samples, score_with_samples
from rsd_bench.evaluation.result import EvalScore, Overall, json_data
from rsd_bench.evaluation.track_score import met_tiers
from rsd_bench.folders import write_file
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.submission import ALLOWED_FILES, Submission
from rsd_bench.types import InputError, Problem

_MAX_BYTES = 256 << 20  # a larger submission is checked and scored each time
_WORTH_A_POOL = 8
_FIX = "run `rsd-bench submit check` on it"


@dataclass(frozen=True)
class Entry:
    """What the board keeps of a submission on one track and scenario. The score has no sweep: `curve` does.

    mean_tau: over repeats and folds; None of more tiers than two.
    """

    score: EvalScore
    curve: str  # pack_curve
    statistics: Statistics
    spread: Spread
    mean_tau: float | None
    probabilities_sha256: str
    decisions_sha256: str

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Entry:
        return cls(**{**data, "score": EvalScore.from_dict(data["score"])})


@dataclass(frozen=True)
class Scored:
    """What the board keeps of a submission.

    entries: by (track, scenario); overall: over the dataset's suite, None where not all of it is entered.
    """

    submission: BoardSubmission
    entries: Mapping[tuple[str, str], Entry]
    result_json: bytes  # results/<slug>.json
    samples: Samples
    rankings: Rankings
    overall: Overall | None = None

    @property
    def slug(self) -> str:
        return self.submission.slug


Outcome = Scored | list[Problem]


def default_cache() -> Path:
    """Where scores are kept between runs: $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rsd-bench" / "scores"


def score_folders(
    folders: Sequence[Path], benchmark: Benchmark, n_boot: int, seed: int, cached: Path | None, prices: Prices
) -> list[Outcome]:
    """A Scored, or the problems, of each folder in order. `cached`: folder of kept scores, None = keep none."""
    work = benchmark, n_boot, seed, prices
    keys = [_key(folder, *work) if cached else None for folder in folders]
    outcomes: dict[int, Outcome | None] = {}

    def score(todo: list[int]) -> None:
        for i, outcome in zip(todo, _score_all([folders[i] for i in todo], *work), strict=True):
            outcomes[i], key = outcome, keys[i]
            if cached and key and isinstance(outcome, Scored):
                with suppress(OSError):  # a cache that cannot be written costs time only
                    _keep(cached, key, outcome)

    kept = {i: key for i, key in enumerate(keys) if cached and key and _kept_file(cached, key).is_file()}
    with ThreadPoolExecutor(1) as aside:  # reads what is kept while the rest is scored
        reading = aside.submit(lambda: {i: _load(cached, key) for i, key in kept.items()} if cached else {})
        score([i for i in range(len(folders)) if i not in kept])
        outcomes |= reading.result()
    score([i for i in kept if outcomes[i] is None])  # damaged
    return [outcome for _, outcome in sorted(outcomes.items()) if outcome is not None]


def processors() -> int:
    """How many processors this process may use, at most 8."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


def _score_all(folders: list[Path], *work: Any) -> Any:
    if not folders:
        return
    bar: dict[str, Any] = {"desc": "scoring", "unit": "submission", "disable": None, "total": len(folders)}
    if len(folders) < _WORTH_A_POOL:
        yield from tqdm((_score(folder, *work) for folder in folders), **bar)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processors(), context, _start_worker, work) as pool:
        yield from tqdm(pool.map(_in_worker, folders, chunksize=4), **bar)


_WORK: tuple[Any, ...] = ()


def _start_worker(*work: Any) -> None:
    global _WORK
    _WORK = work


def _in_worker(folder: Path) -> Outcome:
    return _score(folder, *_WORK)


def _score(folder: Path, benchmark: Benchmark, n_boot: int, seed: int, prices: Prices) -> Outcome:
    """A Scored, or problems: whatever a folder does to its reader is that folder's fault and stops no other."""
    try:
        submission, problems = check_submission(folder, benchmark)
        return problems if submission is None else _scored(submission, folder, benchmark, n_boot, seed, prices)
    except UNREADABLE as error:
        return refusal(folder, error)


#: What a folder of somebody else's may raise in its reader; UnicodeError and most of Arrow's are ValueErrors.
UNREADABLE = (InputError, OSError, ValueError)


def refusal(folder: Path, error: Exception) -> list[Problem]:
    """The problems that an UNREADABLE folder is refused with."""
    if isinstance(error, InputError):
        return error.problems
    said = error.strerror if isinstance(error, OSError) else (str(error).splitlines() or [""])[0][:200]
    return [Problem(str(folder), f"cannot be scored: {said or type(error).__name__}", _FIX)]


def _scored(
    submission: Submission, folder: Path, benchmark: Benchmark, n_boot: int, seed: int, prices: Prices
) -> Scored:
    result, samples = score_with_samples(submission, benchmark, n_boot=n_boot, seed=seed, prices=prices)
    declared = submission.meta.declared
    listed = BoardSubmission(
        slug=submission.slug,
        sha256=files_sha256(folder),
        name=result.name,
        authors=declared.authors,
        url=declared.url,
        description=declared.description or "",
        tau=declared.tau,
        router_latency=result.router_latency,
    )
    to_json(json_data(listed))  # text that no file can hold is refused here, not when the board is written
    entries = {(score.track, score.scenario): _entry(submission, score, benchmark) for score in result.scores}
    rankings = rankings_of(submission, benchmark)
    return Scored(listed, entries, to_json(result.to_dict()), samples, rankings, result.overall)


def _entry(submission: Submission, score: EvalScore, benchmark: Benchmark) -> Entry:
    part = benchmark.part(score.track, "test")
    said, tiers = submission.entries[score.track, score.scenario], met_tiers(submission, part)
    same = said.p + 0.0  # -0.0 decides as 0.0 does
    digest = hashlib.sha256(same.tobytes()).hexdigest()
    tau = hashlib.sha256(said.tau.tobytes()).hexdigest() if score.tau is None else repr(score.tau)
    how = "" if score.kind == "query" and said.repeats == (0,) else f" {score.kind} {said.repeats}"
    deciding = f"{digest} {tau} {submission.router_latency_s!r}{how}"
    return Entry(
        score=replace(score, sweep=()),
        curve=pack_curve(score.sweep, float(part.last_latency.mean())),
        statistics=statistics_of(list(said.choice), tiers, part, submission.router_latency_s),
        spread=spread_of(list(said.choice), tiers, part, domain_frames(part)),
        mean_tau=float(said.tau.mean()) if tiers.count == 2 else None,
        probabilities_sha256=digest,
        decisions_sha256=hashlib.sha256(deciding.encode()).hexdigest(),
    )


# --- the cache -----------------------------------------------------------------------------------------------------


def _key(folder: Path, benchmark: Benchmark, n_boot: int, seed: int, prices: Prices) -> str | None:
    """The key of a folder, or None where its files are none that a valid submission has."""
    try:
        files = sorted(folder.iterdir())
        if folder.is_symlink() or any(f.is_symlink() or not f.is_file() or f.name not in ALLOWED_FILES for f in files):
            return None
        if sum(f.stat().st_size for f in files) > _MAX_BYTES:
            return None
        of = f"{folder.resolve().name} {files_sha256(folder)} {benchmark.identity} {_code()} {n_boot} {seed} {prices}"
    except OSError:
        return None
    return hashlib.sha256(os.fsencode(of)).hexdigest()


def files_sha256(folder: Path) -> str:
    """SHA-256 over the names and bytes of a submission's files; of what is no plain file, over the name."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        content = file_sha256(file) if file.is_file() and not file.is_symlink() else "no file"
        digest.update(os.fsencode(f"{file.name} {content}\n"))
    return digest.hexdigest()


@cache
def _code() -> str:
    """SHA-256 over the package's source and presets: another formula is another key."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256(np.__version__.encode())
    for path in sorted(
        p for p in root.rglob("*") if p.suffix in (".py", ".toml", ".json") and "editions" not in p.parts
    ):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _kept_file(cached: Path, key: str) -> Path:
    """What is written last of a score."""
    return cached / f"{key}.json"


def _load(cached: Path, key: str) -> Scored | None:
    try:
        kept = orjson.loads(_kept_file(cached, key).read_bytes())
        rows, orders = (np.load(cached / f"{key}{of}.npy", allow_pickle=False) for of in ("", ".orders"))
        result_json = (cached / f"{key}.result.json").read_bytes()
        if hashlib.sha256(result_json).hexdigest() != kept["result_sha256"]:
            return None
        entries = {(entry.score.track, entry.score.scenario): entry for entry in map(Entry.from_dict, kept["entries"])}
        cuts = [(*cut, np.array(points)) for *cut, points in kept["cuts"]]
        keys = [(track, scenario, domain) for track, scenario, domain, _ in cuts]
        *samples, of_suite = _parted(rows, [*(len(points) for *_, points in cuts), len(kept["overall_samples"])])
        ranked = _parted(orders, [length for *_, length in kept["rankings"]])
        return Scored(
            submission=BoardSubmission.from_dict(kept["submission"]),
            entries=entries,
            result_json=result_json,
            samples=Samples(
                rcs=dict(zip(keys, samples, strict=True)),
                points={cut: of[-1] for cut, of in zip(keys, cuts, strict=True)},
                overall=dict(zip(kept["overall_samples"], of_suite, strict=True)),
            ),
            rankings={
                (track, scenario, repeat, fold): Ranking(order, cut)
                for order, (track, scenario, repeat, fold, cut, _) in zip(ranked, kept["rankings"], strict=True)
            },
            overall=kept["overall"] and Overall.from_dict(kept["overall"]),
        )
    except (OSError, EOFError, ValueError, TypeError, KeyError):
        return None  # absent or damaged: score anew


def _parted(rows: NDArray[Any], lengths: Sequence[int]) -> list[NDArray[Any]]:
    """Rows in parts of these lengths. ValueError where they are not as many."""
    if sum(lengths) != len(rows):
        raise ValueError("cut short")
    return np.split(rows, np.cumsum(lengths)[:-1])


def _keep(cached: Path, key: str, scored: Scored) -> None:
    samples = scored.samples
    kept = {
        "submission": json_data(scored.submission),
        "entries": json_data(list(scored.entries.values())),
        "cuts": [[*cut, samples.points[cut].tolist()] for cut in samples.rcs],
        "overall": json_data(scored.overall),
        "overall_samples": list(samples.overall),
        "rankings": [[*at, ranking.cut, len(ranking.order)] for at, ranking in scored.rankings.items()],
        "result_sha256": hashlib.sha256(scored.result_json).hexdigest(),
    }
    cached.mkdir(parents=True, exist_ok=True)
    rows = np.concatenate([*samples.rcs.values(), *(of[None] for of in samples.overall.values())])
    orders = np.concatenate([ranking.order for ranking in scored.rankings.values()])
    for of, array in {"": rows, ".orders": orders}.items():
        partial = cached / f".{key}.{os.getpid()}.npy"
        np.save(partial, array)
        partial.replace(cached / f"{key}{of}.npy")
    write_file(cached / f"{key}.result.json", scored.result_json)
    write_file(_kept_file(cached, key), orjson.dumps(kept))

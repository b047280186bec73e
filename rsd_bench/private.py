"""Score on private test outcomes: aggregates only, and no way to subtract one query out of them.

What could leak an outcome, and what is done: figures that depend on single probabilities (sweep, AUROC, Brier, ECE) and
per-domain rows are not given; only the in-domain track is scored; every figure is rounded to three decimals; and two
decision vectors that are ever scored (this submission's scenarios, earlier submissions of anybody, all-edge, all-cloud)
differ on no query or on MIN_CELL at least, so that no difference of two results stands for fewer. A ledger keeps what
was scored and refuses an author past SCORING_BUDGET, which bounds what many answers together could tell.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsd_bench.arrays import BoolArray
from rsd_bench.config import IN_DOMAIN, MIN_CELL, N_BOOT, SCORING_BUDGET
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.evaluation import METRICS, route_of, score_submission
from rsd_bench.submission.model import Submission
from rsd_bench.types import InputError
from rsd_bench.version import METRICS_VERSION

_DECIMALS = 3
_SHOWN = ("scenario", "n", "tau", *METRICS, "best_fixed", "gain")


def score_private(
    submission: Submission,
    benchmark: Benchmark,
    ledger: Path,
    *,
    authors: Sequence[str] = (),
    budget: int = SCORING_BUDGET,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> dict[str, Any]:
    """The public result on private outcomes, entered in the ledger (JSON Lines, made where absent).

    authors: who asks, default those named in the submission. The same decisions again cost nothing. InputError where a
    budget is spent, or a difference to earlier decisions could tell single outcomes.
    """
    routes = {s: route_of(submission, t, s) for t, s in submission.p_edge if t == IN_DOMAIN}
    if not routes:
        raise InputError.at(submission.slug, f"does not enter {IN_DOMAIN}", "private outcomes score that track only")
    n = len(benchmark.part(IN_DOMAIN, "test"))
    if n < MIN_CELL:
        raise InputError.at(benchmark.folder, f"has {n} test queries, fewer than {MIN_CELL}", "score it in the open")
    who = sorted({_same(author) for author in authors or submission.meta["authors"]})
    decisions = {
        scenario: base64.b64encode(np.packbits(route).tobytes()).decode() for scenario, route in routes.items()
    }
    entry = {"authors": who, "slug": submission.slug, "data": benchmark.identity, "n": n, "decisions": decisions}
    entry["sha256"] = hashlib.sha256(json.dumps([benchmark.identity, decisions], sort_keys=True).encode()).hexdigest()
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+b") as book:
        fcntl.flock(book, fcntl.LOCK_EX)
        earlier = _read(ledger, book)
        if all(old["sha256"] != entry["sha256"] or not set(who) <= set(old["authors"]) for old in earlier):
            _within_budget(ledger, earlier, who, budget)
            _far_enough(submission, routes, [old for old in earlier if old["data"] == benchmark.identity], n)
            book.write((json.dumps(entry, ensure_ascii=False) + "\n").encode())
            book.flush()
    in_domain = Submission(submission.meta, {k: p for k, p in submission.p_edge.items() if k[0] == IN_DOMAIN})
    result = score_submission(in_domain, benchmark, n_boot=n_boot, seed=seed)
    return {
        "slug": submission.slug,
        "dataset": dict(result.dataset),
        "metrics_version": METRICS_VERSION,
        "private": {"min_cell": MIN_CELL, "decimals": _DECIMALS, "budget": budget, "used": _used(ledger, who)},
        "scores": [{key: _coarse(row[key]) for key in _SHOWN} for row in result.scores],
    }


def _same(author: str) -> str:
    """An author's name as the ledger knows it: case, width and spacing make no other person."""
    return " ".join(unicodedata.normalize("NFKC", author).casefold().split())


def _read(ledger: Path, book: Any) -> list[dict[str, Any]]:
    book.seek(0)
    try:
        return [json.loads(line) for line in book.read().splitlines() if line]
    except ValueError:
        raise InputError.at(ledger, "is damaged", "restore it; without it budgets cannot be kept") from None


def _used(ledger: Path, who: Sequence[str]) -> int:
    with ledger.open("rb") as book:
        return max(_count(_read(ledger, book), author) for author in who)


def _count(entries: list[dict[str, Any]], author: str) -> int:
    return len({entry["sha256"] for entry in entries if author in entry["authors"]})


def _within_budget(ledger: Path, earlier: list[dict[str, Any]], who: Sequence[str], budget: int) -> None:
    for author in who:
        used = _count(earlier, author)
        if used >= budget:
            what = f"{author!r} has used {used} of {budget} scorings on these outcomes"
            raise InputError.at(ledger, what, "choose among routers on the validation split")


def _far_enough(submission: Submission, routes: dict[str, BoolArray], earlier: list[dict[str, Any]], n: int) -> None:
    known: list[tuple[str, BoolArray]] = [("all-edge", np.ones(n, np.bool_)), ("all-cloud", np.zeros(n, np.bool_))]
    for old in earlier:
        for scenario, text in old["decisions"].items():
            bits = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(np.bool_)
            known.append((f"an earlier submission ({scenario})", bits))
    for scenario, route in routes.items():
        for name, other in known:
            differ = int((route != other).sum())
            if 0 < differ < MIN_CELL:
                what = f"{scenario}: decisions differ from {name} on {differ} test queries, fewer than {MIN_CELL}"
                mend = f"make them equal, or different on {MIN_CELL} or more: a smaller difference would tell outcomes"
                raise InputError.at(submission.slug, what, mend)
        known.append((f"its own in {scenario}", route))


def _coarse(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0
    return {key: _coarse(item) for key, item in value.items()} if isinstance(value, dict) else value

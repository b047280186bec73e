"""Score on private test outcomes: aggregates with noise, so that combining many of them tells no single outcome.

A share of solved queries is an exact count, and exact counts of cleverly chosen decisions can be combined until one
query is left. So each published figure follows from sums to which noise was added, as differential privacy does:
normal, with a standard deviation of NOISE_QUERIES queries. The noise is a keyed hash (HMAC-SHA256) of the decisions,
the MES and the outcomes: equal questions get equal answers, so asking again teaches nothing, and nobody without the key
can take it off. Nothing else leaves: no mean score, sweep, AUROC, Brier, ECE or domain row, and the intervals and the
size of the noise are made of published figures, decisions and groups, with no look at a private outcome.

Who knows every other outcome still guesses one right from one figure with probability Phi(1 / (2 NOISE_QUERIES)) =
0.54 only, and from all that an account is told (3 figures a scoring, and the fixed policies) with 0.73 at most: where
a dataset has more scenarios than NOISE_SCENARIOS, its noise grows with their root. Scenarios are always its own.

The key lies with the outcomes: whoever deletes the ledger gets the same answers again. The ledger keeps the budgets and
is made only where somebody says so, since a ledger that is lost gives every account its scorings back. JSON Lines:
{"ledger": 1}, then {"author", "slug", "asked"}, an entry a scoring, written before its result is told. Ledgers of
before 0.2.0 begin with {"key"}, which must be the key that lies with the outcomes now.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import IO, Any

import numpy as np

from rsd_bench.config import (
    CONFIDENCE,
    FIXED_TEST,
    IN_DOMAIN,
    MIN_CELL,
    NOISE_QUERIES,
    NOISE_SCENARIOS,
    SCORING_BUDGET,
)
from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.layout import PRIVATE_SPLIT
from rsd_bench.dataset.parts import Part
from rsd_bench.dataset.private_outcomes import KEY_BYTES, NOISE_KEY
from rsd_bench.evaluation.private_result import PrivateResult, PrivateScore, PrivateTerms
from rsd_bench.evaluation.result import DatasetVersion, are_presets
from rsd_bench.locks import lock_stream
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.metrics.routing import TERMS, metrics_of, term_columns
from rsd_bench.submission.submission import Submission
from rsd_bench.types import InputError, Interval, Scenario

_DECIMALS = 3
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_ACCOUNT = re.compile(r"(?=.{1,39}\Z)[a-z0-9](-?[a-z0-9])*")  # a login of the code host
_HEAD = {"ledger": 1}
_ENTRY = ("author", "slug", "asked")
_METRICS = ("apsp", "ca", "ail", "rcs")
_SOLVED, _LATENCY, _LARGE_LATENCY = (TERMS.index(name) for name in ("solved", "latency", "large_latency"))


def score_private(
    submission: Submission,
    benchmark: Benchmark,
    ledger: Path,
    *,
    author: str,
    budget: int = SCORING_BUDGET,
    new_ledger: bool = False,
) -> PrivateResult:
    """The public result on private outcomes, entered in the ledger before it is told.

    author: the account that asks, as the code host verified it; never taken from the submission. The same decisions
    again cost nothing. new_ledger: begin one. InputError where the account's budget is spent, where there is no
    ledger to enter it in, and with `new_ledger` where there is one.
    """
    account = author.lower()
    if not _ACCOUNT.fullmatch(account):
        raise InputError.at("--author", f"{author[:80]!r} is no account name", "give the login of who asks")
    _require_plain(submission, benchmark)
    routes = {
        scenario: np.asarray(said.choice[0] == 0)
        for (track, scenario), said in submission.entries.items()
        if track == IN_DOMAIN
    }
    if not routes:
        raise InputError.at(submission.slug, f"does not enter {IN_DOMAIN}", "private outcomes score that track only")
    part = benchmark.part(IN_DOMAIN, PRIVATE_SPLIT)
    if len(part) < MIN_CELL:
        what = f"has {len(part)} test queries, fewer than {MIN_CELL}"
        raise InputError.at(benchmark.folder, what, "score it in the open")
    spread = NOISE_QUERIES * max(1.0, len(benchmark.scenarios) / NOISE_SCENARIOS) ** 0.5
    noise = _Noise(benchmark.noise_key, benchmark.private_sha256, _gap_spread(benchmark), spread)
    if len(noise.key) != KEY_BYTES:
        raise InputError.at(benchmark.folder, "was opened without the key of the noise", "open_private_benchmark")
    entry = {"author": account, "slug": submission.slug, "asked": _asked(benchmark, routes)}
    used = _enter(ledger, entry, noise.key, budget, new_ledger)
    manifest = benchmark.manifest
    return PrivateResult(
        slug=submission.slug,
        dataset=DatasetVersion(manifest.name, manifest.version, benchmark.manifest_sha256),
        private=PrivateTerms(noise.queries, _DECIMALS, budget, used),
        scores=tuple(
            _score(submission, benchmark.scenarios[name], route, part, noise) for name, route in routes.items()
        ),
    )


def _require_plain(submission: Submission, benchmark: Benchmark) -> None:
    """InputError unless a router that sees the query only is tested on the fixed test of two models.

    Folds would ask about every query, and a cascade has seen private answers.
    """
    track = benchmark.track(IN_DOMAIN)
    if track.protocol != FIXED_TEST or track.count > 2:
        what = f"{IN_DOMAIN} is {track.protocol} of {track.count} tiers"
        raise InputError.at(benchmark.folder, what, f"private outcomes need a {FIXED_TEST} of two models")
    if submission.cascade:
        what = "is a cascade, which decides after it saw an answer"
        raise InputError.at(submission.slug, what, "private outcomes score routers that see the query only")


# --- the figures ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Noise:
    """What is added to sums over outcomes. key: secret; outcomes: digest of the private outcomes; gap: in seconds.

    queries: its standard deviation.
    """

    key: bytes
    outcomes: str
    gap: float
    queries: float

    def sums(self, route: BoolArray, part: Part, scenario: Scenario, router_latency: float) -> FloatArray:
        """The summed TERMS of decisions, those that hold outcomes with the noise of `queries` queries.

        One query moves `solved` by 1 and `latency` by how much the gap of the two models varies: by nothing where a
        profile gives both.
        """
        columns = term_columns(route, part.outcomes, scenario.mes, router_latency)
        sums = np.array([column.sum() for column in columns], np.float64)
        question = f"{self.outcomes} {scenario.mes!r} {len(route)} ".encode() + np.packbits(route).tobytes()
        code = hmac.digest(self.key, question, "sha256")
        sums[_SOLVED] = np.clip(sums[_SOLVED] + self.queries * _normal(code[:8]), 0, len(route))
        sums[_LATENCY] += self.queries * _normal(code[8:16]) * self.gap
        return sums


def _normal(code: bytes) -> float:
    """A standard normal deviate from eight random bytes, the same with every version of every library."""
    return NormalDist().inv_cdf((int.from_bytes(code, "big") + 0.5) / 2**64)


def _gap_spread(benchmark: Benchmark) -> float:
    """Standard deviation of how much longer the large model takes, in seconds: of public queries, as it is told."""
    public = benchmark.queries[benchmark.queries["split"] != PRIVATE_SPLIT]
    spread = float((public["large_latency_s"] - public["small_latency_s"]).to_numpy(np.float64).std())
    if not np.isfinite(spread):
        raise InputError.at(benchmark.folder, "lacks latencies of the public queries", "run `rsd-bench data check`")
    return spread


def _score(submission: Submission, scenario: Scenario, route: BoolArray, part: Part, noise: _Noise) -> PrivateScore:
    """Published figures of one scenario, from noisy sums of the router and of both fixed policies."""
    everywhere = np.ones(len(part), np.bool_)
    sums = {
        "router": noise.sums(route, part, scenario, submission.router_latency_s),
        "all-edge": noise.sums(everywhere, part, scenario, 0.0),
        "all-cloud": noise.sums(~everywhere, part, scenario, 0.0),
    }
    for each in sums.values():
        each[_LARGE_LATENCY] = sums["all-cloud"][_LATENCY]
    values = {name: {k: float(v) for k, v in metrics_of(each, scenario).items()} for name, each in sums.items()}
    best = "all-edge" if values["all-edge"]["rcs"] > values["all-cloud"]["rcs"] else "all-cloud"
    shown = values["router"] | {"gain": values["router"]["rcs"] - values[best]["rcs"]}
    halves = _half_widths(values, scenario, part, route != (best == "all-edge"), noise)
    return PrivateScore(
        scenario=scenario.name,
        n=len(part),
        tau=float(submission.entries[IN_DOMAIN, scenario.name].tau[0, 0, 0]),
        **{name: _interval(shown[name], half) for name, half in halves.items()},
        best_fixed=best,
    )


def _half_widths(
    values: dict[str, dict[str, float]], scenario: Scenario, part: Part, differs: BoolArray, added: _Noise
) -> dict[str, float]:
    """Half-widths of 95 % intervals, rather too wide: queries of one group are taken to agree in everything.

    A mean over n queries of spread s, in groups of g queries, has at most the variance s^2 sum(g^2) / n^2; that of the
    noise is added. The gain varies only where decisions differ from those of the best fixed policy.
    """
    n, router, gap = len(part), values["router"], added.gap
    large, small = values["all-cloud"]["ail"], values["all-edge"]["ail"]
    solved, kept = ((router[name] * (1 - router[name])) ** 0.5 for name in ("apsp", "ca"))
    saved = scenario.beta + scenario.gamma * (large - small) / large  # what a query on the edge earns, its score aside
    noise = {"apsp": 1.0, "ca": 0.0, "ail": gap, "rcs": scenario.alpha + scenario.gamma * gap / large}
    spread = {
        "apsp": solved,
        "ca": kept,
        "ail": abs(large - small) * kept + gap,
        "rcs": scenario.alpha * solved + abs(saved) * kept,
    }
    grouped = np.bincount(part.group_codes)
    variance = {name: spread[name] ** 2 * (grouped**2).sum() + (noise[name] * added.queries) ** 2 for name in _METRICS}
    variance["gain"] = 0.0
    if differs.any():
        apart = np.bincount(part.group_codes, differs)
        widest = scenario.alpha + abs(saved)
        variance["gain"] = widest**2 * (apart**2).sum() + 2 * (noise["rcs"] * added.queries) ** 2
    return {name: _Z * float(value) ** 0.5 / n for name, value in variance.items()}


def _interval(value: float, half: float) -> Interval:
    return Interval(*(round(bound, _DECIMALS) + 0.0 for bound in (value, value - half, value + half)))


# --- the ledger ----------------------------------------------------------------------------------------------------


def _asked(benchmark: Benchmark, routes: dict[str, BoolArray]) -> str:
    """Digest of what is asked: these decisions on these outcomes, and by which demand."""
    digest = hashlib.sha256(benchmark.private_sha256.encode())
    for name, route in sorted(routes.items()):
        scenario = benchmark.scenarios[name]
        asked = name if are_presets({name: scenario}) else f"{name} {scenario.described}"
        digest.update(f" {asked} {len(route)} ".encode() + np.packbits(route).tobytes())
    return digest.hexdigest()


def _enter(ledger: Path, entry: dict[str, str], key: bytes, budget: int, new: bool) -> int:
    """Enter a scoring, unless the account asked the same before; return how many it used. InputError past `budget`."""
    with _opened(ledger, new) as book:
        account, asked = entry["author"], entry["asked"]
        before = {known["asked"] for known in _entries(ledger, book, key) if known["author"] == account}
        if asked not in before:
            if len(before) >= budget:
                what = f"{account!r} has used {len(before)} of {budget} scorings on private outcomes"
                raise InputError.at(ledger, what, "choose among routers on the validation split")
            _write(book, entry)
        return len(before | {asked})


@contextmanager
def _opened(ledger: Path, new: bool) -> Iterator[IO[bytes]]:
    """The locked ledger; with `new` one that is begun here. InputError where it is there, or not, against what is said.

    An empty file counts as none: a ledger that was cut off has forgotten its scorings as well.
    """
    if new:
        ledger.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0) | (os.O_CREAT if new else 0)
    absent = InputError.at(
        ledger,
        "is not there or empty, and who was scored how often with it",
        "restore it; the very first scoring begins one: --new-ledger",
    )
    try:
        stream = os.fdopen(os.open(ledger, flags, 0o600), "r+b")
    except FileNotFoundError:
        raise absent from None
    with stream as book:
        lock_stream(book, ledger)
        empty = not book.seek(0, os.SEEK_END)
        if new and not empty:
            raise InputError.at(ledger, "is a ledger already", "leave out --new-ledger")
        if empty and not new:
            raise absent
        if new:
            _write(book, _HEAD)
        yield book


def _entries(ledger: Path, book: IO[bytes], key: bytes) -> list[dict[str, str]]:
    """The scorings so far. InputError where a line is none, or the ledger was kept for another key."""
    book.seek(0)
    try:
        head, *entries = map(json.loads, book.read().splitlines())
        kept_for = key if head == _HEAD else bytes.fromhex(head["key"])
        if len(kept_for) != KEY_BYTES or not all(isinstance(entry[name], str) for entry in entries for name in _ENTRY):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError.at(ledger, "is damaged", "restore it; without it budgets cannot be kept") from None
    if kept_for != key:
        fix = f"write the ledger's key into {NOISE_KEY} beside the outcomes: figures that were told must not change"
        raise InputError.at(ledger, f"has another noise key than {NOISE_KEY}", fix)
    return entries


def _write(book: IO[bytes], line: Mapping[str, Any]) -> None:
    book.write((json.dumps(line) + "\n").encode())
    book.flush()
    os.fsync(book.fileno())

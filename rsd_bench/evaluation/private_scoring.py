"""Score on private test outcomes: aggregates with noise, so that combining many of them tells no single outcome.

A share of solved queries is an exact count, and exact counts of cleverly chosen decisions can be combined until one
query is left. So each published figure follows from sums to which noise was added, as differential privacy does:
normal, with a standard deviation of NOISE_QUERIES queries. The noise is a keyed hash (HMAC-SHA256) of the decisions,
the MES and the outcomes: equal questions get equal answers, so asking again teaches nothing, and nobody without the key
can take it off. Nothing else leaves: no mean score, sweep, AUROC, Brier, ECE or domain row, and the intervals are made
of published figures, decisions and groups, with no look at an outcome.

Who knows every other outcome still guesses one right from one figure with probability Phi(1 / (2 NOISE_QUERIES)) =
0.54 only, and from all that an account is told (3 figures a scoring, and the fixed policies) with 0.73 at most.

Key and budget stand in a ledger, to be kept as private as the outcomes. JSON Lines: {"key"}, then {"author", "slug",
"asked"}, an entry a scoring, written before its result is told.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import IO

import numpy as np

from rsd_bench.config import CONFIDENCE, IN_DOMAIN, MIN_CELL, NOISE_QUERIES, SCENARIOS, SCORING_BUDGET
from rsd_bench.dataset.benchmark import Benchmark, Part
from rsd_bench.evaluation.evaluate import route_of
from rsd_bench.evaluation.private_result import PrivateResult, PrivateScore, PrivateTerms
from rsd_bench.evaluation.result import DatasetVersion
from rsd_bench.locks import lock_stream
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.metrics.routing import TERMS, metrics_of, term_columns
from rsd_bench.submission.submission import Submission
from rsd_bench.types import InputError, Interval, Scenario

_DECIMALS = 3
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_ACCOUNT = re.compile(r"(?=.{1,39}\Z)[a-z0-9](-?[a-z0-9])*")  # a login of the code host
_KEY_BYTES = 32
_ENTRY = ("author", "slug", "asked")
_METRICS = ("apsp", "ca", "ail", "rcs")
_SOLVED, _LATENCY, _LARGE_LATENCY = (TERMS.index(name) for name in ("solved", "latency", "large_latency"))


def score_private(
    submission: Submission, benchmark: Benchmark, ledger: Path, *, author: str, budget: int = SCORING_BUDGET
) -> PrivateResult:
    """The public result on private outcomes, entered in the ledger (made where absent) before it is told.

    author: the account that asks, as the code host verified it; never taken from the submission. The same decisions
    again cost nothing. InputError where the account's budget is spent.
    """
    account = author.lower()
    if not _ACCOUNT.fullmatch(account):
        raise InputError.at("--author", f"{author[:80]!r} is no account name", "give the login of who asks")
    routes = {
        scenario: route_of(submission, track, scenario) for track, scenario in submission.p_edge if track == IN_DOMAIN
    }
    if not routes:
        raise InputError.at(submission.slug, f"does not enter {IN_DOMAIN}", "private outcomes score that track only")
    part = benchmark.part(IN_DOMAIN, "test")
    if len(part) < MIN_CELL:
        what = f"has {len(part)} test queries, fewer than {MIN_CELL}"
        raise InputError.at(benchmark.folder, what, "score it in the open")
    asked = _asked(benchmark, routes)
    key, used = _enter(ledger, account, submission.slug, asked, budget)
    noise = _Noise(key, benchmark.private_sha256)
    manifest = benchmark.manifest
    return PrivateResult(
        slug=submission.slug,
        dataset=DatasetVersion(manifest.name, manifest.version, benchmark.manifest_sha256),
        private=PrivateTerms(NOISE_QUERIES, _DECIMALS, budget, used),
        scores=tuple(_score(submission, SCENARIOS[name], route, part, noise) for name, route in routes.items()),
    )


# --- the figures ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Noise:
    """What is added to sums over outcomes. key: secret; outcomes: digest of the private outcomes."""

    key: bytes
    outcomes: str

    def sums(self, route: BoolArray, part: Part, scenario: Scenario, router_latency: float) -> FloatArray:
        """The summed TERMS of decisions, those that hold outcomes with the noise of NOISE_QUERIES queries.

        One query moves `solved` by 1 and `latency` by how much the gap of the two models varies: by nothing where a
        profile gives both.
        """
        columns = term_columns(route, part.outcomes, scenario.mes, router_latency)
        sums = np.array([column.sum() for column in columns], np.float64)
        question = f"{self.outcomes} {scenario.mes!r} {len(route)} ".encode() + np.packbits(route).tobytes()
        code = hmac.digest(self.key, question, "sha256")
        sums[_SOLVED] = np.clip(sums[_SOLVED] + _normal(code[:8]), 0, len(route))
        sums[_LATENCY] += _normal(code[8:16]) * _gap_spread(part)
        return sums


def _normal(code: bytes) -> float:
    """A normal deviate of NOISE_QUERIES from eight random bytes, the same with every version of every library."""
    return NormalDist(0, NOISE_QUERIES).inv_cdf((int.from_bytes(code, "big") + 0.5) / 2**64)


def _gap_spread(part: Part) -> float:
    """Standard deviation of how much longer the large model takes, in seconds."""
    return float((part.outcomes.large_latency - part.outcomes.small_latency).std())


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
    halves = _half_widths(values, scenario, part, route != (best == "all-edge"))
    return PrivateScore(
        scenario=scenario.name,
        n=len(part),
        tau=submission.tau(IN_DOMAIN, scenario.name),
        **{name: _interval(shown[name], half) for name, half in halves.items()},
        best_fixed=best,
    )


def _half_widths(
    values: dict[str, dict[str, float]], scenario: Scenario, part: Part, differs: BoolArray
) -> dict[str, float]:
    """Half-widths of 95 % intervals, rather too wide: queries of one group are taken to agree in everything.

    A mean over n queries of spread s, in groups of g queries, has at most the variance s^2 sum(g^2) / n^2; that of the
    noise is added. The gain varies only where decisions differ from those of the best fixed policy.
    """
    n, router = len(part), values["router"]
    large, small = values["all-cloud"]["ail"], values["all-edge"]["ail"]
    solved, kept = ((router[name] * (1 - router[name])) ** 0.5 for name in ("apsp", "ca"))
    gap = _gap_spread(part)
    saved = scenario.beta + scenario.gamma * (large - small) / large  # what a query on the edge earns, its score aside
    noise = {"apsp": 1.0, "ca": 0.0, "ail": gap, "rcs": scenario.alpha + scenario.gamma * gap / large}
    spread = {
        "apsp": solved,
        "ca": kept,
        "ail": abs(large - small) * kept + gap,
        "rcs": scenario.alpha * solved + abs(saved) * kept,
    }
    grouped = np.bincount(part.group_codes)
    variance = {name: spread[name] ** 2 * (grouped**2).sum() + (noise[name] * NOISE_QUERIES) ** 2 for name in _METRICS}
    variance["gain"] = 0.0
    if differs.any():
        apart = np.bincount(part.group_codes, differs)
        widest = scenario.alpha + abs(saved)
        variance["gain"] = widest**2 * (apart**2).sum() + 2 * (noise["rcs"] * NOISE_QUERIES) ** 2
    return {name: _Z * float(value) ** 0.5 / n for name, value in variance.items()}


def _interval(value: float, half: float) -> Interval:
    return Interval(*(round(bound, _DECIMALS) + 0.0 for bound in (value, value - half, value + half)))


# --- the ledger ----------------------------------------------------------------------------------------------------


def _asked(benchmark: Benchmark, routes: dict[str, BoolArray]) -> str:
    """Digest of what is asked: these decisions on these outcomes."""
    digest = hashlib.sha256(benchmark.private_sha256.encode())
    for scenario, route in sorted(routes.items()):
        digest.update(f" {scenario} {len(route)} ".encode() + np.packbits(route).tobytes())
    return digest.hexdigest()


def _enter(ledger: Path, account: str, slug: str, asked: str, budget: int) -> tuple[bytes, int]:
    """Enter a scoring, unless the account asked the same before: (key, scorings used). InputError past the budget."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with open(ledger, "a+b", opener=lambda path, flags: os.open(path, flags, 0o600)) as book:
        lock_stream(book, ledger)
        key, entries = _read(ledger, book)
        before = {entry["asked"] for entry in entries if entry["author"] == account}
        if asked not in before:
            if len(before) >= budget:
                what = f"{account!r} has used {len(before)} of {budget} scorings on private outcomes"
                raise InputError.at(ledger, what, "choose among routers on the validation split")
            _write(book, {"author": account, "slug": slug, "asked": asked})
        return key, len(before | {asked})


def _read(ledger: Path, book: IO[bytes]) -> tuple[bytes, list[dict[str, str]]]:
    """The key, made where the ledger is new, and the entries. InputError where a line is neither."""
    book.seek(0)
    lines = book.read().splitlines()
    if not lines:
        key = secrets.token_bytes(_KEY_BYTES)
        _write(book, {"key": key.hex()})
        return key, []
    try:
        key = bytes.fromhex(json.loads(lines[0])["key"])
        entries = [json.loads(line) for line in lines[1:]]
        if len(key) != _KEY_BYTES or not all(isinstance(entry[name], str) for entry in entries for name in _ENTRY):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError.at(ledger, "is damaged", "restore it; without it budgets cannot be kept") from None
    return key, entries


def _write(book: IO[bytes], line: dict[str, str]) -> None:
    book.write((json.dumps(line) + "\n").encode())
    book.flush()
    os.fsync(book.fileno())

"""Which tier answers a query: the routers of a server by scenario, asked on threads of their own, within a bound.

    Router      what a server needs of a router; `rsd_bench.load_router(DIR)` gives one
    Routers     those of a server; one a scenario, or one for every scenario
    Decider     decides without holding up the event loop, which a router of half a millisecond does not; what goes
                wrong with a router is a decision for the default tier

A router never costs an answer: where it fails, takes longer than `_DECISION_S`, or more decisions wait than
`_WAITING`, the default tier answers, and the decision says why.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rsd_bench.config import MAX_ROUTED_TEXT
from rsd_bench.serve.failures import Refused
from rsd_bench.types import InputError, Scenario

_DECISION_S = 5.0
_WAITING = 512  # decisions at once, those on the threads included
_INLINE_S = 0.0005  # decisions about words alone that take less are made at once: a thread costs as much
_INLINE_TEXT = 4_000  # characters of such words: what takes that little for a question may take seconds for a book
_STEADY = 0.8  # weight of what was, in a running mean
_THREADS = min(4, os.cpu_count() or 1)


class Routed(Protocol):
    """A decision. Some routers also tell `expected_gain`."""

    @property
    def model(self) -> str: ...
    @property
    def p_edge(self) -> float: ...
    @property
    def tau(self) -> float: ...


class Router(Protocol):
    """image: the encoded bytes of each image, or None.

    One with a parameter `scenario` gets the name of one that it was trained for, or, where it names none, a Scenario.
    One with a parameter `answer` is a cascade: it is asked once the edge has answered, and gets the text of that.
    """

    def route(self, image: Any, question: str) -> Routed: ...


@dataclass(frozen=True)
class Decision:
    """tier: its name. problem: why no router decided; "" where one did."""

    tier: str
    scenario: str
    p_edge: float | None = None
    tau: float | None = None
    expected_gain: float | None = None
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Loaded:
    """A router with the scenarios that it was trained for; none: it decides under any.

    told: it wants to know which scenario is asked for. tiers: between how many models it decides. cascade: it decides
    when the edge has answered.
    """

    router: Router
    scenarios: Mapping[str, Scenario]
    told: bool
    tiers: int = 2
    cascade: bool = False

    @property
    def takes_any(self) -> bool:
        return self.told and not self.scenarios


def loaded(router: Router) -> Loaded:
    """A router with what it says of itself.

    `deciders`, by scenario, as a checkpoint has them; or `scenario`, a Scenario or its table, on itself or on its
    `router`.
    """
    told, cascade = (name in inspect.signature(router.route).parameters for name in ("scenario", "answer"))
    if deciders := getattr(router, "deciders", None):
        tiers = {int(getattr(one.router, "tiers", 2)) for one in deciders.values()}
        return Loaded(router, {name: one.scenario for name, one in deciders.items()}, told, max(tiers), cascade)
    held = getattr(router, "scenario", None) or getattr(getattr(router, "router", None), "scenario", None)
    if isinstance(held, Mapping):
        held = Scenario(**{name: held[name] for name in ("name", "mes", "alpha", "beta", "gamma")})
    return Loaded(router, {held.name: held} if held else {}, told, cascade=cascade)


class Routers:
    """The routers of a server. `names`: scenarios that clients may ask for, the default first."""

    def __init__(self, found: Sequence[Loaded], presets: Mapping[str, Scenario], default: str = "") -> None:
        """InputError where two are for one scenario, or none is for the default."""
        self._by_name: dict[str, tuple[Loaded, Scenario]] = {}
        self._any = next((one for one in found if one.takes_any), None)
        for one in found:
            for name, scenario in one.scenarios.items():
                if name in self._by_name:
                    raise InputError.at("--router", f"two are for {name!r}", "give one router a scenario")
                self._by_name[name] = one, scenario
        if self._any:
            for name, scenario in presets.items():
                self._by_name.setdefault(name, (self._any, scenario))
        if not self._by_name:
            raise InputError.at("--router", "is for no scenario that is known", "train it for one")
        self.tiers = {one.tiers for one in found}
        self.names = list(self._by_name)
        if default and default not in self._by_name:
            raise InputError.at("--scenario", f"no router is for {default!r}", f"use {', '.join(self.names)}")
        if default:
            self.names = [default, *(name for name in self.names if name != default)]

    def choose(self, asked: str | Scenario | None) -> tuple[Loaded, Scenario]:
        """The router for a scenario. Refused where there is none, saying which there are."""
        if asked is None:
            return self._by_name[self.names[0]]
        if isinstance(asked, str):
            if asked not in self._by_name:
                raise Refused(404, f"no router is for this scenario; use {self._said}", "unknown_scenario")
            return self._by_name[asked]
        for one, scenario in self._by_name.values():
            if scenario.figures == asked.figures:
                return one, scenario
        if self._any is None:
            what = f"no router takes a scenario of your own; these are for {self._said}"
            raise Refused(400, what, "unknown_scenario")
        return self._any, asked

    @property
    def _said(self) -> str:
        shown = (f"{name} ({self._by_name[name][1].described})" for name in self.names)
        return ", ".join(shown)


class Decider:
    """tiers: names by model, the cheapest first. default: the tier that answers where no router decides."""

    def __init__(self, tiers: Mapping[str, str], default: str) -> None:
        self._names = list(tiers.values())
        self._called = {"edge": "edge", "cloud": "cloud", **tiers}
        self._default = default
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="router")
        self._waiting, self._lock = 0, threading.Lock()
        self._took: dict[int, float] = {}  # seconds of a decision about words alone, by router: a running mean

    async def decide(
        self,
        chosen: tuple[Loaded, Scenario],
        question: str,
        images: Sequence[bytes],
        answer: str | None = None,
    ) -> Decision:
        """Decide one query by the first MAX_ROUTED_TEXT characters of its texts. answer: of the edge, for a cascade."""
        start = time.perf_counter()
        one, scenario = chosen
        question, answer = question[:MAX_ROUTED_TEXT], answer and answer[:MAX_ROUTED_TEXT]
        quick = not images and len(question) + len(answer or "") <= _INLINE_TEXT
        if quick and self._took.get(id(one), _DECISION_S) < _INLINE_S:
            decision = self._timed(one, scenario, question, answer)
            return replace(decision, seconds=time.perf_counter() - start)
        if self._waiting >= _WAITING:
            return Decision(self._default, scenario.name, problem="busy")
        with self._lock:
            self._waiting += 1
        if quick:
            job = self._pool.submit(self._timed, one, scenario, question, answer)
        else:
            job = self._pool.submit(self._route, one, scenario, question, images, answer)
        job.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(_DECISION_S):
                decision = await asyncio.wrap_future(job)
        except TimeoutError:
            return Decision(self._default, scenario.name, seconds=_DECISION_S, problem="slow")
        return replace(decision, seconds=time.perf_counter() - start)

    def _ended(self, _: object) -> None:
        with self._lock:
            self._waiting -= 1

    def _timed(self, one: Loaded, scenario: Scenario, question: str, answer: str | None) -> Decision:
        """A decision about few words, and how long such ones take."""
        start = time.perf_counter()
        try:
            return self._route(one, scenario, question, (), answer)
        finally:
            took = self._took.get(id(one), _DECISION_S)
            self._took[id(one)] = _STEADY * took + (1 - _STEADY) * (time.perf_counter() - start)

    def _route(
        self, one: Loaded, scenario: Scenario, question: str, images: Sequence[bytes], answer: str | None
    ) -> Decision:
        given: dict[str, Any] = {"answer": answer} if one.cascade else {}
        if one.told:
            given["scenario"] = scenario if one.takes_any else scenario.name
        try:
            routed = one.router.route(list(images) or None, question, **given)
            p, tau, gain = float(routed.p_edge), float(routed.tau), getattr(routed, "expected_gain", None)
            gain = None if gain is None else float(gain)
            if not 0 <= p <= 1:
                raise ValueError
            tier = self._tier_of(routed, one)
        except Exception:  # whatever a router does, its query is answered
            return Decision(self._default, scenario.name, problem="failed")
        return Decision(tier, scenario.name, p, tau, gain)

    def _tier_of(self, routed: Routed, one: Loaded) -> str:
        """The tier that a router names: by its place among more than two, else by its name."""
        number = getattr(routed, "tier", None)
        return self._names[number] if one.tiers > 2 and number is not None else self._called[str(routed.model)]

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

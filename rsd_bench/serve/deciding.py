"""Which tier answers a query: the routers of a server by scenario, asked on threads of their own, within a bound.

    Router      what a server needs of a router; `rsd_bench.load_router(DIR)` gives one
    Routers     those of a server; one a scenario, or one for every scenario
    Decider     decides without holding up the event loop; what goes wrong with a router is a decision for the default

A router never costs an answer: where it fails, takes longer than `_DECISION_S`, or more decisions wait than
`_WAITING`, the default tier answers, and the decision says why.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from rsd_bench.serve.failures import Refused
from rsd_bench.types import InputError, Scenario

_DECISION_S = 5.0
_WAITING = 512  # decisions at once, those on the threads included
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
    """image: the encoded bytes of each image, or None. Some also take `scenario`, a Scenario."""

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
    """A router with the scenario it was trained for, if any; takes_scenario: it can decide for others too."""

    router: Router
    scenario: Scenario | None
    takes_scenario: bool


def loaded(router: Router) -> Loaded:
    """A router with what it says of its scenario: `scenario`, a Scenario or a table, on itself or on its `router`."""
    held = getattr(router, "scenario", None) or getattr(getattr(router, "router", None), "scenario", None)
    if isinstance(held, Mapping):
        held = Scenario(**{name: held[name] for name in ("name", "mes", "alpha", "beta", "gamma")})
    return Loaded(router, held, "scenario" in inspect.signature(router.route).parameters)


class Routers:
    """The routers of a server. `names`: scenarios that clients may ask for, the default first."""

    def __init__(self, found: Sequence[Loaded], presets: Mapping[str, Scenario], default: str = "") -> None:
        """InputError where two are for one scenario, or none is for the default."""
        self._by_name: dict[str, tuple[Loaded, Scenario]] = {}
        self._any = next((one for one in found if one.takes_scenario), None)
        for one in found:
            if one.scenario and one.scenario.name in self._by_name:
                raise InputError.at("--router", f"two are for {one.scenario.name!r}", "give one router a scenario")
            if one.scenario:
                self._by_name[one.scenario.name] = (one, one.scenario)
        if self._any:
            for name, scenario in presets.items():
                self._by_name.setdefault(name, (self._any, scenario))
        if not self._by_name:
            raise InputError.at("--router", "is for no scenario that is known", "train it for one")
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
            if one.scenario and scenario.figures == asked.figures:
                return one, asked
        if self._any is None:
            what = f"no router takes a scenario of your own; these are for {self._said}"
            raise Refused(400, what, "unknown_scenario")
        return self._any, asked

    @property
    def _said(self) -> str:
        shown = (f"{name} ({self._by_name[name][1].described})" for name in self.names)
        return ", ".join(shown)


class Decider:
    """tiers: tier by what a router may call it. default: the tier that answers where no router decides."""

    def __init__(self, tiers: Mapping[str, str], default: str) -> None:
        self._tiers, self._default = tiers, default
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="router")
        self._waiting, self._lock = 0, threading.Lock()

    async def decide(
        self, chosen: tuple[Loaded, Scenario], question: str, images: Callable[[], list[bytes]]
    ) -> tuple[Decision, list[bytes]]:
        """Decide one query; also its images, decoded there. Raises Refused where an image is out of bounds."""
        start = time.perf_counter()
        one, scenario = chosen
        if self._waiting >= _WAITING:
            return Decision(self._default, scenario.name, problem="busy"), []
        with self._lock:
            self._waiting += 1
        job = self._pool.submit(self._route, one, scenario, question, images)
        job.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(_DECISION_S):
                routed, shown = await asyncio.wrap_future(job)
        except TimeoutError:
            return Decision(self._default, scenario.name, seconds=_DECISION_S, problem="slow"), []
        seconds = time.perf_counter() - start
        if isinstance(routed, str):
            return Decision(self._default, scenario.name, seconds=seconds, problem=routed), shown
        tier = self._tiers.get(str(routed.model))
        gain = getattr(routed, "expected_gain", None)
        decision = Decision(
            tier or self._default,
            scenario.name,
            float(routed.p_edge),
            float(routed.tau),
            None if gain is None else float(gain),
            seconds,
            "" if tier else "unknown-tier",
        )
        return decision, shown

    def _ended(self, _: object) -> None:
        with self._lock:
            self._waiting -= 1

    def _route(
        self, one: Loaded, scenario: Scenario, question: str, images: Callable[[], list[bytes]]
    ) -> tuple[Any, list[bytes]]:
        shown = images()
        try:
            given = {"scenario": scenario} if one.takes_scenario else {}
            routed = one.router.route(shown or None, question, **given)
            if not 0 <= float(routed.p_edge) <= 1:
                return "failed", shown
        except Exception:
            return "failed", shown
        return routed, shown

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

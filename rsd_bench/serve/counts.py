"""What a server counts, in the form of Prometheus. Every request for a completion ends as exactly one outcome:

answered    an answer, whole to its end                refused     never asked: 4xx of this server
failed      one clear error: no tier answered          busy        429: every queue that could take it is full
broken_off  begun, then one error event                cancelled   the client went away
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rsd_bench.endpoints.prices import Price
from rsd_bench.serve.deciding import Decision
from rsd_bench.serve.upstream import Reply

OUTCOMES = ("answered", "refused", "failed", "busy", "broken_off", "cancelled")
_DECISION_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_ANSWER_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 300)
_SHARES = tuple(n / 20 for n in range(1, 21))


class Counts:
    """The figures of one server, in a registry of its own. prices: by model."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self.registry = own = CollectorRegistry()
        self._prices = prices
        self.requests = Counter("rsd_requests", "Requests by ending and tier.", ["outcome", "tier"], registry=own)
        self.calls = Counter("rsd_upstream_calls", "Calls of a tier by ending.", ["tier", "outcome"], registry=own)
        self.tokens = Counter("rsd_tokens", "Tokens as endpoints count them.", ["tier", "kind"], registry=own)
        self.escalations = Counter(
            "rsd_escalations", "Requests that went on.", ["source", "to", "reason"], registry=own
        )
        self.router_failures = Counter("rsd_router_failures", "Decisions without a router.", ["reason"], registry=own)
        self.cost = Counter("rsd_cost_usd", "US dollars by the price file.", ["tier"], registry=own)
        self.saved = Gauge(
            "rsd_saved_usd",
            "US dollars saved against the cloud alone, by the price file. Shadow calls are not subtracted.",
            registry=own,
        )
        self.shadow_calls = Counter(
            "rsd_shadow_calls", "Calls for the log alone, by ending.", ["tier", "outcome"], registry=own
        )
        self._shadow_tokens = Counter("rsd_shadow_tokens", "Tokens of them.", ["tier", "kind"], registry=own)
        self._shadow_cost = Counter("rsd_shadow_cost_usd", "US dollars of them.", ["tier"], registry=own)
        self.in_flight = Gauge("rsd_in_flight", "Calls in flight.", ["tier"], registry=own)
        self.waiting = Gauge("rsd_waiting", "Requests that wait for a call.", ["tier"], registry=own)
        self.logged = Counter("rsd_logged", "Records of the log by what became of them.", ["outcome"], registry=own)
        self._decision = Histogram("rsd_decision_seconds", "A decision.", buckets=_DECISION_S, registry=own)
        self._p_edge = Histogram("rsd_p_edge", "P(edge is good enough).", buckets=_SHARES, registry=own)
        self._first = Histogram("rsd_first_token_seconds", "Streams.", ["tier"], buckets=_ANSWER_S, registry=own)
        self._answer = Histogram("rsd_answer_seconds", "Whole answers.", ["tier"], buckets=_ANSWER_S, registry=own)

    def decided(self, decision: Decision) -> None:
        self._decision.observe(decision.seconds)
        if decision.problem:
            self.router_failures.labels(decision.problem).inc()
        if decision.p_edge is not None:
            self._p_edge.observe(decision.p_edge)

    def answered(self, tier: str, model: str, cloud: str, reply: Reply) -> None:
        """Count an answer of `model`; `cloud`: the model that would have answered without a router."""
        self._answer.labels(tier).observe(reply.latency_s)
        if reply.first_token_s is not None:
            self._first.labels(tier).observe(reply.first_token_s)
        self._count_tokens(tier, reply)
        if (usd := self.usd(model, reply)) is not None:
            self.cost.labels(tier).inc(usd)
            if (whole := self.usd(cloud, reply)) is not None:
                self.saved.inc(whole - usd)

    def drafted(self, tier: str, model: str, reply: Reply) -> None:
        """Count an answer of a cascade that was paid and not given."""
        self._count_tokens(tier, reply)
        if (usd := self.usd(model, reply)) is not None:
            self.cost.labels(tier).inc(usd)
            self.saved.dec(usd)

    def shadowed(self, tier: str, model: str, reply: Reply) -> None:
        """Count an answer that the log alone asked for. It is paid, and nothing that routing saves or costs."""
        self.shadow_calls.labels(tier, "answered").inc()
        self._count_tokens(tier, reply, self._shadow_tokens)
        if (usd := self.usd(model, reply)) is not None:
            self._shadow_cost.labels(tier).inc(usd)

    def _count_tokens(self, tier: str, reply: Reply, counter: Counter | None = None) -> None:
        counter = counter or self.tokens
        for kind, tokens in (("input", reply.usage.input), ("output", reply.usage.output)):
            if tokens:
                counter.labels(tier, kind).inc(tokens)

    def usd(self, model: str, reply: Reply) -> float | None:
        """What an answer costs of a model; None without a price or a count of tokens."""
        price, usage = self._prices.get(model), reply.usage
        if price is None or usage.input is None or usage.output is None:
            return None
        return price.of(usage.input, usage.output)

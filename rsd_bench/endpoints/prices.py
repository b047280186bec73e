"""What calls cost: a price file dated by day, an estimate before the run, a running total, and a hard cap.

    date = "2026-11-24"                       # the day on which the prices were read
    [models."gpt-4o-2024-08-06"]
    input = 2.50                              # USD for a million tokens
    output = 10.00
    batch = 0.5                               # factor of the Batch API; default 1
    image_tokens = 765                        # for the estimate only; default 1000

A model without an entry has no price: its cost is unknown, never 0, and `--max-cost` refuses to run it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from rsd_bench.config import PRESETS, read_toml
from rsd_bench.endpoints.calls import Request
from rsd_bench.types import InputError, Problem

_MILLION = 1e6
_CHARACTERS_PER_TOKEN = 4  # of English text; for estimates only
_IMAGE_TOKENS = _SOUND_TOKENS = 1_000.0
_FIELDS = {"input", "output", "batch", "image_tokens"}


@dataclass(frozen=True)
class Price:
    """USD for a million input and output tokens; `batch`: factor of the Batch API."""

    input: float
    output: float
    batch: float = 1.0
    image_tokens: float = _IMAGE_TOKENS

    def of(self, input_tokens: float, output_tokens: float) -> float:
        return (input_tokens * self.input + output_tokens * self.output) / _MILLION


@dataclass(frozen=True)
class Prices:
    """Prices by model id, as of a day."""

    day: str
    models: Mapping[str, Price]


def load_prices(path: Path | None = None) -> Prices:
    """The price file at `path` (default: the shipped one). InputError listing every fault."""
    path = path or PRESETS / "prices.toml"
    data, problems = read_toml(path), list[Problem]()

    def wrong(what: str, fix: str) -> None:
        problems.append(Problem(str(path), what, fix))

    day = str(data.get("date", ""))
    try:
        date.fromisoformat(day)
    except ValueError:
        wrong("has no date", 'write the day of the prices: date = "2026-11-24"')
    tables = data.get("models", {})
    models: dict[str, Price] = {}
    for model, entry in tables.items() if isinstance(tables, dict) else ():
        if not isinstance(entry, dict) or not {"input", "output"} <= entry.keys() <= _FIELDS:
            wrong(f"price of {model!r} is not input, output, batch, image_tokens", "USD for a million tokens")
        elif not all(_amount(value) for value in entry.values()):
            wrong(f"price of {model!r} holds something that is no amount", "numbers >= 0")
        else:
            models[model] = Price(**{name: float(value) for name, value in entry.items()})
    if not isinstance(tables, dict):
        wrong("[models] is not a table", '[models."ID"]')
    if problems:
        raise InputError(problems)
    return Prices(day, models)


def _amount(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def estimated_tokens(request: Request, price: Price | None = None) -> float:
    """Input tokens of a request, roughly: a quarter of its characters, and a flat number for each image and sound."""
    each = {"image": price.image_tokens if price else _IMAGE_TOKENS, "audio": _SOUND_TOKENS}
    return len(request.body) / _CHARACTERS_PER_TOKEN + sum(each[kind] for kind, _ in request.media)


@dataclass
class Budget:
    """What this run has spent. The one place that decides whether another call may start.

    Calls whose usage never arrived (no figure, a cut connection, a timeout) are charged by estimate, so that the cap
    holds against endpoints that bill without saying so; `estimated` counts them.
    """

    prices: Prices
    max_usd: float | None = None
    spent_usd: float = 0.0
    estimated: int = 0
    unpriced: set[str] = field(default_factory=set)

    def require(self, models: list[str]) -> None:
        """InputError where a cap is set and a model has no price."""
        missing = [model for model in models if model not in self.prices.models]
        self.unpriced.update(missing)
        if self.max_usd is not None and missing:
            fix = 'add [models."ID"] with input and output to a file for --prices (0 where it costs nothing)'
            raise InputError([Problem(f"--max-cost {self.max_usd:g}", f"{m!r} has no price", fix) for m in missing])

    @property
    def exhausted(self) -> bool:
        return self.max_usd is not None and self.spent_usd >= self.max_usd

    def cost(
        self, request: Request, input_tokens: int | None, output_tokens: int | None, text: str, batch: bool = False
    ) -> float | None:
        """USD of one call; by estimate where the endpoint sent no usage; None without a price. Adds to the total."""
        price = self.prices.models.get(request.model)
        if price is None:
            return None
        if input_tokens is None or output_tokens is None:
            self.estimated += 1
            usd = price.of(estimated_tokens(request, price), len(text) / _CHARACTERS_PER_TOKEN)
        else:
            usd = price.of(input_tokens, output_tokens)
        usd *= price.batch if batch else 1
        self.spent_usd += usd
        return usd

    def estimate(self, request: Request, output_tokens: int) -> float:
        """USD of a call before it is made, its answer taken as `output_tokens` long; 0 without a price."""
        price = self.prices.models.get(request.model)
        return price.of(estimated_tokens(request, price), output_tokens) if price else 0.0

"""docs/building.md: its arithmetic is right, its options exist, its prices are the shipped ones."""

from __future__ import annotations

import re

from conftest import ROOT, run_cli

from rsd_bench.endpoints.prices import load_prices
from rsd_bench.judge.prompt import SHIPPED

TEXT = (ROOT / "docs" / "building.md").read_text("utf-8")
_SUM = re.compile(r"(?:([\d.]+) x )?([\d,]+) x \((\d+) x ([\d.]+) \+ (\d+) x ([\d.]+)\) / 10\^6 = ([\d.]+)")


def test_costs_follow_from_the_shipped_prices() -> None:
    price = load_prices().models["gpt-4o-2024-08-06"]
    sums = _SUM.findall(TEXT)
    assert len(sums) == 4
    for factor, calls, tokens_in, price_in, tokens_out, price_out, total in sums:
        assert (float(price_in), float(price_out)) == (price.input, price.output)
        assert float(factor or 1) in (1, price.batch)
        usd = float(factor or 1) * int(calls.replace(",", "")) * price.of(int(tokens_in), int(tokens_out))
        assert abs(usd - float(total)) <= 0.0051
    assert load_prices().day in TEXT
    characters = sum(len((SHIPPED / "reference" / name).read_text("utf-8")) for name in ("rubric.md", "prompt.md"))
    assert round(characters, -1) == 1890


def test_every_option_named_exists() -> None:
    commands = (("generate",), ("judge", "run"), ("judge", "audit"), ("data", "build"), ("data", "push"))
    helps = "".join(run_cli(*command, "--help").stdout for command in commands)
    others = {"--edge", "--cloud"}  # of the example
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT))
    assert {name for name in named - others if name not in helps} == set()

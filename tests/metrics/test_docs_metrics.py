"""docs/metrics.md defines every figure: its worked example must run and print what the page says.

A page whose numbers drift from the code is worse than no page: readers implement the page, boards show the code.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

from rsd_bench.config import DROP_AT_CA, ECE_BINS, N_BOOT, SCENARIOS, TAU_GRID, load_profile
from rsd_bench.version import METRICS_VERSION

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def run(source, namespace):
    """Lines that a block prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, PAGE.name, "exec"), namespace)
    return printed.getvalue().splitlines()


def promised(source):
    """Lines that a block says it prints: the text after `# ->`."""
    return re.findall(r"# -> (.*)$", source, re.MULTILINE)


def test_every_block_prints_what_the_page_says():
    namespace = {}
    for source in BLOCKS:  # one namespace: later blocks use names of earlier ones
        assert run(source, namespace) == promised(source)
    assert sum(len(promised(source)) for source in BLOCKS) >= 20


def test_a_wrong_promise_would_be_caught():
    source = BLOCKS[0].replace("[1, 1, 0, 1, 0]", "[1, 1, 0, 0, 0]")
    assert run(source, {}) != promised(source)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenario_table_is_that_of_the_presets(name):
    of = SCENARIOS[name]
    assert f"| `{name}` | {of.mes:g} | {of.alpha:.2f} | {of.beta:.2f} | {of.gamma:.2f} |" in TEXT


def test_constants_on_the_page_are_those_of_the_code():
    assert TEXT.startswith(f"# Metrics, version {METRICS_VERSION}\n")
    tiers = load_profile("paper-bounds").tiers
    assert f"**{tiers['small']:g} s** small" in TEXT and f"**{tiers['large']:g} s** large" in TEXT
    assert f"{ECE_BINS} equal-width bins" in TEXT
    assert f"{N_BOOT:,} seeded bootstrap resamples" in TEXT
    assert f"APSP at CA {DROP_AT_CA:g} " in TEXT
    first, second, *_, last_but_one, last = TAU_GRID
    assert f"{first:.2f}, {second:.2f} ... {last_but_one:.2f} and {last:.2f}" in TEXT

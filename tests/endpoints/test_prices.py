"""What calls cost, and the cap.

Guards against a cap that retries pass, calls without usage that count as free, and a model without a price shown to
cost $0.0000.
"""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from asking import PRICES, QUICK, question, run
from chat_server import Loopback

from rsd_bench.endpoints.engine import Tally, progress_bar
from rsd_bench.endpoints.prices import Budget, Prices, load_prices
from rsd_bench.types import InputError


def test_the_bar_shows_dollars_only_where_there_is_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without a price was shown to cost $0.0000."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    for estimate in (0.0, 0.5):
        tally = Tally(Counter({("m", "ok"): 2}), pending=2, estimate_usd=estimate)
        with progress_bar(tally, Budget(PRICES)) as show:
            show()
        assert ("$0.0000" in screen.getvalue()) == (estimate > 0)


def test_cap_is_passed_by_no_more_than_the_calls_in_flight(tmp_path: Path) -> None:
    requests = [question(f"q{i}") for i in range(300)]
    with Loopback(latency=0.02) as server:
        tally, answers, budget = run(tmp_path, server.url, requests, 8, budget=Budget(PRICES, 0.01))
        delivered = server.stats()["delivered"]
    per_call = 200e-6
    assert 0.01 <= budget.spent_usd <= 0.01 + 8 * per_call + 1e-12
    assert delivered == sum(a is not None for a in answers.values()) == round(budget.spent_usd / per_call)
    assert "--max-cost" in tally.stopped
    with pytest.raises(InputError, match="'m' has no price"):
        Budget(Prices("2026-11-24", {}), 1.0).require(["m"])


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_retry_starts_once_the_cap_is_reached(tmp_path: Path, concurrency: int) -> None:
    """Failing calls that are billed were tried again past the cap: 38 calls where 8 were in flight."""
    requests = [question(f"fault=cut {i}") for i in range(20)]
    with Loopback(latency=0.05) as server:
        tally, answers, budget = run(tmp_path, server.url, requests, concurrency, budget=Budget(PRICES, 1e-9))
        assert server.stats()["requests"] == budget.estimated == concurrency
        assert "--max-cost" in tally.stopped
        assert [a.status for a in answers.values() if a] == ["error"] * concurrency
        run(tmp_path, server.url, requests, 20)
        assert server.stats()["requests"] == concurrency + 20 * QUICK.attempts  # those cut by the cap too


def test_calls_without_usage_are_charged_by_estimate(tmp_path: Path) -> None:
    with Loopback() as server:
        _, answers, budget = run(tmp_path, server.url, [question(f"fault=cut {i}") for i in range(4)])
    assert budget.estimated == 4 * QUICK.attempts
    assert budget.spent_usd == pytest.approx(sum(a.cost_usd for a in answers.values()))
    assert budget.spent_usd > 0


def test_price_file_faults_are_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("[models.a]\ninput = -1\noutput = 2\n[models.b]\ninput = 1\n[models.c]\ninput = 1\noutput = true\n")
    with pytest.raises(InputError) as error:
        load_prices(path)
    assert len(error.value.problems) == 4
    assert load_prices().day == "2024-10-01"

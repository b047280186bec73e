"""How much each track of a dataset can tell, before any router is scored on it."""

from __future__ import annotations

from collections.abc import Mapping

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.dataset.manifest import TrackCounts
from rsd_bench.dataset.parts import Part
from rsd_bench.metrics.detectable import expected_gap
from rsd_bench.types import Scenario


def track_counts(benchmark: Benchmark) -> dict[str, TrackCounts]:
    """Test queries of each track, their groups, and the gap in RCS between two routers that they can tell apart."""
    found = {}
    for track in benchmark.tracks:
        part = benchmark.part(track, "test")
        gaps = detectable_gaps(part, benchmark.scenarios)
        found[track] = TrackCounts(len(part), int(part.queries["group_id"].nunique()), gaps)
    return found


def detectable_gaps(part: Part, scenarios: Mapping[str, Scenario]) -> dict[str, float]:
    """Of each scenario in which there is one, rounded."""
    found = {
        name: expected_gap(part.figures, part.groups, scenario) for name, scenario in scenarios.items() if len(part)
    }
    return {name: round(gap, _DECIMALS) for name, gap in found.items() if gap is not None}


_DECIMALS = 5

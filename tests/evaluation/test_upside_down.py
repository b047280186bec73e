"""`eval` says where p is upside down: who gives P(the large model is needed) gets the worst routing of all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import call_cli
from sound_submissions import make, probabilities

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.metrics.label import label


def test_eval_warns_where_p_is_upside_down(tmp_path: Path, toy_dataset: Path, toy_benchmark: Benchmark) -> None:
    part, frame = toy_benchmark.part("in-domain", "test"), probabilities(toy_benchmark)
    truth = label(part.outcomes.small, part.outcomes.large, 6)
    noise = np.random.default_rng(0).random(len(part))
    for slug, p in (("right", truth), ("turned", 1 - truth)):
        order = frame.set_index("query_id").index.get_indexer(part.query_ids)
        said = frame.copy()
        said.loc[order, "p_edge"] = np.round(0.6 * p + 0.4 * noise, 3)
        make(tmp_path / slug, toy_benchmark, said)
        run = call_cli("eval", tmp_path / slug, "--data", toy_dataset, "--n-boot", 100)
        assert run.returncode == 0
        for name in (
            "lift",
            "skill",
            "captured",
            "AUROC",
            "over-escalated",
            "calls saved per 1,000",
            "APSP at CA 0.5",
            "APSP at CA 0.9",
        ):
            assert name in run.stdout
        lines = [line for line in run.stderr.splitlines() if "upside down" in line]
        assert len(lines) == (3 if slug == "turned" else 0)
        for line in lines:
            assert line.startswith("warning: in-domain, ") and "AUROC" in line and "->" in line

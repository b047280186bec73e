"""What each modality is worth: the reference router with all blocks, and with each one removed."""

from __future__ import annotations

from tqdm import tqdm

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.features.feature_table import BLOCKS, Features
from rsd_bench.routers.interface import Router
from rsd_bench.routers.registry import Entry, Make
from rsd_bench.studies.compare_baselines import DIGITS, figures, run, seeds_note
from rsd_bench.studies.cross_validation import every_query
from rsd_bench.studies.decision_cache import DecisionCache
from rsd_bench.studies.study_table import Table, dataset_of

COLUMNS = ("scenario", "features", "gain", "low", "high", "gain %", "AUROC", "CA", "APSP", "best fixed")


def ablate(
    benchmark: Benchmark,
    features: Features,
    seeds: int,
    command: str,
    cache: DecisionCache,
) -> Table:
    """Four rows a scenario: full, and without image, text, statistics."""
    variants = {"all": BLOCKS} | {f"no {name}": tuple(b for b in BLOCKS if b != name) for name in BLOCKS}
    rows = []
    for scenario in benchmark.scenarios.values():
        data = every_query(benchmark, features, scenario)
        for label, blocks in tqdm(variants.items(), desc=f"ablate {scenario.name}", unit="variant", disable=None):
            name = "reference" if blocks == BLOCKS else f"reference: {label}"  # with all it is that of the baselines
            entry = Entry(name, label, _reference(blocks))
            summary = run(data, entry, seeds, cache)
            rows.append((scenario.name, label, *figures(summary)))
    return Table(
        name="ablate",
        title="Reference router without one modality",
        command=command,
        reading="The paper reports that removing image features hurts most. Read the rows with their intervals.",
        columns=COLUMNS,
        digits=DIGITS,
        rows=tuple(rows),
        notes=(seeds_note(seeds),),
        dataset=dataset_of(benchmark),
    )


def _reference(blocks: tuple[str, ...]) -> Make:
    def make(seed: int) -> Router:
        from rsd_bench.routers.reference_training import ReferenceBaseline, Settings

        return ReferenceBaseline(Settings(blocks=blocks), seed)

    return make

"""What a cascade sees beside the query: the answer of the cheapest model, as blocks of features.

    answer              n-grams of the answer, as those of the question (`features.ngrams`)
    answer_statistics   float32, shape (n, 6): ln(1 + x) of the numbers of its text, TEXT_NUMBERS

Answers are somebody's words: only a full edition holds them. A query without one has empty blocks. No source that was
read so far logs probabilities of tokens, or a second sample; a server hands on the text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rsd_bench.dataset.query_statistics import TEXT_NUMBERS, text_statistics
from rsd_bench.features.blocks import ANSWER, ANSWER_STATISTICS, Features
from rsd_bench.features.ngrams import count_ngrams
from rsd_bench.types import InputError

if TYPE_CHECKING:
    from rsd_bench.dataset.benchmark import Benchmark

_FIX = "build the full edition from its records: see docs/building.md"


def edge_answers(benchmark: Benchmark) -> list[str]:
    """What the small model of each query's own pair answered, in the order of Benchmark.queries; "" where nothing.

    InputError where the dataset is a lite edition, which holds no answers.
    """
    manifest = benchmark.manifest
    if manifest.lite:
        raise InputError.at(benchmark.folder, "is a lite edition, which holds no answers", _FIX)
    from rsd_bench.dataset.tables import read_table  # pyarrow and pandas: not wanted to decide

    told = read_table(benchmark.folder, "outcomes", ["query_id", "model", "response"]).to_pydict()
    by_query = {(told["query_id"][i], told["model"][i]): text for i, text in enumerate(told["response"]) if text}
    queries = zip(benchmark.queries["query_id"], benchmark.queries["source"], strict=True)
    return [by_query.get((query, manifest.pair_of(source).small), "") for query, source in queries]


def with_answers(features: Features, answers: Sequence[str]) -> Features:
    """Features with the blocks of the answers to the same queries."""
    return replace(features, blocks={**features.blocks, **answer_blocks(answers)}, present=_present(features, answers))


def answer_blocks(answers: Sequence[str]) -> dict[str, Any]:
    """The blocks of n answers."""
    numbers = [[text_statistics(text)[name] for name in TEXT_NUMBERS] for text in answers]
    statistics = np.log1p(np.array(numbers, np.float32).reshape(len(answers), len(TEXT_NUMBERS)))
    return {ANSWER: count_ngrams(answers), ANSWER_STATISTICS: statistics}


def _present(features: Features, answers: Sequence[str]) -> dict[str, Any]:
    there = np.array([bool(text) for text in answers], np.bool_)
    return {**features.present, ANSWER: there, ANSWER_STATISTICS: there}

"""Every published source that there is goes in, and the labels of its pair are those of its own files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import call_cli

from rsd_bench.build.index import build_index
from rsd_bench.build.recipe import Recipe
from rsd_bench.metrics.label import label
from rsd_bench.sources.store.store_tables import rows_of, source_info, sources_in

#: The small and the large model of each source in its own words.
PAIRS = {
    "audiobench": ("Qwen2-Audio-7B-Instruct", "cascade_whisper_large_v3_llama_3_8b_instruct"),
    "business_charts": ("claude-sonnet-4.5 (bedrock)", "gpt-5"),
    "dental_vision": ("z-ai/glm-4.6v", "google/gemini-3.1-pro-preview"),
    "dynamath": ("Qwen2-7B", "claude3.5"),
    "kitchen_json": ("qwen/qwen3-vl-8b-instruct", "openai/gpt-4.1-mini"),
    "logicvista": ("LLAVA7B", "GPT4"),
    "mllm_bench": ("qwen/qwen-2-vl-7b-instruct", "claude-3-5-sonnet-20240620"),
    "tempcompass": ("video-llava", "gemini"),
    "vision_checkup": ("Qwen 2.5 VL 7B", "GPT-4.1"),
    "vision_synth": ("nvidia/nemotron-nano-12b-v2-vl:free", "anthropic/claude-opus-4.7"),
    "visonlyqa": ("Qwen2-VL-7B-Instruct", "claude-3-5-sonnet-20240620"),
}

RSD_OPEN = ("dynamath", "mllm_bench", "visonlyqa")


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


#: Those of rsd-open are imported by the tests of its edition as well, and take most of the time.
NAMES = [pytest.param(name, marks=pytest.mark.heavy if name in RSD_OPEN else ()) for name in PAIRS]


@pytest.fixture(scope="module")
def store_of(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A store that holds one source, imported when it is first asked for."""
    root = tmp_path_factory.mktemp("stores")

    def imported(name: str) -> Path:
        if not (root / name).exists():
            run = call_cli("data", "import", "records", records / name, "--out", root / name)
            assert run.returncode == 0, run.stderr
        return root / name

    return imported


@pytest.mark.heavy
def test_one_command_takes_them_all(records: Path, tmp_path: Path) -> None:
    run = call_cli("data", "import", "records", *(records / name for name in PAIRS), "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr
    assert sources_in(tmp_path / "store") == sorted(PAIRS)


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_in_whole(store_of: Callable[[str], Path], records: Path, name: str) -> None:
    store = store_of(name)
    queries, responses = (lines(records / name / f"{table}.jsonl") for table in ("queries", "responses"))
    info, held = source_info(store, name), list(rows_of(store, name, "queries"))
    assert info["queries"] == len(queries) and "left_out" not in info
    assert sum(info["models"].values()) == sum(row["score"] is not None for row in responses)
    given = {row["query_id"]: (row["question"], row["reference_answer"]) for row in queries}
    assert {row["query_id"]: (row["question"], row["reference_answer"]) for row in held} == given
    modalities = Counter(row.get("modality") if not row.get("image") else "image" for row in queries)
    assert Counter(row["modality"] for row in held) == modalities
    assert all(bool(row["media"]) == (row["modality"] == "image") for row in held)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_those_of_its_files(store_of: Callable[[str], Path], records: Path, name: str) -> None:
    store = store_of(name)
    small, large = PAIRS[name]
    scores: dict[str, dict[str, float]] = {small: {}, large: {}}
    for row in lines(records / name / "responses.jsonl"):
        if row["model"] in scores and row["score"] is not None:
            scores[row["model"]][row["query_id"]] = row["score"]
    both = scores[small].keys() & scores[large].keys()
    index = build_index(Recipe("one", small, large, sources=(name,)), store)
    assert len(index.queries) == len(both) >= 70
    for mes in (5, 8):
        rate = sum(scores[small][i] >= mes or scores[small][i] >= scores[large][i] for i in both) / len(both)
        ours = label(index.queries["small_score"], index.queries["large_score"], mes).mean()
        assert ours == pytest.approx(rate, abs=1e-12), mes

"""Small files in the shape in which other routing benchmarks publish their outcomes, by the heading of docs/formats.md.

Each has four queries in two sets and two models; question i is answered rightly by a model unless i + its number is a
multiple of 3.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from conftest import png

MODELS = ("small/model-7b.5", "large-model")
SETS = ("setA", "set_B")
N = 4


def score_of(i: int, at: int) -> float:
    """The score, 0-1, of model number `at` on question i."""
    return float((i + at) % 3 != 0)


def routerbench(folder: Path) -> None:
    """`pivot_table` of long results, then columns of answers and costs."""
    rows = []
    for i in range(N):
        row: dict[str, Any] = {"sample_id": f"sample.{i}", "prompt": f"['Question {i}?']", "eval_name": SETS[i % 2]}
        row |= {model: score_of(i, at) for at, model in enumerate(MODELS)}
        row |= {f"{model}|model_response": f"['{model} on {i}']" for model in MODELS}
        row |= {f"{model}|total_cost": (at + 1) / 1000 for at, model in enumerate(MODELS)}
        rows.append(row | {"oracle_model_to_route_to": MODELS[1]})
    pd.DataFrame(rows).to_pickle(folder / "routerbench_0shot.pkl")


def mmr_bench(folder: Path) -> None:
    """The merged table, and pictures in folders that are not all called as the set is."""
    sets = (("SEEDBench2_Plus", "SEEDBenchv2Plus"), ("MathVista", "MathVista"))
    rows = []
    for i in range(N):
        name, pictures = sets[i % 2]
        (folder / "data" / pictures).mkdir(parents=True, exist_ok=True)
        (folder / "data" / pictures / f"{i}.jpg").write_bytes(png(i))
        row: dict[str, Any] = {"dataset_idx": f"{name}_{i}", "question": f"Question {i}?", "answer": str(i)}
        for at, model in enumerate(MODELS):
            row |= {f"{model}_correct": bool(score_of(i, at)) if at else score_of(i, at), f"{model}_cost": 0.1}
        rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "data" / "MMR_Bench.csv", index=False)


def vl_routerbench(folder: Path) -> None:
    """Scores and samples, a file for each dataset."""
    for name in SETS:
        mine = [i for i in range(N) if SETS[i % 2] == name]
        scores = [
            {"sample_id": f"{name}/{i}", "model_id": model, "quality_raw": int(right), "quality": right}
            for i in mine
            for at, model in enumerate(MODELS)
            for right in (score_of(i, at),)
        ]
        samples = [
            {
                "sample_id": f"{name}/{i}",
                "dataset": name,
                "task_type": "vqa_mc",
                "modality": ["image", "text"],
                "prompt": f"Question {i}?",
                "assets": [{"type": "image_tsv", "tsv_file": f"{name}.tsv", "index": i}],
            }
            for i in mine
        ]
        (folder / "ORACLE" / "score").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(scores), folder / "ORACLE" / "score" / f"{name.lower()}.parquet")
        lines(folder / "BENCHMARKS" / "vqa_mc" / f"{name.lower()}_samples.jsonl", samples)


def routerarena(folder: Path) -> None:
    """A file for each model; the last call of the second failed and was scored 0."""
    for at, model in enumerate(MODELS):
        rows = []
        for i in range(N):
            failed = at == 1 and i == N - 1
            result = {"extracted_answer": "x", "ground_truth": str(i), "score": 0.0 if failed else score_of(i, at)}
            rows.append(
                {
                    "global_index": f"{SETS[i % 2]}_{i}",
                    "question": f"Question {i}?",
                    "llm_selected": model,
                    "generated_answer": "" if failed else f"{model} on {i}",
                    "token_usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
                    "success": not failed,
                    "error": "timeout" if failed else None,
                    "evaluation_result": result | {"metric": "mcq_accuracy", "inference_cost": 0.0001},
                }
            )
        lines(folder / "cached_results" / f"{model.replace('/', '_')}.jsonl", rows)


def llmrouterbench(folder: Path) -> None:
    """A file for each set and model; the last record of the second model failed."""
    for at, model in enumerate(MODELS):
        for name in SETS:
            records = []
            for i in (i for i in range(N) if SETS[i % 2] == name):
                failed = at == 1 and i == N - 1
                records.append(
                    {
                        "index": i // 2 + 1,
                        "origin_query": f"Question {i}?",
                        "prompt": f"Question: Question {i}?\nAnswer:",
                        "prompt_tokens": 0 if failed else 9,
                        "completion_tokens": 0 if failed else 3,
                        "cost": 0.0 if failed else 0.0001,
                        "score": None if failed else score_of(i, at),
                        "prediction": "",
                        "ground_truth": "" if failed else str(i),
                        "raw_output": "Processing failed: timeout" if failed else f"{model} on {i}",
                        "extra_fields": {},
                    }
                )
            head = {"performance": 0.5, "time_taken": 1.0, "cost": 0.1, "counts": len(records), "model_name": model}
            head |= {"dataset_name": name, "split": "test", "demo": False, "data_fingerprint": "f"}
            path = folder / "results" / "bench" / name / "test" / model.replace("/", "_") / "r.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(head | {"records": records}, indent=2))


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def records(folder: Path) -> None:
    """The media that the example of the page names."""
    for name in ("images/1.png", "images/2.png"):
        (folder / "my-set" / "images").mkdir(parents=True, exist_ok=True)
        (folder / "my-set" / name).write_bytes(png(int(name[7])))
    (folder / "my-set" / "sounds").mkdir()
    (folder / "my-set" / "sounds" / "3.wav").write_bytes(b"RIFF sound")


def any_table(folder: Path) -> None:
    (folder / "pictures").mkdir()
    for at, name in enumerate(("bars.png", "a.png", "b.png")):
        (folder / "pictures" / name).write_bytes(png(at))


def hub(folder: Path) -> None:
    pictures = [{"bytes": png(i), "path": None} for i in (1, 2)]
    columns = {"qid": [1, 2], "query": ["Question 1?", "Question 2?"], "picture": pictures, "label": ["3", "4"]}
    pq.write_table(pa.table(columns), folder / "charts.parquet")


#: What each section's commands find besides the files that the page itself shows.
MAKERS: Mapping[str, Callable[[Path], None]] = {
    "Records": records,
    "Any table": any_table,
    "RouterBench": routerbench,
    "MMR-Bench": mmr_bench,
    "VL-RouterBench": vl_routerbench,
    "RouterArena": routerarena,
    "LLMRouterBench": llmrouterbench,
    "Queries of a Hub dataset": hub,
}

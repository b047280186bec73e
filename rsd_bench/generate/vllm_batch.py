"""Batch mode on GPUs: models run inside the Ray cluster by vLLM (`ray.data.llm`), without endpoints.

The same requests under the same keys, the same desk as the one writer of the store: answers are committed as they come
out of the engine. Throughput is the point here, so no latency is recorded; a dataset takes it from a profile.

Tested here without a GPU: the rows that go in, the answers that come out, and the processor up to the point where it
asks for vLLM. The engine itself has not been run by us.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rsd_bench.endpoints.calls import Answer, Request, wire_body
from rsd_bench.endpoints.engine import Job, Lane
from rsd_bench.endpoints.media import takes_none
from rsd_bench.endpoints.ray_calls import Cluster, follow, on_ray, open_desk, shards_of
from rsd_bench.types import InputError

_DEFAULT_TOKENS = 1024
_NOT_SAMPLING = {"model", "messages"}
_EMPTY = "empty answer"


@dataclass(frozen=True)
class VllmEngine:
    """batch_size: requests a vLLM actor takes at once. engine_kwargs: passed to vLLM, such as max_model_len."""

    batch_size: int = 64
    engine_kwargs: Mapping[str, Any] = field(default_factory=dict)


def row_of(row: Mapping[str, Any], media: Any) -> dict[str, Any]:
    """A shard row (key, model, body) as `ray.data.llm` takes it: messages and sampling parameters."""
    request = Request(row["key"], row["model"], row["body"])
    body = json.loads(wire_body(request, media))
    params = {name: value for name, value in body.items() if name not in _NOT_SAMPLING}
    tokens = params.pop("max_completion_tokens", None) or params.pop("max_tokens", None) or _DEFAULT_TOKENS
    sampling = {**params, "max_tokens": tokens}
    return {"key": request.key, "model": request.model, "messages": body["messages"], "sampling_params": sampling}


def answer_of(row: Mapping[str, Any]) -> Answer:
    """The Answer of a row that came out of the engine; a failure is an error, never a text."""
    key, model = row["key"], row["model"]
    if failure := row.get("__inference_error__"):
        status = "unsupported" if takes_none(str(failure), ("image", "audio")) else "error"
        return Answer(key, model, status, detail=f"vLLM: {failure}"[:500])
    text, tokens = row["generated_text"], int(row["num_generated_tokens"])
    limit = row["sampling_params"]["max_tokens"]
    if not text.strip() and tokens < limit:
        return Answer(key, model, "error", detail=_EMPTY)
    cut = tokens >= limit  # the engine's output does not say why it ended
    return Answer(
        key,
        model,
        "truncated" if cut else "ok",
        text=text,
        detail="reached max_tokens" if cut else None,
        served_model=model,
        input_tokens=int(row["num_input_tokens"]),
        output_tokens=tokens,
    )


def _prepare(desk: Any, row: dict[str, Any]) -> dict[str, Any]:
    import ray

    def media(sha256: str) -> bytes:
        data = ray.get(desk.media.remote(sha256))
        if data is None:
            raise OSError(0, f"{sha256} cannot be read")
        return bytes(data)

    return row_of(row, media)


def _file(desk: Any, row: dict[str, Any]) -> dict[str, Any]:
    import ray

    answer = answer_of(row)
    ray.get(desk.put.remote(answer, 0))
    return {"status": answer.status}


def run_vllm(lanes: list[Lane], job: Job, cluster: Cluster, engine: VllmEngine | None = None) -> None:
    """Ask everything that the store lacks of one model. `lane.endpoint.model` is what vLLM loads. Fills the tally."""
    (lane,) = lanes
    engine = engine or VllmEngine()
    with on_ray(cluster):
        import ray.data

        try:
            from ray.data import llm
        except ImportError as error:
            raise InputError.at("--vllm", f"ray.data.llm: {error}", "pip install 'ray[llm]' on every node") from None
        desk = open_desk(job)
        tables = list(shards_of(lane, job, cluster.workers))
        if not tables:
            return
        config = llm.vLLMEngineProcessorConfig(
            model_source=lane.endpoint.model,
            concurrency=cluster.workers,
            batch_size=engine.batch_size,
            prepare_multimodal_stage={"enabled": True},
            should_continue_on_error=True,
            engine_kwargs=dict(engine.engine_kwargs),
        )
        processor = llm.build_processor(config, preprocess=partial(_prepare, desk), postprocess=partial(_file, desk))
        follow(processor(ray.data.from_arrow(tables)), desk, job)

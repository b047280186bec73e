"""The outcome of a model on a query, from the epochs of its inspect-ai sample.

Epochs are repeats: the score is their mean, each is a judgment of its own, latency, tokens and cost are means too, the
text is that of the first. An outcome has a score where each of its epochs has one; else it takes the status of the
first that has none. Left out of the mean, an epoch that failed would make a model look better the more it fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from rsd_bench.sources.inspect_ai.inspect_sample import Sample
from rsd_bench.sources.inspect_ai.inspect_score import ScoreChoice
from rsd_bench.sources.source import Judgment, Response


def outcome(query_id: str, model: str, samples: Sequence[Sample], choice: ScoreChoice) -> Response:
    """From all epochs of one sample, in any order."""
    epochs = sorted(samples, key=lambda sample: sample.epoch)
    scored = [choice.score(epoch.scores) if epoch.status == "ok" and not epoch.invalid else None for epoch in epochs]
    whole = [score for score in scored if score is not None]
    status = "ok"
    if len(whole) < len(epochs):
        lacking = epochs[scored.index(None)]
        status = "unscored" if lacking.status == "ok" else lacking.status
        if status == "error":
            return Response(lacking.where, query_id, model, status)
    judgments = [
        Judgment(score, value, f"epoch {epoch.epoch}")
        for epoch, (score, value) in (zip(epochs, whole, strict=True) if status == "ok" and len(epochs) > 1 else ())
    ]
    return Response(
        where=epochs[0].where,
        query_id=query_id,
        model=model,
        status=status,
        response=next((epoch.text for epoch in epochs if epoch.text is not None), None),
        score=_mean([score for score, _ in whole]) if status == "ok" else None,
        judge=f"inspect-ai:{choice.name}" if status == "ok" else None,
        input_tokens=_rounded(_mean([epoch.input_tokens for epoch in epochs])),
        output_tokens=_rounded(_mean([epoch.output_tokens for epoch in epochs])),
        latency_s=_mean([epoch.latency_s for epoch in epochs]),
        cost_usd=_mean([epoch.cost_usd for epoch in epochs]),
        judgments=tuple(judgments),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)

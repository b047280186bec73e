"""What `route` takes and tells, of routers of every kind: an input that one takes and another does not is a trap."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import call_cli, png
from PIL import Image
from toy_store import store  # noqa: F401 (fixture)
from worded_queries import features_of, worded_questions

import rsd_bench as rsd
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.dataset.tables import read_table
from rsd_bench.features.feature_table import read_features
from rsd_bench.routers import known_queries
from rsd_bench.routers.known_queries import KnownQueries
from rsd_bench.routers.ngram_weights import NgramWeights
from rsd_bench.routers.pipeline import RouterPipeline
from rsd_bench.routers.registry import ROUTERS
from rsd_bench.routers.saved_router import train_router
from rsd_bench.types import InputError

KINDS = ("reference", "gain-kernel", "ngram-gain", "ngram+statistics", "ngram+encoders", "image-logistic", "knn")
QUESTION = "How many things are in picture 3?"


def trained(name: str, toy_dataset: Path, store: Path, out: Path) -> RouterPipeline:
    """A router loaded from its checkpoint, its encoders from where they were found."""
    few = ("--epochs", 1) if name == "reference" else ()
    data = ("--data", toy_dataset, "--features", store, "--scenario", "low_energy", "--out", out)
    done = call_cli("router", "train", name, *data, *few)
    assert done.returncode == 0, done.stderr
    return rsd.load_router(out)


@pytest.mark.parametrize("name", KINDS)
def test_images_in_every_form(toy_dataset: Path, store: Path, tmp_path: Path, name: str) -> None:
    router, data = trained(name, toy_dataset, store, tmp_path / "r"), png(3)
    (tmp_path / "a.png").write_bytes(data)
    image = Image.open(io.BytesIO(data))
    forms: tuple[Any, ...] = (tmp_path / "a.png", str(tmp_path / "a.png"), data, [data], (data,), [tmp_path / "a.png"])
    asked = [router.route(given, QUESTION) for given in forms]
    assert asked == [asked[0]] * len(forms) == router.route_many(list(forms), [QUESTION] * len(forms), batch=1)
    decoded = [router.route(given, QUESTION) for given in (image, np.asarray(image), [image])]
    assert decoded == [decoded[0]] * 3  # they are encoded again as PNG, so bytes per pixel are those of another file
    assert decoded[0].p_edge == pytest.approx(asked[0].p_edge, abs=0.05)
    others = [router.route(given, QUESTION).p_edge for given in ([data, png(4)], None, [], np.asarray(image)[:, :, 0])]
    assert all(0 <= p <= 1 for p in others) and others[1] == others[2]
    if {"image", "statistics"} & set(router.blocks):
        if name != "knn":  # which says tenths
            assert asked[0].p_edge not in others[1:] and (others[0] != asked[0].p_edge) == ("image" in router.blocks)
        wrong = (3, np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8))
        for given in (*wrong, np.zeros((4, 4, 4), np.uint8), [None], b"no image"):
            with pytest.raises(InputError, match="image"):
                router.route(given, QUESTION)
        with pytest.raises(InputError, match=r"absent\.png: .* -> name a readable"):
            router.route(tmp_path / "absent.png", QUESTION)
    else:
        assert set(others) == {asked[0].p_edge}  # it opens none


def test_the_nearest_training_queries_are_told_by_id(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    rows = {row["query_id"]: row["question"] for row in read_table(toy_dataset, "pairs").to_pylist()}
    benchmark = open_benchmark(toy_dataset)
    learned = {split: benchmark.queries["query_id"][benchmark.rows("in-domain", split)] for split in ("train", "test")}
    for name in ("ngram-gain", "ngram+statistics", "ngram-logistic"):
        folder = tmp_path / name
        train_router(
            folder, ROUTERS[name], benchmark, read_features(benchmark, store), scenario=None, track="in-domain"
        )
        router = rsd.load_router(folder)
        asked = rows[learned["train"].iloc[7]]
        decision = router.route(None, asked, explain=True)
        assert decision.nearest[0][1] == 1.0 and decision.nearest[0][0] in set(learned["train"])
        unseen = router.route(None, rows[learned["test"].iloc[0]], explain=True)
        assert unseen.nearest and not {query_id for query_id, _ in unseen.nearest} & set(learned["test"])
        assert router.route(None, "\u65e5\u672c", explain=True).nearest == () == router.route(None, asked).nearest
        together = router.route_many([None] * 2, [asked, "How many?"], scenario="high_quality", explain=True)
        assert together[0].nearest == decision.nearest and 0 < together[1].nearest[0][1] < 1
        weights = (folder / "weights.npz").read_bytes()
        assert decision.nearest[0][0].encode() in weights and b"things" not in weights  # ids, and no word of a text
    knn = train_router(
        tmp_path / "knn", ROUTERS["text-logistic"], benchmark, read_features(benchmark, store), scenario=None,
        track="in-domain",
    )  # fmt: skip
    assert knn.known is None


def test_the_nearest_are_those_of_the_highest_cosine() -> None:
    questions = worded_questions(40)[0]
    features = replace(features_of(questions), query_ids=np.array([f"q{i}" for i in range(40)], object))
    words = NgramWeights.fit(features.ngrams)
    known = KnownQueries.of(features, words)
    asked = features_of(worded_questions(3, seed=9)[0]).ngrams
    cosines = (words(features.ngrams) @ words(asked).T).toarray()
    for found, alike in zip(known.nearest(asked, 6), cosines.T, strict=True):
        assert [query_id for query_id, _ in found] == [f"q{i}" for i in np.argsort(-alike, kind="stable")[:6]]
        assert [value for _, value in found] == pytest.approx(sorted(alike)[::-1][:6], abs=1e-6)


def test_what_a_checkpoint_knows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    features = rsd.load_features(split="test")
    words = NgramWeights.fit(features.ngrams)
    whole = KnownQueries.of(features, words)
    texts = {tuple(row.indices) + tuple(row.data) for row in (whole.counts[[i]] for i in range(len(whole.ids)))}
    assert len(texts) == len(whole.ids) < len(features), "equal rows are kept once"
    monkeypatch.setattr(known_queries, "MAX_KNOWN_NGRAMS", 5_000)
    some = KnownQueries.of(features, words)
    assert 4_000 < some.counts.nnz <= 5_000 and set(some.ids) < set(whole.ids)
    again = KnownQueries.of_state(some.state(), words)
    assert again.ids.tolist() == some.ids.tolist() and (again.counts != some.counts).nnz == 0
    state = some.state()
    falling = replace(state, arrays={**state.arrays, "ends": state.arrays["ends"][::-1]})
    with pytest.raises(ValueError, match="do not fit each other"):
        KnownQueries.of_state(falling, words)


def test_checkpoints_from_before_explain_without_queries(toy_dataset: Path, store: Path, tmp_path: Path) -> None:
    router = trained("ngram-gain", toy_dataset, store, tmp_path / "r")
    expected = router.route(None, QUESTION)
    with np.load(tmp_path / "r" / "weights.npz") as held:
        old = {name: array for name, array in held.items() if not name.startswith("known.")}
    np.savez(tmp_path / "r" / "weights.npz", **old)
    decision = rsd.load_router(tmp_path / "r").route(None, QUESTION, explain=True)
    assert decision.nearest == () and decision.words and decision.p_edge == expected.p_edge


def test_encoders_are_found_where_they_were_and_missed_at_once(
    toy_dataset: Path, store: Path, tiny_encoders: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("ngram+encoders", "reference"):
        folder = tmp_path / name
        decision = trained(name, toy_dataset, store, folder).route(png(1), QUESTION)
        assert decision.scenario == "low_energy"
        config = json.loads((folder / "config.json").read_text())
        assert config["encoders"] == {kind: str(path.resolve()) for kind, path in tiny_encoders.items()}
        gone = config | {"encoders": {**config["encoders"], "text": str(tmp_path / "moved")}}
        (folder / "config.json").write_text(json.dumps(gone))
        what = rf"^text: cannot be loaded as text encoder: it is no longer at {tmp_path / 'moved'}, .* -> name a local"
        with pytest.raises(InputError, match=what):
            rsd.load_router(folder)
        again = rsd.load_router(folder, text_encoder=str(tiny_encoders["text"]))
        assert again.route(png(1), QUESTION) == decision
        (folder / "config.json").write_text(json.dumps(config | {"encoders": {}}))
        with pytest.raises(InputError, match=r"image: .*: this router names no folder of it, .* image_encoder=, --im"):
            rsd.load_router(folder)

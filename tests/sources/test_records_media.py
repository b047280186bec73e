"""Records of queries with several media, of other kinds, or none, and with scores on the variants of a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Records
from importing import Importing, N, records

from rsd_bench.sources.store.outcomes import replace_outcomes
from rsd_bench.sources.store.store_tables import rows_of


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    return Importing(tmp_path)


def test_media_of_all_kinds(importing: Importing, tmp_path: Path) -> None:
    given = records(tmp_path, "tiny")
    (given.folder / "clips").mkdir(parents=True)
    (given.folder / "clips" / "a.wav").write_bytes(b"RIFF sound")
    (given.folder / "clips" / "a.mp4").write_bytes(b"a film")
    several, heard, seen, said, away, own = given.queries
    several["images"] = ["images/2.png", "images/1.png"]
    heard["audio"], seen["video"] = "clips/a.wav", ["clips/a.mp4"]
    away |= {"modality": "video", "media_available": False}
    own["modality"] = "radiograph"  # the source's own word
    for row in (several, heard, seen, said, away):
        del row["image"]
    importing(given)
    held = importing.queries()
    modalities = ["image", "audio", "video", "text", "video", "image"]
    assert [held[f"toy/{i}"]["modality"] for i in range(N)] == modalities
    assert [len(held[f"toy/{i}"]["media"]) for i in range(N)] == [2, 1, 1, 0, 0, 1]
    for i, data in ((1, b"RIFF sound"), (2, b"a film")):
        sha256 = held[f"toy/{i}"]["media"][0]["sha256"]
        assert (importing.store / "media" / sha256[:2] / sha256).read_bytes() == data
    first = importing.store / "images" / held["toy/0"]["image_sha256"][:2] / held["toy/0"]["image_sha256"]
    assert first.read_bytes() == given.images["images/2.png"]
    assert held["toy/1"]["statistics"]["width"] is None and held["toy/1"]["statistics"]["words"] > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"images": ["images/0.png"]}, "both image and images"),
        ({"media_available": False}, "names media and says media_available false"),
        ({"modality": "audio"}, "is of modality 'audio' and names media of 'image'"),
        ({"image": ..., "modality": "video"}, "names no file: name it, or say media_available false"),
        ({"image": ..., "modality": "smell"}, "'smell' is no modality"),
        ({"image": ..., "media_available": False}, "not which modality they are of"),
        ({"image": ..., "audio": "clips/none.wav"}, "No such file"),
        ({"image": ..., "audio": "../../secret.wav"}, "lies outside the folder"),
    ],
)
def test_media_that_are_stated_wrongly(importing: Importing, tmp_path: Path, change: Any, told: str) -> None:
    given = records(tmp_path, "tiny")
    given.queries[0] |= change
    given.queries[0] = {key: value for key, value in given.queries[0].items() if value is not ...}
    assert told in importing(given, code=1)


def variants(given: Records, *lines: dict[str, Any]) -> Records:
    given.folder.mkdir(exist_ok=True)
    (given.folder / "variants.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return given


def test_variants_are_kept_merged_and_not_lost(importing: Importing, tmp_path: Path) -> None:
    group = "toy/g0"
    importing(variants(records(tmp_path, "tiny"), {"group": group, "model": "tiny", "scores": [10, 0, 6.9999999999]}))
    importing(variants(records(tmp_path, "huge"), {"group": group, "model": "huge", "scores": [10, 10, 10]}))
    importing(records(tmp_path, "third"))
    replace_outcomes(
        importing.store, "toy", ((row, None) for row in rows_of(importing.store, "toy", "responses")), dict
    )
    held = {row["model"]: row["scores"] for row in rows_of(importing.store, "toy", "variants")}
    assert held == {"tiny": [10.0, 0.0, 7.0], "huge": [10.0, 10.0, 10.0]}
    for line, told in (
        ({"group": "toy/none", "model": "tiny", "scores": [1, 2, 3]}, "is that of no query"),
        ({"group": group, "model": "third", "scores": [1]}, "1 scores, where another model has 3"),
        ({"group": group, "model": "tiny", "scores": [1, 2, 3]}, "differ from those in the store"),
        ({"group": group, "model": "tiny", "scores": [11]}, "11 is greater than the maximum of 10"),
    ):
        assert told in importing(variants(records(tmp_path, "tiny"), line), code=1)

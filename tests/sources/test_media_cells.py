"""Images of a row arrive in order and as they are: several in one cell, as paths, base64 or bytes; or none is claimed.

Guards against the second image of a question being dropped, a path outside of the folder, and a row whose image is
missing passing for a question without one.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import png
from tables import LONG, prepare, read, rows_of, write

from rsd_bench.sources.media_cells import MediaColumn
from rsd_bench.sources.source import MEDIA_KINDS

A, B = png(1), png(2)
ENCODED = base64.b64encode(A).decode()


def no_file(path: str) -> bytes:
    raise OSError(0, f"no {path}")


@pytest.mark.parametrize(
    ("texts", "cell", "found"),
    [
        ("base64", ENCODED, [A]),
        ("base64", f"data:image/png;base64,{ENCODED}", [A]),
        ("base64", json.dumps([ENCODED, base64.b64encode(B).decode()]), [A, B]),
        ("base64", [ENCODED, ENCODED], [A, A]),
        ("base64", {"bytes": B, "path": "b.png"}, [B]),
        ("base64", [B, A], [B, A]),
        ("base64", "", []),
        ("base64", None, []),
        ("base64", "[]", []),
        ("", [A, {"bytes": B, "path": None}], [A, B]),
        ("", [], []),
        ("", {"bytes": None, "path": None}, []),
    ],
)
def test_cells_give_their_media_in_order(texts: str, cell: Any, found: list[bytes]) -> None:
    assert [medium.read() for medium in MediaColumn("image", no_file, texts).media(cell)] == found


@pytest.mark.parametrize("cell", ["a.png", '["a.png", "b.png"]', "['a.png', 'b.png']", ["a.png"], {"path": "a.png"}])
def test_paths_are_read_when_the_medium_is(cell: Any) -> None:
    media = MediaColumn("audio", lambda path: path.encode(), "path").media(cell)
    assert [(medium.kind, medium.name) for medium in media] == [
        ("audio", name) for name in ("a.png", "b.png")[: len(media)]
    ]
    assert [medium.read() for medium in media] == [medium.name.encode() for medium in media]


@pytest.mark.parametrize(
    ("texts", "cell", "told"),
    [
        ("", "a.png", "is no image column but str"),
        ("base64", 3, "is no image column but int"),
        ("path", ["a.png", ""], "holds an image that is empty, among 2"),
        ("base64", [A, None], "holds an image that is empty, among 2"),
    ],
)
def test_what_is_no_medium_is_told(texts: str, cell: Any, told: str) -> None:
    with pytest.raises(ValueError) as error:
        MediaColumn("image", no_file, texts).media(cell)
    assert told in str(error.value)


def test_broken_base64_is_told_when_it_is_read() -> None:
    (medium,) = MediaColumn("image", no_file, "base64").media("images/1.png")
    with pytest.raises(ValueError, match="is not base64"):
        medium.read()


def test_several_images_of_a_table_and_a_path_that_leads_out(tmp_path: Path) -> None:
    rows = [row | {"picture": '["2.png", "0.png"]'} for row in rows_of(1)]
    found = read(write(tmp_path / "t.csv", rows), prepare(tmp_path, LONG))
    (query,) = found.queries.values()
    assert [medium.name for medium in query.media] == ["2.png", "0.png"]
    assert query.media[0].read() == (tmp_path / "pictures" / "2.png").read_bytes()
    (tmp_path / "secret.png").write_bytes(A)
    for path in ("../secret.png", str(tmp_path / "secret.png")):
        found = read(write(tmp_path / "t.csv", [row | {"picture": path} for row in rows]), tmp_path / "map.toml")
        with pytest.raises(OSError, match="lies outside the folder"):
            next(iter(found.queries.values())).media[0].read()


def test_base64_in_a_table(tmp_path: Path) -> None:
    mapping = prepare(tmp_path, LONG.replace('images = "pictures"\n', ""))
    for name, cell in (("t.csv", ENCODED), ("t.parquet", {"bytes": A, "path": "a.png"}), ("t.jsonl", [ENCODED])):
        found = read(write(tmp_path / name, [row | {"picture": cell} for row in rows_of(2)]), mapping)
        assert found.problems == []
        assert [query.media[0].read() for query in found.queries.values()] == [A, A]


def test_rows_without_media_are_what_the_map_says(tmp_path: Path) -> None:
    rows = [row | ({"picture": ""} if row["qid"] == "q1" else {}) for row in rows_of(2)]
    table, mapping = write(tmp_path / "t.csv", rows), prepare(tmp_path, LONG)
    found = read(table, mapping)
    assert "picture is empty: query 'q1' has no image -> fill the cell, or state what such rows are" in found.said
    assert list(found.queries) == ["quiz/q0"] and not found.of_source
    for modality, available in (("text", True), ("image", False), ("image+audio", False)):
        mapping.write_text(f'modality = "{modality}"\n{LONG}')
        found = read(table, mapping)
        assert found.problems == []
        query = found.queries["quiz/q1"]
        assert (query.modality, query.media, query.media_available) == (modality, (), available)
        assert found.queries["quiz/q0"].modality == "image"


def test_sound_and_video_beside_an_image(tmp_path: Path) -> None:
    text = LONG.replace('images = "pictures"', 'images = "pictures"\nsounds = "s"\nvideos = "s"')
    mapping = prepare(tmp_path, text.replace("[outcomes]", 'audio = "clip"\nvideo = "film"\n[outcomes]'))
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a.wav").write_bytes(b"RIFF")
    rows = [row | {"clip": "a.wav", "film": "none.mp4" if row["qid"] == "q1" else ""} for row in rows_of(2)]
    first, second = read(write(tmp_path / "t.csv", rows), mapping).queries.values()
    assert (first.modality, second.modality) == ("image+audio", "image+audio+video")
    assert [medium.kind for medium in second.media] == list(MEDIA_KINDS)
    assert second.media[1].read() == b"RIFF"
    with pytest.raises(OSError, match=r"'none\.mp4': No such file"):
        second.media[2].read()


def test_a_sound_beyond_its_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsd_bench.sources.named_media.MAX_MEDIA_BYTES", 3)
    text = LONG.replace('images = "pictures"', 'sounds = "pictures"').replace("image =", "audio =")
    found = read(write(tmp_path / "t.csv", rows_of(1)), prepare(tmp_path, text))
    with pytest.raises(OSError, match=r"'0\.png': has more than 3 bytes"):
        next(iter(found.queries.values())).media[0].read()

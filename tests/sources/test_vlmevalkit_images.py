"""A broken cell used to cost the whole file, and rows of several images could not be read. Images in a folder are
called after ids or indexes, which agree for the first 382 rows of LogicVista and then differ by one: a row must never
be shown the image of its neighbour, nor a file outside of the folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import call_cli
from kit_files import AS_WRITTEN, KitFolder, b64, png

from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import Reading
from rsd_bench.sources.vlmevalkit.vlmevalkit_names import read_column_map
from rsd_bench.types import InputError


@pytest.fixture
def kit(tmp_path: Path) -> KitFolder:
    (tmp_path / "images").mkdir()
    return KitFolder(tmp_path)


def rows(*cells: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"index": i, "question": f"What is {i}?", **cell} for i, cell in enumerate(cells)]


def ready(kit: KitFolder, *cells: dict[str, Any], with_tsv: bool = True) -> None:
    """A benchmark and answers to all of it."""
    if with_tsv:
        kit.benchmark(rows(*cells))
    kit.predict([row | {"prediction": "A"} | ({"image": ""} if with_tsv else {}) for row in rows(*cells)])


def put(kit: KitFolder, **images: int) -> Reading:
    """Image files, by name with "__" for the dot and "___" for a slash."""
    for name, shade in images.items():
        path = kit.folder / "images" / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(shade))
    return Reading(images=kit.folder / "images")


def shown(kit: KitFolder, reading: Reading = AS_WRITTEN) -> list[list[bytes]]:
    return [[media.read() for media in query.media] for query in kit.read(reading)[0].values()]


@pytest.mark.parametrize("several", [str([b64(2), b64(3)]), json.dumps([b64(2), f"data:image/png;base64,{b64(3)}"])])
def test_several_images_in_their_order_and_those_of_another_row(kit: KitFolder, several: str) -> None:
    ready(kit, {"image": "2"}, {"image": b64(1)}, {"image": several}, {"image": "0"})
    both = [png(2), png(3)]
    assert shown(kit) == [both, [png(1)], both, both]
    run = call_cli(
        *("data", "import", "vlmevalkit", "--tsv", kit.tsv, "--pred", kit.predictions["small"]),
        *("--out", kit.folder / "store"),
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (b64(1)[:-3], "Bench.tsv:3: image is not base64"),
        ("?" * 80, "Bench.tsv:3: image is not base64"),
        (str(["data:image/png;base64,", b64(1)]), "Bench.tsv:3: image 1 of 2 is empty"),
        (str([b64(1), "!" * 80]), "Bench.tsv:3: image 2 of 2 is not base64"),
        ("9", "Bench.tsv:3: image is that of row '9', which is missing or has none"),
        ("1", "Bench.tsv:3: image is that of row '1', which is missing or has none"),
        ("", "Bench.tsv:3: has no image"),
    ],
)
def test_a_broken_image_costs_its_row(kit: KitFolder, cell: str, told: str) -> None:
    ready(kit, {"image": b64(1)}, {"image": cell}, {"image": b64(2)})
    faulty, whole = kit.faults()
    assert not whole and len(faulty) == 1 and told in faulty[0]
    queries, responses = kit.left
    assert [query.query_id for query in queries] == [r.query_id for r in responses] == ["Bench/0", "Bench/2"]
    assert [query.media[0].read() for query in queries] == [png(1), png(2)]


def test_a_row_that_was_changed_since_it_was_read_is_not_shown(kit: KitFolder) -> None:
    ready(kit, {"image": b64(1)}, {"image": b64(2)})
    queries = list(kit.open().queries)
    assert kit.tsv
    kit.tsv.write_bytes(kit.tsv.read_bytes().replace(b'"1"', b'"7"'))
    assert queries[0].media[0].read() == png(1)
    with pytest.raises(OSError, match="was changed while it was read"):
        queries[1].media[0].read()


@pytest.mark.parametrize("with_tsv", [True, False])
def test_images_by_path(kit: KitFolder, with_tsv: bool) -> None:
    """Also by the path they had where the kit ran, and several."""
    windows = "C:\\LMUData\\b\\3.png"
    paths = ("a/1.png", "/data/LMUData/images/Bench/2.png", windows, json.dumps(["a/1.png", windows]))
    ready(kit, *({"image_path": path} for path in paths), with_tsv=with_tsv)
    reading = put(kit, a___1__png=1, **{"2__png": 2}, b___3__png=3)
    assert shown(kit, reading) == [[png(1)], [png(2)], [png(3)], [png(1), png(3)]]


@pytest.mark.parametrize("with_tsv", [True, False])
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("b.png", "has no image 'b.png' in"),
        ("../secret.png", "has no image '../secret.png' in"),
        ("link.png", "images/link.png' is a symbolic link to "),
        ("\x07\u2028" * 200, "has no image"),
        ("a", "image 'a' is a.jpg and a.png"),
        (None, "has no image"),
    ],
)
def test_a_path_that_leads_nowhere_costs_its_row(kit: KitFolder, path: str | None, told: str, with_tsv: bool) -> None:
    (kit.folder / "secret.png").write_bytes(png(9))
    reading = put(kit, a__png=1, a__jpg=2, c__png=3)
    (kit.folder / "images" / "link.png").symlink_to(kit.folder / "secret.png")
    cells = [{"image_path": "c.png"}, {"image_path": path and path.replace("\x07", "")}]
    ready(kit, *cells, with_tsv=with_tsv)
    faulty, whole = kit.faults(reading)
    assert not whole and len(faulty) == 1 and told in faulty[0]
    assert [len(left) for left in kit.left] == [1, 1]


def test_two_paths_that_end_in_one_file_are_refused(kit: KitFolder) -> None:
    ready(kit, {"image_path": "/x/left/1.png"}, {"image_path": "/x/right/1.png"})
    whole = kit.faults(put(kit, **{"1__png": 1}))[1]
    assert "images '/x/left/1.png' and '/x/right/1.png' are both" in whole[0]
    assert shown(kit, put(kit, left___1__png=3, right___1__png=4)) == [[png(3)], [png(4)]]


@pytest.mark.parametrize("with_tsv", [True, False])
def test_images_called_after_id_or_index(kit: KitFolder, with_tsv: bool) -> None:
    ready(kit, {"id": "v1_0"}, {"id": "v1_2"}, with_tsv=with_tsv)
    by_id = put(kit, v1_0__png=1, v1_1__png=7, v1_2__JPEG=2)
    assert shown(kit, by_id) == [[png(1)], [png(2)]]
    (kit.folder / "images" / "v1_2.JPEG").unlink()
    assert "has no image 'v1_2' in" in kit.faults(by_id)[0][0]
    for path in (kit.folder / "images").iterdir():
        path.unlink()
    assert shown(kit, put(kit, **{"0__png": 3, "1__webp": 4})) == [[png(3)], [png(4)]]


def test_images_that_could_be_called_after_either_are_refused_until_it_is_said(kit: KitFolder) -> None:
    ready(kit, {"id": 0}, {"id": 2}, with_tsv=False)
    reading = put(kit, **{"0__png": 1, "1__png": 2})
    assert shown(kit, reading) == [[png(1)], [png(2)]]  # there is none of id 2
    reading = put(kit, **{"2__png": 3})
    assert "has images called after both id and index" in kit.faults(reading)[1][0]
    for column, second in (("id", 3), ("index", 2)):
        told = Reading(images=reading.images, columns=read_column_map(f"image_path={column}"))
        assert shown(kit, told) == [[png(1)], [png(second)]]


@pytest.mark.parametrize(
    ("cells", "reading", "told"),
    [
        ({"image_path": "1.png"}, Reading(), "names its images by path in 1 rows -> give their folder by --images"),
        ({}, Reading(), "has no column image; it has index, question"),
        ({}, Reading(images=Path("images")), "has no image called '0' -> name images after id, or index"),
    ],
)
def test_it_is_told_what_would_find_the_images(
    kit: KitFolder, monkeypatch: pytest.MonkeyPatch, cells: dict[str, Any], reading: Reading, told: str
) -> None:
    monkeypatch.chdir(kit.folder)
    ready(kit, cells)
    assert told in kit.faults(reading)[1][0]


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (Reading(images=Path("nowhere")), "is no folder"),
        (Reading(images=Path("images"), no_images=True), "is given beside --images"),
    ],
)
def test_options_that_cannot_hold(kit: KitFolder, reading: Reading, told: str) -> None:
    ready(kit, {"image_path": "1.png"})
    with pytest.raises(InputError, match=told):
        kit.open(reading)


@pytest.mark.parametrize(("column", "modality"), [("image", "image"), ("image_path", "image"), ("video", "video")])
def test_without_images_it_is_known_that_there_were_some(kit: KitFolder, column: str, modality: str) -> None:
    ready(kit, {column: b64(1)})
    (query,) = kit.read(Reading(no_images=True))[0].values()
    assert (query.media, query.modality, query.media_available) == ((), modality, False)

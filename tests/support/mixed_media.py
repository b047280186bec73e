"""Queries of every modality as records, and a dataset in which some queries have no image and others several."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

from conftest import RECIPE, Records, png

from rsd_bench.build.build_dataset import build_dataset
from rsd_bench.build.recipe import read_recipe
from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.types import Problem


def _wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        sound.writeframes(bytes(1_600))
    return out.getvalue()


WAV = _wav()
MP3 = b"\xff\xfb\x90\x64" + bytes(413)  # the header of a frame of 128 kbit/s, and its silence
FLAC = b"fLaC\x00\x00\x00\x22" + bytes(34)
FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(64)
FILES = {"clips/a.wav": WAV, "clips/a.mp3": MP3, "clips/a.flac": FLAC, "clips/a.mp4": FILM}

#: What each query of `mixed_records` has in place of its one image; those after them keep it.
MEDIA: tuple[dict[str, Any], ...] = (
    {"images": ["images/2.png", "images/1.png", "images/3.png"]},
    {"audio": "clips/a.wav"},
    {"image": "images/2.png", "audio": ["clips/a.mp3", "clips/a.wav"]},
    {},
    {"audio": "clips/a.flac"},
    {"video": "clips/a.mp4"},
    {"modality": "video", "media_available": False},
    {"modality": "image", "media_available": False},
)


def mixed_records(folder: Path, n: int = 10, models: tuple[str, ...] = ()) -> Records:
    """Records of `n` queries, the first of them with the media of MEDIA."""
    records = Records(folder, n=n, models=models)
    (folder / "clips").mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    for query, media in zip(records.queries, MEDIA, strict=False):
        del query["image"]
        query.update(media)
    return records


def mixed_dataset(root: Path, n: int = 300) -> Path:
    """A built dataset of `n` queries, in folder `root` with its store: a third has no image, a third has three."""
    records = Records(root / "toy", n=n)
    (records.folder / "clips").mkdir(parents=True)
    for i, query in enumerate(records.queries):  # domains take turns too, three to a turn
        if i // 3 % 3 == 0:
            del query["image"]
            query["audio"] = f"clips/{i}.wav"
            (records.folder / query["audio"]).write_bytes(WAV + str(i).encode())
        elif i // 3 % 3 == 1:
            more = {f"images/{i}-{j}.png": png(10 * i + j) for j in range(2)}
            query["images"] = [query.pop("image"), *more]
            records.images |= more
    problems: list[Problem] = []
    import_source(open_records(records.write(), problems.append), root / "store", {}, problems)
    assert not problems
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "dataset")
    return root / "dataset"

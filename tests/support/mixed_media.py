"""Queries of every modality: as records, and as a dataset folder in which some queries have no image or several."""

from __future__ import annotations

import io
import shutil
import wave
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import Records, png
from toy_builds import list_files_again

from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS


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


def mixed_dataset(built: Path, folder: Path) -> Path:
    """A copy of a built dataset in which each third query has no image, and each one after it three."""
    shutil.copytree(built, folder)
    for shard in sorted((folder / "pairs").glob("*.parquet")):
        table = pq.read_table(shard, partitioning=None)
        rows = table.to_pylist()
        for i, row in enumerate(rows):
            row["modality"], row["images"], row["audio"], row["video"] = "image", None, None, None
            if i % 3 == 0:
                row.update(modality="audio", image=None, image_sha256=None, audio=[{"bytes": WAV, "path": None}])
                row["statistics"].update(dict.fromkeys(IMAGE_NUMBERS))
            elif i % 3 == 1:
                row["images"] = [row["image"], *({"bytes": png(1_000 + i + j), "path": None} for j in range(2))]
        several = pa.list_(table.schema.field("image").type)
        schema = table.schema.append(pa.field("modality", pa.string()))
        for name in ("images", "audio", "video"):
            schema = schema.append(pa.field(name, several))
        pq.write_table(pa.Table.from_pylist(rows, schema), shard, row_group_size=100)
    list_files_again(folder)
    return folder

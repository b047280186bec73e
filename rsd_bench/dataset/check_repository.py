"""The part of `data check` that looks at a dataset folder as the Hub will: card, licences, Croissant, eval.yaml, sizes.

The limits are the Hub's, as its documentation and its viewer's own messages state them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from rsd_bench.dataset.layout import CARD, CROISSANT, EVAL, PICTURES, card_configs, task_id
from rsd_bench.dataset.manifest import Manifest
from rsd_bench.inert_text import markdown_text
from rsd_bench.types import Problem

_REBUILD = "build the dataset again"
FILE_BYTES = 50_000_000_000  # one file on the Hub
PLAIN_FILE_BYTES = 10_000_000  # a file outside LFS
FILES_PER_FOLDER = 10_000
ROW_GROUP_BYTES = 300_000_000  # above it the viewer says TooBigContentError (286.1 MiB)
_RESPONSIBLE_AI = (
    "dataCollection",
    "dataAnnotationProtocol",
    "annotationsPerItem",
    "machineAnnotationTools",
    "dataLimitations",
    "dataBiases",
    "dataUseCases",
    "dataSocialImpact",
    "personalSensitiveInformation",
    "dataReleaseMaintenancePlan",
)
_NO_LICENCE = ("", "unknown", "none")


def check_repository(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Problems that would meet a user, or the Hub, after a push. Files must be those of the manifest already."""
    pictures = PICTURES if manifest.schema_version > 1 else PICTURES[:1]
    documents = (CARD, CROISSANT, *pictures, *((EVAL,) if manifest.benchmark else ()))
    missing = [name for name in documents if name not in manifest.files]
    for name in missing:
        yield Problem(str(folder / name), "is missing", _REBUILD)
    yield from _licences(folder, manifest)
    yield from _sizes(folder, manifest)
    if not missing:
        yield from _card(folder, manifest)
        yield from _croissant(folder, manifest)
        yield from _eval_yaml(folder, manifest) if EVAL in documents else ()


def _licences(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    for name, source in manifest.sources.items():
        licence = source.license.strip().lower()
        stated = licence not in _NO_LICENCE and not licence.startswith("none ")
        if source.redistributable and not stated:
            what = f"source {name!r} may be re-hosted by a licence that is {source.license!r}"
            yield Problem(str(folder), what, "state the licence in source.json, or set redistributable to false")


def _sizes(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    for parent, n in Counter(Path(name).parent for name in manifest.files).items():
        if n > FILES_PER_FOLDER:
            yield Problem(str(folder / parent), f"holds {n} files, the Hub takes {FILES_PER_FOLDER}", _REBUILD)
    for name, entry in manifest.files.items():
        parquet = name.endswith(".parquet")
        limit = FILE_BYTES if parquet else PLAIN_FILE_BYTES
        if entry.bytes > limit:
            yield Problem(str(folder / name), f"has {entry.bytes} bytes, the Hub takes {limit}", "use smaller shards")
        if not parquet:
            continue
        metadata = pq.read_metadata(folder / name)
        largest = max((metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), default=0)
        if largest > ROW_GROUP_BYTES:
            what = f"has a row group of {largest} bytes; the Hub's viewer shows up to {ROW_GROUP_BYTES}"
            yield Problem(str(folder / name), what, "build with fewer rows a group")


def _card(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    import yaml
    from huggingface_hub import DatasetCard

    path = folder / CARD
    try:
        card = DatasetCard.load(path)
    except (ValueError, TypeError, OSError, yaml.YAMLError) as error:
        yield Problem(str(path), f"has no YAML that can be read: {' '.join(str(error).split())}", _REBUILD)
        return
    data = card.data.to_dict()
    if data.get("configs") != card_configs(manifest.lite, manifest.files, manifest.optional("pairs")):
        yield Problem(str(path), "its configs are not those of the data", _REBUILD)
    for key in ("license", "language", "size_categories", "pretty_name", "tags"):
        if not data.get(key):
            yield Problem(str(path), f"its YAML has no {key}", _REBUILD)
    told = [manifest.canary, *(s.license for s in manifest.sources.values())]
    for text in told:
        if markdown_text(text) not in card.text and text not in card.text:
            yield Problem(str(path), f"does not say {text!r}", _REBUILD)


def _croissant(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    path = folder / CROISSANT
    try:
        document = json.loads(path.read_bytes())
        told = {file["@id"]: file["sha256"] for file in document["distribution"]}
    except (ValueError, KeyError, TypeError) as error:
        yield Problem(str(path), f"is no Croissant file: {error!r}", _REBUILD)
        return
    files = {name: entry.sha256 for name, entry in manifest.files.items() if name.endswith(".parquet")}
    for name in sorted(told.keys() | files.keys()):
        if told.get(name) != files.get(name):
            yield Problem(str(path), f"says of {name} what is not so", _REBUILD)
    for key in _RESPONSIBLE_AI:
        if not document.get(f"rai:{key}"):
            yield Problem(str(path), f"has no rai:{key}", _REBUILD)


def _eval_yaml(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    import yaml

    path = folder / EVAL
    try:
        tasks = [task["id"] for task in yaml.safe_load(path.read_bytes())["tasks"]]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        yield Problem(str(path), f"is no benchmark file: {error!r}", _REBUILD)
        return
    if tasks != [task_id(name) for name in manifest.scored_on]:
        yield Problem(str(path), f"its tasks are {', '.join(map(str, tasks))}", _REBUILD)

"""croissant.json: the dataset in the vocabulary that search engines and venues read (Croissant 1.0 core + RAI).

One record set per table and file, each field bound to a Parquet column, each file with its SHA-256, so that
`mlcroissant.Dataset(...).records(...)` loads real rows: from the folder, or from the Hub at the version's tag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_bench.build.card_facts import column_meaning
from rsd_bench.build.card_figures import Figures
from rsd_bench.dataset.manifest import FileEntry, Manifest

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_KEYS = {"pairs": ("query_id",), "outcomes": ("query_id", "model"), "splits": ("query_id",)}
_SHARD = re.compile(r"^(?P<table>[\w-]+)/(?P<split>[\w]+)-(?P<index>\d+)-of-(?P<shards>\d+)\.parquet$")


def write_croissant(folder: Path, path: Path, manifest: Manifest, figures: Figures, base_url: str) -> None:
    """Write croissant.json of a dataset folder. `base_url`: "" where files lie beside it, else their address."""
    shards = {name: entry for name, entry in manifest.files.items() if name.endswith(".parquet")}
    record_sets = [_record_set(folder, name) for name in shards]
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        **_core(manifest),
        **_responsible_ai(manifest, figures),
        "distribution": [_file(name, entry, base_url) for name, entry in shards.items()],
        "recordSet": [record_set for record_set in record_sets if record_set],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")


def _core(manifest: Manifest) -> dict[str, Any]:
    facts = manifest.card or {}
    licences = dict.fromkeys(source.license for source in manifest.sources.values())
    return {
        "name": manifest.name,
        "description": f"{manifest.title}. {_flat(facts['motivation'])}",
        "version": manifest.version,
        "license": list(licences),
        "creator": [{"@type": "sc:Organization", "name": name} for name in facts["creators"]],
        "citeAs": facts["citation"],
        "url": facts["url"],
        "inLanguage": facts["language"],
        "keywords": facts["tags"],
        "isLiveDataset": False,
    }


def _responsible_ai(manifest: Manifest, figures: Figures) -> dict[str, Any]:
    """The RAI fields venues ask for, from the facts of the card and the judges that the data names."""
    facts = manifest.card or {}
    tools = [f"{judge.name} (source {judge.source}, {judge.answers} answers)" for judge in figures.judges]
    return {
        "rai:dataCollection": _flat(facts["collection"]),
        "rai:dataPreprocessingProtocol": [_flat(facts["preprocessing"])],
        "rai:dataAnnotationProtocol": _flat(facts["annotation"]),
        "rai:dataAnnotationAnalysis": [_flat(facts["judge_audit"])],
        "rai:annotationsPerItem": "One score per query and model; the judge calls behind it stand in n_judgments.",
        "rai:machineAnnotationTools": tools,
        "rai:dataLimitations": facts["limitations"],
        "rai:dataBiases": facts["biases"],
        "rai:dataUseCases": [*facts["uses"], *(f"Not for: {use}" for use in facts["out_of_scope"])],
        "rai:dataSocialImpact": _flat(facts["social_impact"]),
        "rai:personalSensitiveInformation": [_flat(facts["personal_data"])],
        "rai:dataReleaseMaintenancePlan": _flat(facts["maintenance"]),
    }


def _flat(text: str) -> str:
    return " ".join(text.split())


def _file(name: str, entry: FileEntry, base_url: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": base_url + name,
        "contentSize": f"{entry.bytes} B",
        "encodingFormat": "application/x-parquet",
        "sha256": entry.sha256,
    }


def _record_set(folder: Path, name: str) -> dict[str, Any] | None:
    """Rows of one file: `pairs/train`, or `pairs/train-00001` where the split has several files. None without rows."""
    parts = _SHARD.match(name)
    if parts is None or pq.read_metadata(folder / name).num_rows == 0:
        return None
    table = parts["table"]
    set_id = f"{table}/{parts['split']}" + (f"-{parts['index']}" if int(parts["shards"]) > 1 else "")
    schema = pq.read_schema(folder / name)
    record_set: dict[str, Any] = {"@type": "cr:RecordSet", "@id": set_id, "name": set_id}
    if keys := _KEYS.get(table):
        record_set["key"] = [{"@id": f"{set_id}/{key}"} for key in keys]
    return record_set | {"field": [field for column in schema for field in _fields(set_id, table, name, column)]}


def _fields(set_id: str, table: str, file: str, column: pa.Field) -> Iterator[dict[str, Any]]:
    field: dict[str, Any] = {"@type": "cr:Field", "@id": f"{set_id}/{column.name}", "name": column.name}
    if meaning := column_meaning(table, column.name):
        field["description"] = meaning
    source: dict[str, Any] = {"fileObject": {"@id": file}, "extract": {"column": column.name}}
    if column.name == "image":
        yield field | {"dataType": "sc:ImageObject", "source": source | {"transform": {"jsonPath": "bytes"}}}
    elif pa.types.is_struct(column.type):
        yield field | {
            "subField": [
                {
                    "@type": "cr:Field",
                    "@id": f"{set_id}/{column.name}/{part.name}",
                    "name": part.name,
                    "dataType": _data_type(part.type),
                    "source": source | {"transform": {"jsonPath": part.name}},
                }
                for part in column.type
            ]
        }
    elif pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        yield field | {"dataType": _data_type(column.type.value_type), "repeated": True, "source": source}
    else:
        yield field | {"dataType": _data_type(column.type), "source": source}


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"

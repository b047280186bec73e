"""What makes a folder of tables a dataset repository: card, pictures, eval.yaml, Croissant and, last, the manifest.

All are pure functions of the tables and the manifest (which carries the facts that people wrote), so that the builder
and the publisher write them by the same code, and a published card can be traced to a local one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rsd_bench.build.card_facts import CARDS, column_meaning
from rsd_bench.build.card_figures import Figures, dataset_figures
from rsd_bench.build.card_pictures import latency_distributions, satisfied_shares, score_histograms
from rsd_bench.build.croissant import write_croissant
from rsd_bench.config import FOLDS, MES_LEVELS, STANDING_GROUPS
from rsd_bench.dataset.layout import CARD, CROISSANT, EVAL, MANIFEST, PICTURES, card_configs, task_id
from rsd_bench.dataset.manifest import Manifest, file_entries, to_bytes
from rsd_bench.inert_text import markdown_code, markdown_code_cell, markdown_prose, markdown_text
from rsd_bench.schemas import is_web_link

_TEMPLATE = "card.md.jinja"
_LOCAL = "."  # a card beside its data is read with the folder as working directory


def write_documents(folder: Path, manifest: Manifest) -> Manifest:
    """Write every document of a dataset folder whose tables stand; return the manifest with its file list.

    The files that `manifest` lists are those of another folder, or none. Its `repository` says where the folder is
    published, at tag v<version>; `benchmark` False leaves out eval.yaml.
    """
    figures = dataset_figures(folder, manifest)
    for picture, draw in zip(PICTURES, (score_histograms, satisfied_shares, latency_distributions), strict=True):
        (folder / picture).parent.mkdir(exist_ok=True)
        (folder / picture).write_bytes(draw(figures))
    manifest = replace(manifest, files=file_entries(folder))
    (folder / CARD).write_text(_card(folder, manifest, figures), "utf-8", newline="\n")
    if manifest.benchmark:
        (folder / EVAL).write_text(_eval_yaml(manifest), "utf-8", newline="\n")
    tables = {name: entry for name, entry in manifest.files.items() if name.endswith(".parquet")}
    manifest = replace(manifest, files=file_entries(folder, known=tables))
    write_croissant(folder, folder / CROISSANT, manifest, figures, _base_url(manifest))
    manifest = replace(manifest, files=file_entries(folder, known=manifest.files))
    (folder / MANIFEST).write_bytes(to_bytes(manifest.to_dict()))
    return manifest


def _base_url(manifest: Manifest) -> str:
    """Where files of the published version are fetched from; "" for a folder that is not published."""
    if manifest.repository is None:
        return ""
    from huggingface_hub.constants import ENDPOINT

    return f"{ENDPOINT}/datasets/{manifest.repository}/resolve/v{manifest.version}/"


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))


def _eval_yaml(manifest: Manifest) -> str:
    """The Hub's benchmark file: one task per scenario, scored on the test split. Values are RCS."""
    tasks = [{"id": task_id(name), "config": "pairs", "split": "test"} for name in manifest.scored_on]
    return _yaml(
        {
            "name": manifest.title,
            "description": "Routing between a small and a large vision-language model: RCS on the test queries.",
            "evaluation_framework": "rsd-bench",
            "tasks": tasks,
        }
    )


def _card(folder: Path, manifest: Manifest, figures: Figures) -> str:
    facts = manifest.card or {}
    header = {
        "pretty_name": manifest.title,
        "license": facts["license"],
        "language": facts["language"],
        "task_categories": facts["task_categories"],
        "tags": facts["tags"],
        "size_categories": [_size_category(manifest.queries)],
        "configs": card_configs(manifest.lite, manifest.files, manifest.optional("pairs")),
    }
    if facts["license"] == "other":
        header["license_name"] = "by-source"
    environment = Environment(
        loader=FileSystemLoader(CARDS), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= _FILTERS
    body = environment.get_template(_TEMPLATE).render(
        manifest=manifest.to_dict(),
        facts=facts,
        figures=figures,
        lite=manifest.lite,
        profile=manifest.profile,
        tables=_tables(folder, manifest),
        where=manifest.repository or _LOCAL,
        tag=f"v{manifest.version}" if manifest.repository else None,
        pictures=PICTURES,
        scenarios=manifest.scored_on,
        withheld_queries=sum(manifest.sources[name].queries for name in manifest.withheld),
        mes_levels=MES_LEVELS,
        standing_groups=STANDING_GROUPS,
        folds=FOLDS,
        repeats=manifest.repeats,
        tracks=manifest.tracks,
        track_counts=manifest.track_counts or {},
    )
    return f"---\n{_yaml(header)}---\n\n{body.strip()}\n"


def _cell(text: Any) -> str:
    """Markdown of our own as one cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _link(text: str) -> str:
    """An address that may be one stays as it is, for the Hub to make a link of it; all else is text."""
    behind = text.partition("://")[2]
    return text if is_web_link(text) and markdown_text(behind) == behind else markdown_text(text)


#: `text` and what follows it make inert what others wrote; `cell` is for Markdown of our own.
_FILTERS = {
    "text": markdown_text,
    "code": markdown_code,
    "code_cell": markdown_code_cell,
    "prose": markdown_prose,
    "link": _link,
    "cell": _cell,
}


def _tables(folder: Path, manifest: Manifest) -> dict[str, list[tuple[str, str, str]]]:
    """Table -> (column, type, meaning), from the files themselves; the ten labels are one line."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for config in card_configs(manifest.lite, manifest.files, manifest.optional("pairs")):
        name = config["config_name"]
        if name.startswith("mes-"):
            continue
        schema = pq.read_schema(next((folder / name).glob("*.parquet")))
        rows = [(c.name, _kind(c.type), column_meaning(name, c.name)) for c in schema]
        first = next((i for i, row in enumerate(rows) if row[0].startswith("label_mes_")), None)
        if first is not None:
            rows = [row for row in rows if not row[0].startswith("label_mes_")]
            rows.insert(first, ("label_mes_1 ... label_mes_10", "ClassLabel", "cloud (0) or edge (1) at that MES"))
        found[name] = rows
    return found


def _kind(kind: Any) -> str:
    text = str(kind)
    if text.startswith("struct<bytes"):
        return "Image"
    return "struct" if text.startswith("struct") else text.replace("double", "float64")


def _size_category(queries: int) -> str:
    for bound, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if queries < bound:
            return name
    return "1M<n<10M" if queries < 10_000_000 else "n>10M"

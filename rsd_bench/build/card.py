"""The dataset card: YAML configs that `load_dataset` reads, and a first page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rsd_bench.config import load_profile
from rsd_bench.dataset.layout import card_configs

_TEMPLATE = "card.md.jinja"


def write_card(path: Path, manifest: dict[str, Any]) -> None:
    """Write README.md of a dataset folder from its manifest."""
    import yaml

    lite = manifest["edition"] == "lite"
    header = {
        "pretty_name": manifest["title"],
        "license": "other",
        "language": ["en"],
        "tags": ["model-routing", "vision-language-model", "llm-as-judge", "benchmark"],
        "size_categories": [_size_category(manifest["queries"])],
        "configs": card_configs(lite),
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    profile = load_profile(manifest["latency_profile"])
    body = environment.get_template(_TEMPLATE).render(manifest=manifest, lite=lite, profile=profile)
    text = yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"---\n{text}---\n\n{body.strip()}\n", "utf-8", newline="\n")


def _size_category(queries: int) -> str:
    for bound, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if queries < bound:
            return name
    return "n>1M"

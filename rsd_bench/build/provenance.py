"""What a live-built source adds to a manifest: who answered and judged, and how many labels would flip.

Nothing is added for a source without live answers or an audit, so manifests of imported records stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PureWindowsPath
from typing import Any

from rsd_bench.build.recipe import Recipe
from rsd_bench.config import MES_LEVELS
from rsd_bench.dataset.manifest import Manifest
from rsd_bench.dataset.tables import read_table
from rsd_bench.model_names import what_moved
from rsd_bench.sources.store.damage import reading
from rsd_bench.sources.store.outcomes import AUDIT
from rsd_bench.types import Problem


def live_provenance(info: Mapping[str, Any]) -> dict[str, Any]:
    """Models and judges of a source without their endpoints, which are the builder's own affair."""
    return {
        kind: {name: _public(entry) for name, entry in info[kind].items()}
        for kind in ("live", "judging")
        if kind in info
    }


def _public(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Without the endpoint; a served model that is a path on the builder's disk by its last part."""
    public = {key: value for key, value in entry.items() if key != "endpoint"}
    if "served_models" in public:
        public["served_models"] = [_public_name(n) for n in public["served_models"]]
    return public


def _public_name(served: str) -> str:
    path = PureWindowsPath(served)  # reads the paths of other systems, too
    return path.name if path.root else served


def moved_models(manifest: Manifest) -> list[Problem]:
    """The models of the pair and the judges that were not, everywhere, one version of what was asked: warnings."""
    served: dict[tuple[str, str], set[str]] = {}
    for name, source in manifest.sources.items():
        pair = manifest.pair_of(name)
        for model in (pair.small, pair.large):
            names = (source.live or {}).get(model, {}).get("served_models", ())
            served.setdefault((model, model), set()).update(names)
        for judge, entry in (source.judging or {}).items():
            served.setdefault((judge, judge.partition("/")[2]), set()).update(entry.get("served_models", ()))
    fix = "name a dated id and ask again, or tell the readers of the dataset"
    return [Problem(who, moved, fix) for (who, asked), names in served.items() if (moved := what_moved(asked, names))]


def ungrouped(folder: Path, manifest: Manifest) -> list[Problem]:
    """A warning where queries are about media that nobody has: those of one picture may stand in several splits."""
    if "modality" not in manifest.optional("pairs"):
        return []
    kept = "image_sha256", "modality", "source"
    pairs = read_table(folder, "pairs", list(kept)).to_pandas()
    away = pairs[pairs["image_sha256"].isna() & pairs["modality"].str.contains("image")]["source"].value_counts()
    fix = "import them with their images, or give a `group`"
    what = "queries are about images that are not here: two about one image may stand in different splits"
    return [Problem(f"source {source}", f"{n} {what}", fix) for source, n in away.sort_index().items()]


def unvaried(manifest: Manifest) -> list[Problem]:
    """A warning where models lose their scores, as they have none on the variants of a question."""
    fix = "import their variants, or leave [score] out of the recipe"
    return [
        Problem(f"source {name}", f"no variants, and so no scores, of {', '.join(source.unvaried)}", fix)
        for name, source in manifest.sources.items()
        if source.unvaried
    ]


def label_noise(recipe: Recipe, store: Path, sources: Iterable[str]) -> dict[str, Any] | None:
    """`flip_prob` from the audits of the recipe's pairs; None where there is none."""
    audits = []
    for source in sources:
        path = store / "sources" / source / AUDIT
        if path.is_file():
            with reading(path, "run `rsd-bench judge audit` again"):
                audit = json.loads(path.read_bytes())
                if audit["pair"] == asdict(recipe.pair_of(source)) and audit["flip_prob"]:
                    audits.append(audit)
    return mean_noise(audits) if audits else None


def mean_noise(audits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`flip_prob` of audits, each with its source, judge and flip_prob: the mean over their queries."""
    flips = [audit["flip_prob"] for audit in audits]
    queries = sum(flip["queries"] for flip in flips)
    near = {str(mes): sum(flip["near_queries"][str(mes)] for flip in flips) for mes in MES_LEVELS}
    return {
        "judges": sorted({audit["judge"] for audit in audits}),
        "sources": [audit["source"] for audit in audits],
        "queries": queries,
        "all": {m: sum(flip["all"][m] * flip["queries"] for flip in flips) / queries for m in near},
        "near": {
            m: sum((flip["near"][m] or 0) * flip["near_queries"][m] for flip in flips) / n if n else None
            for m, n in near.items()
        },
        "near_queries": near,
    }

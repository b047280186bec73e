"""The models that a recipe names, by their canonical ids: any name that a source gave a model means it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rsd_bench.build.recipe import Recipe
from rsd_bench.config import load_aliases
from rsd_bench.dataset.manifest import ModelPair
from rsd_bench.model_names import find_model
from rsd_bench.types import InputError, Problem


def with_canonical_models(recipe: Recipe, infos: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """The recipe with the canonical ids of its models; `infos`: provenance by source, with scored answers by model.

    InputError for each model that its sources do not have, naming the nearest, and where two names mean one model.
    """
    aliases, problems = load_aliases(), []

    def found(asked: tuple[str, ...], roles: tuple[str, ...], sources: Iterable[str], where: str) -> tuple[str, ...]:
        scores: Counter[str] = Counter()
        for name in sources:
            scores.update(infos[name]["models"])
        models = []
        for role, model in zip(roles, asked, strict=True):
            try:
                models.append(find_model(model, scores, aliases))
            except ValueError as error:
                problems.append(Problem(recipe.name, f"{where}{role}: {error}", "name a model with scores"))
        twice = [model for model, times in Counter(models).items() if times > 1]
        problems.extend(Problem(recipe.name, f"{where} names {model!r} twice", "name two models") for model in twice)
        return tuple(models) if len(models) == len(asked) else asked

    tiers = (" small", " large")
    own = recipe.small, recipe.large
    default = found(own, tiers, [n for n in infos if n not in recipe.pairs] or infos, "[pair]")
    pairs = {
        source: ModelPair(*found((pair.small, pair.large), tiers, [source], f"[pairs.{source}]"))
        for source, pair in recipe.pairs.items()
    }
    tracks = []
    for track in recipe.tracks:
        sources = [name for name in track.sources if name in infos] or infos
        roles = tiers if len(track.tiers) == len(tiers) else tuple(f" tier {k + 1}" for k in range(len(track.tiers)))
        models = found(track.tiers, roles, sources, f"track {track.name!r}")
        tracks.append(replace(track, tiers=models) if len(set(models)) == len(models) else track)  # else told
    if problems:
        raise InputError(problems)
    return replace(recipe, small=default[0], large=default[1], pairs=pairs, tracks=tuple(tracks))

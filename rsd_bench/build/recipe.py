"""A recipe: the TOML that says which sources become which dataset."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rsd_bench.build.card_facts import card_facts
from rsd_bench.build.recipe_tracks import NAME, pair_of, pairs_of, strings, tracks_of, variants_of
from rsd_bench.config import (
    CROSS_FITTED,
    DEFAULT_PROFILE,
    FIXED_TEST,
    PRESETS,
    REPEATS,
    LatencyProfile,
    load_profile,
    load_scenarios,
    read_toml,
    scenarios_of,
)
from rsd_bench.dataset.manifest import ModelPair
from rsd_bench.dataset.tracks import Track
from rsd_bench.types import InputError, Problem, Scenario

_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)
_KEYS = {
    "name",
    "version",
    "title",
    "sources",
    "pair",
    "pairs",
    "score",
    "latency_profile",
    "scenarios",
    "domains",
    "protocol",
    "repeats",
    "tracks",
    "card",
}


@dataclass(frozen=True)
class Recipe:
    """name and pair are required. sources None = all of the store; domains None = each source domain its own group.

    pairs: of the sources whose queries are routed between other models. variants: the sources whose scores are means
    over the variants of their questions. repeats: deals of the folds, where a track is cross-fitted.
    scenarios None = the presets. own_profile: a latency profile that is not shipped; `latency_profile` then names it.
    """

    name: str
    small: str
    large: str
    version: str = "1.0.0"
    title: str = ""
    sources: tuple[str, ...] | None = None
    latency_profile: str = DEFAULT_PROFILE
    own_profile: LatencyProfile | None = None
    scenarios: Mapping[str, Scenario] | None = None
    domains: dict[str, tuple[str, ...]] | None = None
    pairs: Mapping[str, ModelPair] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    protocol: str = CROSS_FITTED  # of `in-domain`
    repeats: int = REPEATS
    tracks: tuple[Track, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)  # words of the card that differ from the shipped facts

    @property
    def profile(self) -> LatencyProfile:
        return self.own_profile or load_profile(self.latency_profile)

    def pair_of(self, source: str) -> ModelPair:
        """The models that the queries of a source are routed between."""
        return self.pairs.get(source, ModelPair(self.small, self.large))

    @property
    def sha256(self) -> str:
        """Hash of what the recipe says of the data, whatever its layout, comments and words for the card.

        What is as it was before recipes could say it is left out: the hash of such a recipe is what it was then.
        """
        said = asdict(self)
        silent: dict[str, Any] = {"own_profile": None, "scenarios": None, "pairs": {}, "variants": ()}
        silent |= {"protocol": FIXED_TEST, "repeats": REPEATS}
        gone = {"card"}
        gone |= {name for name, value in silent.items() if said[name] == value}
        said = {key: value for key, value in said.items() if key not in gone}
        said["tracks"] = [_said(track) for track in self.tracks]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _said(track: Track) -> dict[str, Any]:
    told = {"name": track.name, "train": track.train, "test": track.test, **track.to_dict()}
    if track.protocol == FIXED_TEST:
        del told["protocol"]
    return told


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe; InputError listing every problem."""
    data = read_toml(path)
    problems: list[Problem] = []

    def wrong(what: str, fix: str) -> None:
        problems.append(Problem(str(path), what, fix))

    for key in sorted(data.keys() - _KEYS):
        wrong(f"key {key!r} is unknown", f"use {', '.join(sorted(_KEYS))}")
    if not (isinstance(data.get("name"), str) and NAME.fullmatch(data["name"])):
        wrong(f"name is {data.get('name')!r}", 'name = "my-rsd" (small letters, digits, . _ -)')
    pair = pair_of(data.get("pair"), "[pair]", wrong)
    pairs, variants = pairs_of(data.get("pairs", {}), wrong), variants_of(data.get("score", {}), wrong)
    for key in ("version", "title", "latency_profile"):
        if not isinstance(data.get(key, ""), str):
            wrong(f"{key} is not a string", f'{key} = "..."')
    if isinstance(data.get("version"), str) and not _VERSION.fullmatch(data["version"]):
        wrong(f"version is {data['version']!r}", 'version = "1.0.0"')
    sources = data.get("sources")
    if sources is not None and not (strings(sources) and sources and len(set(sources)) == len(sources)):
        wrong("sources is not a list of different names", 'sources = ["NAME", ...]')
    domains = data.get("domains")
    if domains is not None and not (isinstance(domains, dict) and all(strings(v) and v for v in domains.values())):
        wrong("[domains] must map a group to a list of source domains", 'chart = ["chart"]')
        domains = None
    for group in domains or {}:
        if not NAME.fullmatch(group):
            wrong(f"domain group {group!r} is no plain name", "use small letters, digits, . _ -")
    protocol = data.get("protocol", CROSS_FITTED)
    if protocol not in (CROSS_FITTED, FIXED_TEST):
        wrong(f"protocol is {protocol!r}", f'protocol = "{CROSS_FITTED}" or "{FIXED_TEST}"')
    repeats = data.get("repeats", REPEATS)
    if type(repeats) is not int or not 1 <= repeats <= REPEATS:
        wrong(f"repeats is {repeats!r:.40}", f"give 1 to {REPEATS} deals of the folds")
    tracks = tracks_of(data.get("tracks", []), protocol, wrong)
    card = data.get("card", {})
    if not isinstance(card, dict):
        wrong("card is not a table", "write [card]")
        card = {}
    try:
        card_facts(card, path)
    except InputError as error:
        problems += error.problems
    profile, own_profile = _profile(data.get("latency_profile", DEFAULT_PROFILE), path, problems)
    scenarios = _scenarios(data.get("scenarios"), path, problems)
    if problems or pair is None:
        raise InputError(problems)
    return Recipe(
        name=data["name"],
        small=pair.small,
        large=pair.large,
        version=data.get("version", "1.0.0"),
        title=data.get("title", ""),
        sources=tuple(sources) if sources is not None else None,
        latency_profile=profile,
        own_profile=own_profile,
        scenarios=scenarios,
        domains={group: tuple(members) for group, members in domains.items()} if domains is not None else None,
        pairs=pairs,
        variants=variants,
        protocol=protocol,
        repeats=repeats,
        tracks=tracks,
        card=card,
    )


def _profile(named: Any, path: Path, problems: list[Problem]) -> tuple[str, LatencyProfile | None]:
    """The name of the latency profile and, where it is a file (which may lie beside the recipe), the profile itself.

    A dataset keeps such a profile, and its rows name it: it may not be called like a shipped one with other figures.
    """
    if not isinstance(named, str):
        return DEFAULT_PROFILE, None  # told already
    where = f"{path}: latency_profile"
    try:
        profile = load_profile(named, path.parent)
        if not named.endswith(".toml"):
            return named, None
        if (PRESETS / "latency" / f"{profile.name}.toml").is_file() and profile != load_profile(profile.name):
            what = f"{named} is called like the shipped profile {profile.name!r} and says something else"
            problems.append(Problem(where, what, "rename the file"))
        return profile.name, profile
    except InputError as error:
        problems += [Problem(where, str(p), "name a shipped profile, or a TOML file") for p in error.problems]
    return DEFAULT_PROFILE, None


def _scenarios(said: Any, path: Path, problems: list[Problem]) -> Mapping[str, Scenario] | None:
    """The scenarios of a recipe: a TOML file, named from where the recipe lies, or its own [scenarios] table."""
    try:
        if isinstance(said, str):
            return load_scenarios(path.parent / said)
        if isinstance(said, dict):
            return scenarios_of(said.items(), f"{path}: [scenarios]")
        if said is not None:
            problems.append(Problem(str(path), "scenarios is no text", 'scenarios = "scenarios.toml"'))
    except InputError as error:
        problems += error.problems
    return None

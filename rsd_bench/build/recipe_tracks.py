"""The parts of a recipe that say between which models queries are routed, and what is scored together.

Only the shape is checked here; whether a store has such models, sources and domains is known when the index is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rsd_bench.config import CROSS_FITTED, DOMAIN_OUT, FIXED_TEST, MAX_SECONDS, PROTOCOLS
from rsd_bench.dataset.layout import is_track_name
from rsd_bench.dataset.manifest import ModelPair
from rsd_bench.dataset.tracks import Track
from rsd_bench.metrics.tiers import cost_advantage

Wrong = Callable[[str, str], None]  # takes what is wrong, and the fix

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
VARIANTS = "variants.jsonl"
_PAIR_FIX = '{ small = "MODEL", large = "MODEL" }'
_KEYS = ("name", "pair", "tiers", "costs", "sources", "protocol", "suite", "train", "test")


def strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def pair_of(value: Any, what: str, wrong: Wrong) -> ModelPair | None:
    """The pair of a table; None, and told, where it is none."""
    if not (isinstance(value, dict) and all(isinstance(value.get(t), str) and value[t] for t in ("small", "large"))):
        wrong(f"{what} lacks small or large", f"pair = {_PAIR_FIX}")
    elif value["small"] == value["large"]:
        wrong(f"{what} names {value['small']!r} twice", "name two models")
    else:
        return ModelPair(value["small"], value["large"])
    return None


def pairs_of(value: Any, wrong: Wrong) -> dict[str, ModelPair]:
    """[pairs.SOURCE]: the pair of each source that has its own."""
    if not isinstance(value, dict):
        wrong("pairs is not a table of pairs", f"[pairs.SOURCE] with {_PAIR_FIX}")
        return {}
    found = {source: pair_of(pair, f"[pairs.{source}]", wrong) for source, pair in value.items()}
    return {source: pair for source, pair in found.items() if pair is not None}


def variants_of(value: Any, wrong: Wrong) -> tuple[str, ...]:
    """[score.SOURCE]: the sources whose scores are means over the variants of their questions."""
    if not isinstance(value, dict):
        wrong("score is not a table of sources", f'[score.SOURCE] variants = "{VARIANTS}"')
        return ()
    for source, rule in value.items():
        if rule != {"variants": VARIANTS}:
            wrong(f"[score.{source}] says something else than variants", f'variants = "{VARIANTS}", as in the records')
    return tuple(value)


def tracks_of(value: Any, protocol: str, wrong: Wrong) -> tuple[Track, ...]:
    """[[tracks]], of which every one that is sound is returned. protocol: that of the recipe."""
    if not isinstance(value, list):
        wrong("tracks is not a list of tables", "write [[tracks]]")
        return ()
    tracks: dict[str, Track] = {}
    for item in value:
        name = item.get("name") if isinstance(item, dict) else None
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            wrong(f"track {name!r} needs a name of small letters, digits, . _ -", 'name = "a-to-b"')
        elif not is_track_name(name) or name in tracks:
            wrong(f"track name {name!r} is taken", "choose another")
        elif track := _track(name, item, protocol, wrong):
            tracks[name] = track
    return tuple(tracks.values())


def _track(name: str, said: dict[str, Any], protocol: str, wrong: Wrong) -> Track | None:
    """One track; None, and told, where it is none."""
    problems: list[tuple[str, str]] = []

    def odd(what: str, fix: str) -> None:
        problems.append((f"track {name!r} {what}", fix))

    for key in sorted(said.keys() - set(_KEYS)):
        odd(f"has an unknown key {key!r}", f"use {', '.join(_KEYS)}")
    lists = {key: said.get(key, []) for key in ("train", "test", "sources", "tiers")}
    for key, names in lists.items():
        if key in said and not (strings(names) and names and len(set(names)) == len(names)):
            odd(f"has {key} that are no list of different names", f'{key} = ["NAME", ...]')
            lists[key] = []
    train, test, sources, tiers = (tuple(lists[key]) for key in ("train", "test", "sources", "tiers"))
    if not said.keys() & {"pair", "tiers", "sources", "train", "test"}:
        odd("says nothing of its queries or models", "give pair, tiers, sources, or train and test")
    if ("train" in said) != ("test" in said):
        odd("has one of train and test", 'train = ["a"], test = ["b"]')
    elif set(train) & set(test):
        odd("must train and test on different domains", "keep train and test apart")
    if {"pair", "tiers"} <= said.keys():
        odd("has a pair and tiers", "give tiers alone, the cheapest first")
    elif "pair" in said and (pair := pair_of(said["pair"], "pair", odd)):
        tiers = (pair.small, pair.large)
    elif "tiers" in said and len(tiers) == 1:
        odd("has one tier", "name at least two models, the cheapest first")
    own = said.get("protocol", protocol if protocol == FIXED_TEST or "train" not in said else DOMAIN_OUT)
    if own not in PROTOCOLS:
        odd(f"has protocol {own!r}", f"use {', '.join(PROTOCOLS)}")
    elif "train" in said and own == CROSS_FITTED:
        odd(f"is {CROSS_FITTED} and has train and test", f'protocol = "{DOMAIN_OUT}", or leave them out')
    elif "train" not in said and own == DOMAIN_OUT:
        odd(f"is {DOMAIN_OUT} without train and test", 'train = ["a"], test = ["b"]')
    if not isinstance(said.get("suite", False), bool):
        odd("has a suite that is neither true nor false", "suite = true")
    elif said.get("suite") and len(tiers) > 2:
        odd(
            f"counts to the suite and has {len(tiers)} tiers",
            "leave out suite: its skill is of two models",
        )
    costs = _costs(said, tiers, odd)
    for what, fix in problems:
        wrong(what, fix)
    if problems:
        return None
    return Track(
        name=name,
        protocol=own,
        train=train,
        test=test,
        sources=sources,
        tiers=tiers,
        costs=costs,
        suite=said.get("suite", False),
    )


def _costs(said: dict[str, Any], tiers: tuple[str, ...], odd: Wrong) -> tuple[float, ...]:
    costs = said.get("costs", [])
    if "costs" not in said:
        return ()
    if not (isinstance(costs, list) and costs and all(map(_is_cost, costs))):
        odd(f"has costs that are no list of numbers from 0 to {MAX_SECONDS:g}", "costs = [0.2, 3.0]")
    elif not {"pair", "tiers"} & said.keys():
        odd("has costs of no models", "name its pair or tiers")
    elif tiers and len(costs) != len(tiers):
        odd(f"has {len(costs)} costs for {len(tiers)} tiers", "give one cost a tier")
    elif tiers:
        try:
            cost_advantage(costs)
        except ValueError as error:
            odd(str(error).partition("; ")[0], "put the tiers in order of cost, the cheapest first")
        else:
            return tuple(float(cost) for cost in costs)
    return ()


def _is_cost(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS

"""Seeded faults of files that hold JSON: what a torn download, another version of a tool, or a hand that edits makes.

    for mutation in mutations(tree, seed=7, n=300):
        path.write_text(mutation.text)

One fault each: a key dropped, a value retyped, NaN for a value, two items of a list swapped, one field swapped between
two rows, the id of one row given to another, the text cut. `tree` is what the text says, None where it was cut: the
expectation of a test is read from it, by other means than those of the code under test.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

Path = tuple[Any, ...]
_RETYPED = (None, True, 0, -1, 3.5, 1e400, "", "x", "12", [], ["x"], {}, {"x": 1}, 10**30)


@dataclass(frozen=True)
class Mutation:
    """A fault by name, the tree with it, and the text of the file."""

    name: str
    tree: Any
    text: str


def as_json(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False)


def as_lines(rows: Any) -> str:
    """JSON Lines, a line for each item."""
    return "".join(f"{as_json(row)}\n" for row in rows)


def mutations(
    tree: Any, *, seed: int, n: int, text_of: Callable[[Any], str] = as_json, ids: tuple[str, ...] = ("id",)
) -> Iterator[Mutation]:
    """n faults of a tree, one each, the same for a seed."""
    rng = random.Random(seed)
    faults = (_drop, _retype, _nan, _swap_items, _swap_field, _duplicate_id, _cut)
    made = 0
    for fault in cycle(faults):
        if made == n:
            return
        changed = copy.deepcopy(tree)
        if (name := fault(changed, rng, ids)) is None:  # a tree that cannot have this fault
            continue
        made += 1
        text = text_of(changed)
        if fault is _cut:
            text = text[: rng.randrange(len(text))]
        yield Mutation(f"seed {seed}, fault {made}: {name}", None if fault is _cut else changed, text)


def _nodes(tree: Any, at: Path = ()) -> Iterator[Path]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*at, key)
        yield from _nodes(value, (*at, key))


def _holder(tree: Any, path: Path) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree


def _any(tree: Any, rng: random.Random) -> tuple[Any, Any, str]:
    """What holds some value of the tree, its key there, and its path as text."""
    path = rng.choice(list(_nodes(tree)))
    return _holder(tree, path), path[-1], ".".join(map(str, path))


def _drop(tree: Any, rng: random.Random, ids: tuple[str, ...]) -> str:
    holder, key, path = _any(tree, rng)
    del holder[key]
    return f"{path} dropped"


def _retype(tree: Any, rng: random.Random, ids: tuple[str, ...]) -> str:
    holder, key, path = _any(tree, rng)
    holder[key] = copy.deepcopy(rng.choice(_RETYPED))
    return f"{path} is {holder[key]!r}"


def _nan(tree: Any, rng: random.Random, ids: tuple[str, ...]) -> str:
    holder, key, path = _any(tree, rng)
    holder[key] = float("nan")
    return f"{path} is NaN"


def _lists(tree: Any, of_rows: bool = False) -> list[list[Any]]:
    """Lists of two items or more that differ; with `of_rows`, those of objects."""
    found = [tree] if isinstance(tree, list) else []
    found += [value for path in _nodes(tree) if isinstance(value := _holder(tree, path)[path[-1]], list)]
    found = [items for items in found if len({as_json(item) for item in items}) > 1]
    return [items for items in found if not of_rows or all(isinstance(item, dict) for item in items)]


def _swap_items(tree: Any, rng: random.Random, ids: tuple[str, ...]) -> str | None:
    if not (lists := _lists(tree)):
        return None
    items = rng.choice(lists)
    one, other = rng.sample(range(len(items)), 2)
    items[one], items[other] = items[other], items[one]
    return f"items {one} and {other} of a list swapped"


def _swap_field(tree: Any, rng: random.Random, ids: tuple[str, ...]) -> str | None:
    if not (lists := _lists(tree, of_rows=True)):
        return None
    one, other = rng.sample(rng.choice(lists), 2)
    if not (fields := sorted(one.keys() & other.keys())):
        return None
    name = rng.choice(fields)
    one[name], other[name] = other[name], one[name]
    return f"field {name} swapped between two rows"


def _duplicate_id(tree: Any, rng: random.Random, ids: tuple[str, ...]) -> str | None:
    with_ids = [items for items in _lists(tree, of_rows=True) if any(name in items[0] for name in ids)]
    if not with_ids:
        return None
    one, other = rng.sample(rng.choice(with_ids), 2)
    name = next(name for name in ids if name in one)
    other[name] = one[name]
    return f"two rows have {name} {one[name]!r}"


def _cut(tree: Any, rng: random.Random, ids: tuple[str, ...]) -> str:
    return "the text is cut"

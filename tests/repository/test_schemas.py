"""The published schemas say what the readers accept: a file that satisfies one is not refused later, nor the reverse.

Each shipped preset, and each of the hundreds of files that differ from it in one place, goes to both. Only what a
schema cannot say, and says so in its description, may be refused by the reader alone.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, call_cli
from jsonschema import Draft202012Validator
from tables import LONG, WIDE

from rsd_bench.build.card_facts import card_facts
from rsd_bench.build.recipe import read_recipe
from rsd_bench.cli.main import SchemaName
from rsd_bench.config import PRESETS, load_aliases, load_profile, load_scenarios, read_toml
from rsd_bench.schemas import NAMES, schema, validator
from rsd_bench.sources.table.table_map import read_table_map
from rsd_bench.types import InputError

VALUES = ("text", "", 3, 0, -1, 1.5, 1e300, 10**400, float("nan"), float("inf"), True, [], ["a"], ["a", "a"], [1], {})
RECIPE = read_toml(ROOT / "recipes" / "rsd-open.toml")
SCENARIO = {"mes": 6, "alpha": 0.75, "beta": 0.05, "gamma": 0.2}
SMALL_RECIPE = RECIPE | {"card": {"uses": ["a"], "url": "https://example.org/x", "contact": "c"}}
SMALL_RECIPE |= {"scenarios": {"quick": SCENARIO, "slow": SCENARIO}}
PAIR = {"small": "a", "large": "b"}
SMALL_RECIPE |= {
    "sources": ["one", "two"],
    "protocol": "cross-fitted",
    "repeats": 3,
    "pairs": {"two": PAIR},
    "score": {"one": {"variants": "variants.jsonl"}},
    "domains": {"chart": ["c"], "photo": ["p"]},
    "tracks": [
        {"name": "a--b", "pair": PAIR, "sources": ["one"], "costs": [1, 3], "suite": True},
        {"name": "three", "tiers": ["a", "b", "c"], "costs": [0, 1.5, 3], "protocol": "fixed-test"},
        {"name": "chart-to-photo", "train": ["chart"], "test": ["photo"], "protocol": "domain-out"},
    ],
}
SCENARIOS = read_toml(PRESETS / "scenarios.toml")

READERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "scenarios": (load_scenarios, r"must be >= 0 and sum to 1|is called like"),
    "models": (load_aliases, r"stands for .* and "),
    "profile": (lambda path: load_profile(str(path)), r"no such latency profile|is no constant profile"),
    "recipe": (
        read_recipe,
        r"names .* twice|must train and test on different domains|is taken|no such latency profile|costs: must rise"
        r"|must be >= 0 and sum to 1|is called like|text: No such file|Is a directory|costs for \d tiers",
    ),
}
PRESET = {
    "scenarios": [SCENARIOS],
    "models": [read_toml(PRESETS / "models.toml")],
    "profile": [read_toml(path) for path in sorted((PRESETS / "latency").glob("*.toml"))],
    "recipe": [RECIPE, SMALL_RECIPE],
}
SMALL = PRESET | {"models": [{"models": {"one": ["a", "source:b"], "two": []}}], "recipe": [SMALL_RECIPE]}


def toml(value: Any) -> str:
    """A value as TOML; tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if isinstance(value, (str, bool)) else repr(value)


def write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in document.items()), "utf-8")
    return path


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all parts of a document."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


def changed(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The document with one part left out, replaced, or added."""
    for path in places(document):
        for value in (*VALUES, None):
            copied = copy.deepcopy(document)
            *parents, key = path
            parent = copied
            for step in parents:
                parent = parent[step]
            if value is None:
                del parent[key]
            else:
                parent[key] = value
            yield f"{'.'.join(map(str, path))} = {value!r:.20}", copied
            if value is None and isinstance(parent, dict):
                parent["odd"] = "x"
                yield f"{'.'.join(map(str, path))} renamed", copied


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """Why a reader refuses a file; "" where it does not."""
    load_profile.cache_clear()
    try:
        read(path)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_presets_satisfy_their_schema_and_their_reader(tmp_path: Path, name: str) -> None:
    for document in PRESET[name]:
        assert [error.message for error in validator(name).iter_errors(document)] == []
        assert refusal(READERS[name][0], write(tmp_path / "own.toml", document)) == ""


@pytest.mark.parametrize("name", READERS)
def test_schema_and_reader_agree_on_every_change(tmp_path: Path, name: str) -> None:
    read, beyond = READERS[name]
    changes = refused = 0
    for document in SMALL[name]:
        for what, other in changed(document):
            said = refusal(read, write(tmp_path / "own.toml", other))
            valid = validator(name).is_valid(other)
            changes, refused = changes + 1, refused + bool(said)
            only_beyond = all(re.search(beyond, line) for line in said.splitlines())
            assert valid == (not said) or (valid and said and only_beyond), f"{what}: {said or 'accepted'}"
    assert changes > 60 and 0 < refused < changes


@pytest.mark.parametrize(
    "names",
    [
        ["a"],
        [],
        [""],
        ["*"],
        ["a b"],
        ["a\n"],
        ["toString"],
        ["constructor"],
        ["Constructors"],
        ["x" * 63],
        ["x" * 64],
        ["é"],
        [f"s{i}" for i in range(50)],
        [f"s{i}" for i in range(51)],
    ],
)
def test_schema_and_readers_agree_on_names_of_scenarios(tmp_path: Path, names: list[str]) -> None:
    document = dict.fromkeys(names, SCENARIO)
    accepted = not refusal(load_scenarios, write(tmp_path / "own.toml", document))
    assert validator("scenarios").is_valid(document) == accepted
    recipe = {"name": "r", "pair": {"small": "a", "large": "b"}, "scenarios": document}
    assert validator("recipe").is_valid(recipe) == accepted
    assert (not refusal(read_recipe, write(tmp_path / "recipe.toml", recipe))) == accepted


def test_scenarios_of_a_recipe_are_those_of_a_file() -> None:
    own, of_recipe = schema("scenarios"), schema("recipe")
    assert own["$defs"].items() <= of_recipe["$defs"].items()
    rules = ("minProperties", "maxProperties", "propertyNames", "additionalProperties")
    assert {name: own[name] for name in rules} == {name: of_recipe["properties"]["scenarios"][name] for name in rules}


@pytest.mark.parametrize("mapping", [LONG, WIDE])
def test_the_schema_of_maps_is_what_their_reader_starts_with(tmp_path: Path, mapping: str) -> None:
    (tmp_path / "map.toml").write_text(mapping)
    document = read_toml(tmp_path / "map.toml")
    assert validator("map", "table").is_valid(document)
    for what, other in changed(document):
        said = refusal(read_table_map, write(tmp_path / "own.toml", other))
        assert said or validator("map", "table").is_valid(other), what


def test_card_keys_are_those_of_the_shipped_facts() -> None:
    card = schema("recipe")["properties"]["card"]["properties"]
    assert card.keys() == card_facts().keys()
    assert schema("recipe")["$defs"]["web_link"] == schema("submission")["$defs"]["web_link"]


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_one_and_is_printed(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert json.loads(call_cli("schema", name).stdout) == schema(name)
    assert [member.value for member in SchemaName] == list(NAMES)


RECORD = {
    "query": {"query_id": "s/1", "domain": "chart", "question": "How many?"},
    "response": {"query_id": "s/1", "model": "m", "score": 7.0},
    "variants": {"group": "s/q1", "model": "m", "scores": [0, 10, 5.5]},
}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("query", {"image": "a.png"}),
        ("query", {"images": ["a.png", "b.png"]}),
        ("query", {"audio": "a.wav", "video": "v.mp4"}),
        ("query", {"modality": "video", "media_available": False}),
        ("query", {"modality": "image+audio", "media_available": False}),
        ("query", {"reference_answer": None, "note": "kept by nobody"}),
        ("response", {"latency_s": 1.5, "first_token_s": 0.2, "cost_usd": 0.001}),
        ("response", {"latency_s": None, "first_token_s": None, "cost_usd": None}),
        ("variants", {}),
    ],
)
def test_records_may_say(kind: str, fields: dict[str, Any]) -> None:
    assert [error.message for error in validator("records", kind).iter_errors(RECORD[kind] | fields)] == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("query", {"image": ""}),
        ("query", {"image": ["a.png"]}),
        ("query", {"images": "a.png"}),
        ("query", {"images": [""]}),
        ("query", {"audio": 3}),
        ("query", {"modality": 3}),
        ("query", {"media_available": "no"}),
        ("query", {"question": None}),
        ("response", {"first_token_s": -1}),
        ("response", {"first_token_s": 1e10}),
        ("response", {"cost_usd": "0.1"}),
        ("response", {"cost_usd": -0.1}),
        ("response", {"score": True}),
        ("variants", {"scores": []}),
        ("variants", {"scores": [11]}),
        ("variants", {"scores": [None]}),
        ("variants", {"group": ""}),
    ],
)
def test_records_may_not_say(kind: str, fields: dict[str, Any]) -> None:
    assert not validator("records", kind).is_valid(RECORD[kind] | fields)


def test_real_records_satisfy_it(records: Path) -> None:
    kinds = {"queries.jsonl": "query", "responses.jsonl": "response", "variants.jsonl": "variants"}
    for path in sorted(records.glob("*/*.jsonl")):
        for at, line in enumerate(path.read_text("utf-8").splitlines()):
            if at % 97 == 0:
                assert validator("records", kinds[path.name]).is_valid(json.loads(line)), f"{path.name}:{at + 1}"

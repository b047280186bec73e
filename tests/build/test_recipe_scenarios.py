"""Scenarios and a latency profile that a recipe names: found beside it, refused with their file, part of its hash.

Guards against a profile that was looked for in the folder where the command was typed, and that carried the name of a
shipped one with other figures onto a board.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import RECIPE, Records
from toy_builds import imported, refused_build

from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import load_profile
from rsd_bench.dataset.manifest import Manifest
from rsd_bench.types import InputError

HASTY = "[hasty]\nmes = 6\nalpha = 0.45\nbeta = 0.1\ngamma = 0.45\n"
KIOSK = "[kiosk]\nmes = 6\nalpha = 0.8\nbeta = 0.1\ngamma = 0.1\n"
CONSTANT = 'kind = "constant"\nprovenance = "ours"\n[small]\nseconds = 1\n[large]\nseconds = 3\n'
TOKENS = (
    'kind = "tokens"\nfallback = "own.toml"\nprovenance = "ours"\n[models.tiny]\nfirst_token_s = 1\ns_per_token = 2\n'
)


def recipe(folder: Path, head: str = "", **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    (folder / "recipe.toml").write_text(head + RECIPE)
    return folder / "recipe.toml"


def told(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_recipe(path)
    (problem,) = error.value.problems
    return str(problem)


def test_what_a_recipe_names_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = 'scenarios = "own.scenarios.toml"\nlatency_profile = "ours.toml"\n'
    path = recipe(tmp_path, head, **{"own.scenarios": KIOSK}, own=CONSTANT, ours=TOKENS)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = read_recipe(path)
    assert list(found.scenarios or {}) == ["kiosk"]
    assert (found.latency_profile, found.profile.fallback) == ("ours", load_profile(str(tmp_path / "own.toml")))
    assert found == read_recipe(Path(os.path.relpath(path)))


def test_a_recipe_may_hold_its_scenarios(tmp_path: Path) -> None:
    table = f"[scenarios.kiosk]{KIOSK.partition(']')[2]}"
    (tmp_path / "recipe.toml").write_text(f"{RECIPE}{table}")
    held = read_recipe(tmp_path / "recipe.toml")
    assert held == read_recipe(recipe(tmp_path, 'scenarios = "s.toml"\n', s=KIOSK))
    (tmp_path / "recipe.toml").write_text(f"{RECIPE}{table.replace('0.8', '0.9')}")
    assert "[scenarios]: scenario 'kiosk': alpha, beta, gamma must be >= 0 and sum to 1" in told(
        tmp_path / "recipe.toml"
    )


def test_the_hash_of_a_recipe_knows_them_and_that_of_others_stays(tmp_path: Path) -> None:
    """The second is the hash that version 0.1.0 gave."""
    plain = read_recipe(recipe(tmp_path)).sha256
    assert plain == "941df3f3b715ebe03930d86cb1cbc2daad9df3af9b05a72df3a35e593783c461"
    heads = ('scenarios = "s.toml"\n', 'latency_profile = "own.toml"\n')
    hashes = {read_recipe(recipe(tmp_path, head, s=KIOSK, own=CONSTANT)).sha256 for head in heads}
    hashes |= {read_recipe(recipe(tmp_path, heads[0], s=KIOSK.replace("6", "7"))).sha256, plain}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ('scenarios = "none.toml"\n', "none.toml: No such file or directory"),
        ('scenarios = "bad.toml"\n', "bad.toml: scenario 'kiosk': mes must lie in [0, 10], not 66"),
        ("scenarios = 3\n", "recipe.toml: scenarios is no text"),
        ("scenarios = {}\n", "[scenarios]: holds no scenario"),
        ('latency_profile = "none.toml"\n', "latency_profile: none.toml: no such latency profile"),
        ('latency_profile = "paper-bounds.toml"\n', "is called like the shipped profile 'paper-bounds'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_file(tmp_path: Path, head: str, says: str) -> None:
    files = {"bad": KIOSK.replace("mes = 6", "mes = 66"), "paper-bounds": CONSTANT}
    assert says in told(recipe(tmp_path, head, **files))


def test_a_scenario_that_all_small_wins_builds_no_dataset(tmp_path: Path, toy_records: Records) -> None:
    assert imported(toy_records.write(), tmp_path / "store").returncode == 0
    (tmp_path / "s.toml").write_text(f"{KIOSK}{HASTY}")
    line = refused_build(tmp_path / "store", f'scenarios = "s.toml"\n{RECIPE}')
    assert (
        line.startswith("error: toy-rsd: track 'in-domain': scenario 'hasty': alpha 0.45 <= ") and "raise alpha" in line
    )
    assert not (tmp_path / "d").exists()


def test_a_profile_of_tokens_stays_whole_in_a_manifest(tmp_path: Path, toy_manifest: Manifest) -> None:
    (tmp_path / "own.toml").write_text(CONSTANT)
    (tmp_path / "tokens.toml").write_text(TOKENS)
    profile = load_profile(str(tmp_path / "tokens.toml"))
    document = toy_manifest.to_dict() | {"own_profile": profile.to_dict()}
    read = Manifest.from_dict(document)
    assert read.profile == profile and read.profile.models == {"tiny": (1.0, 2.0)}
    assert read.to_dict()["own_profile"] == document["own_profile"]
    document["own_profile"]["fallback"]["large"]["seconds"] = float("nan")
    with pytest.raises(ValueError, match="is no latency"):
        Manifest.from_dict(document)


@pytest.fixture
def toy_manifest(toy_dataset: Path) -> Manifest:
    from rsd_bench.dataset.manifest import read_manifest

    manifest = read_manifest(toy_dataset)
    assert not {"scenarios", "own_profile"} & manifest.to_dict().keys(), "a dataset on the presets keeps its bytes"
    return manifest

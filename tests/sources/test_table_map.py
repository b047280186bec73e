"""A map is read whole and every fault of it is one line that names its key, before a table is opened.

Guards against a key that was mistyped and silently ignored, and against two keys that contradict each other.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import call_cli
from tables import LONG, WIDE, prepare, rows_of, write

from rsd_bench.sources.table.open_table import open_table
from rsd_bench.sources.table.table_map import read_table_map
from rsd_bench.types import InputError


def faults(folder: Path, text: str) -> list[str]:
    """What is said of a map beside its pictures."""
    prepare(folder, text)
    with pytest.raises(InputError) as error:
        read_table_map(folder / "map.toml")
    said = [str(problem) for problem in error.value.problems]
    assert all(line.startswith(f"{folder / 'map.toml'}: ") and " -> " in line and "\n" not in line for line in said)
    return said


@pytest.mark.parametrize("mapping", [LONG, WIDE])
def test_sound_maps_are_read(tmp_path: Path, mapping: str) -> None:
    assert read_table_map(prepare(tmp_path, mapping)).source == "quiz"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('source = "quiz"\n', "", "'source' is a required property"),
        ('source = "quiz"', 'source = "my quiz"', "source: 'my quiz' does not match"),
        ('license = "CC0-1.0"', "licence = 'CC0-1.0'", "'licence' was unexpected"),
        ("redistributable = true", 'redistributable = "yes"', "redistributable: 'yes' is not of type 'boolean'"),
        ('"0-1"', '"0-5"', "score_scale: '0-5' is not one of ['0-1', '0-10', '0-100', 'true/false']"),
        ('score_scale = "0-1"\n', "", "outcomes.score and how it is read, score_scale or [labels], go together"),
        ('score = "right"\n', "", "outcomes.score and how it is read, score_scale or [labels], go together"),
        ("[outcomes]", "[labels]\nx = 11\n[outcomes]", "labels.x: 11 is greater than the maximum of 10"),
        ("[outcomes]", "[labels]\nx = nan\n[outcomes]", "labels.x is NaN"),
        ("[outcomes]", "[labels]\nx = 1\n[outcomes]", "score_scale and [labels] are both given"),
        ("[outcomes]", "[labels]\nx = 1\nX = 2\n[outcomes]", "labels has x twice"),
        ("[outcomes]", '[statuses]\nx = "ok"\n[outcomes]', "[statuses] speaks of outcomes.status"),
        ("[outcomes]", '[statuses]\nx = "fine"\n[outcomes]', "statuses.x: 'fine' is not one of ['ok', 'unscored'"),
        ('images = "pictures"\n', 'sounds = "pictures"\n', "sounds is the folder of files that [columns] audio names"),
        ('image = "picture"\n', "", "no image, audio or video column is given, and no modality"),
        ("[columns]", 'modality = "picture"\n[columns]', "modality: 'picture' is not one of ['text', 'image'"),
        ('id = "qid"\n', "", "the id is not given: give"),
        ("[columns]", 'id_rule = "row"\n[columns]', "the id is given twice: give"),
        ('id = "qid"\n', "id = []\n", "columns.id: []"),
        ('question = "ask"\n', "", "columns: 'question' is a required property"),
        ('question = "ask"', "question = 3", "columns.question: 3 is not of type 'string'"),
        ('question = "ask"', 'prompt = "ask"', "columns: Additional properties are not allowed ('prompt'"),
        ('domain = "kind"\n', "", "domain is not given: give"),
        ("[outcomes]", '[constants]\ndomain = "chart"\n[outcomes]', "domain is given twice: give"),
        ('model = "who"\n', "", "the model is not given: give"),
        ("[outcomes]", '[constants]\nmodel = "m"\n[outcomes]', "the model is given twice: give"),
        ('cost_usd = "usd"', 'cost = "usd"', "outcomes: Additional properties are not allowed ('cost'"),
        (
            'latency_ms = "ms"',
            'latency_ms = "ms"\nlatency_s = "s"',
            "outcomes.latency_s and outcomes.latency_ms are both",
        ),
        ("[columns]", 'models = ["a"]\n[columns]', "models lists those of a wide table"),
        ("[columns]", 'latency_basis = "guessed"\n[columns]', "latency_basis: 'guessed' is not one of"),
        ("[outcomes]", '[match]\ngroup = "(.)"\n[outcomes]', "match.group speaks of [columns] group"),
        ("[outcomes]", '[match]\ndomain = "(."\n[outcomes]', "match.domain is no regular expression"),
        ("[outcomes]", '[match]\ndomain = "."\n[outcomes]', "match.domain has 0 groups in brackets, not one"),
        ("[outcomes]", '[outcomes]\nid = "x"', "outcomes.id is the id in outcome tables beside [queries]"),
        ("[outcomes]", '[queries]\nfiles = ["none.csv"]\n[outcomes]', "queries.files: no file 'none.csv'"),
        ("[outcomes]", '[queries]\nfiles = ["/none/*"]\n[outcomes]', "queries.files: no file '/none/*'"),
        ("[outcomes]", '[queries]\nfiles = "none.csv"\n[outcomes]', "queries.files: 'none.csv' is not of type 'array'"),
        ("[columns]", "[columns", "not TOML"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in LONG
    assert any(told in line for line in faults(tmp_path, LONG.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"{model}_right"', '"right"', "outcomes.score 'right' does not hold {model} once"),
        ('"{model}_right"', '"{model}_{model}"', "outcomes.score '{model}_{model}' does not hold {model} once"),
        ("[outcomes]", '[outcomes]\nmodel = "who"', "outcomes.model 'who' does not hold {model} once"),
        ("[outcomes]", '[constants]\nmodel = "m"\n[outcomes]', "a model is given, and columns by {model} too"),
        ("[columns]", "models = []\n[columns]", "models: [] should be non-empty"),
    ],
)
def test_a_fault_of_a_wide_map(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert any(told in line for line in faults(tmp_path, WIDE.replace(old, new, 1)))


def test_a_folder_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    """It was told of each row: thousands of lines about one mistyped name."""
    assert read_table_map(prepare(tmp_path, LONG)).folders
    (said,) = faults(tmp_path, LONG.replace('"pictures"', '"picture"'))
    assert f"images '{tmp_path / 'picture'}' is no folder" in said


def test_models_that_nothing_names_must_be_listed(tmp_path: Path) -> None:
    bare = WIDE[: WIDE.index("[outcomes]")] + '[outcomes]\nscore = "{model}"\n'
    assert any("no pattern has text beside {model}" in line for line in faults(tmp_path, bare))
    (tmp_path / "map.toml").write_text('models = ["a"]\n' + bare)
    assert read_table_map(tmp_path / "map.toml").wide


def test_all_faults_are_told_at_once_and_nothing_is_opened(tmp_path: Path) -> None:
    text = LONG.replace('domain = "kind"\n', "").replace('model = "who"\n', "").replace('image = "picture"\n', "")
    assert len(faults(tmp_path, text)) == 4  # the folder of images has no column either
    with pytest.raises(InputError, match=r"the model is not given"):
        open_table([tmp_path / "absent.csv"], tmp_path / "map.toml", print)


def test_a_table_of_questions_alone(tmp_path: Path) -> None:
    """Questions to be answered with `generate`: no outcomes, and none is made up."""
    text = LONG[: LONG.index("[outcomes]")].replace('score_scale = "0-1"\n', "")
    mapping = prepare(tmp_path, text)
    table = write(tmp_path / "t.csv", [row for at, row in enumerate(rows_of(4)) if at % 2])
    run = call_cli("data", "import", "table", table, "--map", mapping, "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr
    assert any("score_scale speaks of [outcomes]" in line for line in faults(tmp_path, f'score_scale = "0-1"\n{text}'))


def test_the_schema_is_printed() -> None:
    assert '"table"' in call_cli("schema", "map").stdout

"""datasets decodes image columns on access; saved again, a JPEG is another file: other sha256, other bytes per pixel,
and one image that two sources share is stored as two. And a map with a mistyped column fails late and by a KeyError.
Original bytes must arrive, and a map that does not fit be refused with the columns there are.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import call_cli
from PIL import Image

from rsd_bench.sources.hub_queries import open_hub
from rsd_bench.sources.source import Query
from rsd_bench.sources.store.import_sources import Policy, import_source
from rsd_bench.sources.store.store_media import image_path
from rsd_bench.types import InputError, Problem

MAP = """
source = "charts"
split = "test"
license = "CC-BY-4.0"
redistributable = true
[columns]
question = "query"
image = "picture"
id = "qid"
group = "chart"
reference_answer = "label"
[constants]
domain = "chart"
"""


def jpeg(shade: int) -> bytes:
    data = io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).rotate(shade).save(data, "JPEG", quality=60)
    return data.getvalue()


ROWS: dict[str, list[Any]] = {
    "qid": [1.0, 2.0, 3.0],
    "query": ["How many?", "None", "Which one? "],
    "picture": [{"bytes": jpeg(n), "path": None} for n in (10, 20, 30)],
    "chart": ["c1", "c1", None],
    "label": [["4"], ["a", "b"], []],
    "kind": ["bar", "Line & pie", "棒"],
}
FEATURES = datasets.Features(
    {
        "qid": datasets.Value("float64"),
        "query": datasets.Value("string"),
        "picture": datasets.Image(),
        "chart": datasets.Value("string"),
        "label": datasets.List(datasets.Value("string")),
        "kind": datasets.Value("string"),
    }
)


class Hub:
    """A dataset folder as the Hub has it, and a column map."""

    def __init__(self, folder: Path) -> None:
        self.repo, self.map, self.store = folder / "my charts", folder / "map.toml", folder / "store"
        (self.repo / "data").mkdir(parents=True)
        self.file = self.repo / "data" / "test-00000-of-00001.parquet"
        self.write(ROWS)
        self.map.write_text(MAP, "utf-8")
        self.problems: list[Problem] = []

    def write(self, rows: dict[str, list[Any]]) -> None:
        table = datasets.Dataset.from_dict(rows, features=datasets.Features({n: FEATURES[n] for n in rows}))
        pq.write_table(table.with_format("arrow")[:], self.file)

    def remap(self, old: str, new: str) -> None:
        assert old in MAP
        self.map.write_text(MAP.replace(old, new), "utf-8")

    def read(self, repo: Path | None = None) -> list[dict[str, Any]]:
        source = open_hub(str(repo or self.repo), self.map, self.problems.append)
        info = import_source(source, self.store, {}, self.problems, Policy(replace=True))
        folder = self.store / "sources" / info["source"]
        assert pq.read_table(folder / "responses.parquet").num_rows == 0
        rows: list[dict[str, Any]] = pq.read_table(folder / "queries.parquet").to_pylist()
        return rows

    def refused(self, repo: Path | None = None) -> str:
        with pytest.raises(InputError) as error:
            self.read(repo)
        return str(error.value)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return Hub(tmp_path)


def test_the_original_bytes_arrive(hub: Hub) -> None:
    rows = hub.read()
    for row, cell in zip(rows, ROWS["picture"], strict=True):
        assert image_path(hub.store, row["image_sha256"]).read_bytes() == cell["bytes"]


def test_columns_become_a_query(hub: Hub) -> None:
    first, second, third = hub.read()
    assert [row["query_id"] for row in (first, second, third)] == ["charts/1", "charts/2", "charts/3"]
    assert [row["question"] for row in (first, second, third)] == ["How many?", "None", "Which one?"]
    assert [row["reference_answer"] for row in (first, second, third)] == ["4", '["a", "b"]', None]
    assert (first["group"], second["group"], third["group"]) == ("charts/c1", "charts/c1", "charts/3")
    assert {row["domain"] for row in (first, second, third)} == {"chart"}


def test_provenance(hub: Hub) -> None:
    info = open_hub("org/charts@abc123", hub.map, hub.problems.append).info
    assert (info.repository, info.commit) == ("https://huggingface.co/datasets/org/charts", "abc123")
    assert (info.license, info.redistributable, info.source) == ("CC-BY-4.0", True, "charts")
    local = open_hub(str(hub.repo), hub.map, hub.problems.append).info
    assert str(hub.repo.parent) not in str(local)
    assert hub.problems == []


def test_a_revision_is_passed_on_and_must_be_one(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Any]] = []

    def load_dataset_builder(*args: Any, **options: Any) -> Any:
        asked.append((args, options))
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset_builder", load_dataset_builder)
    hub.remap('split = "test"', 'split = "test"\nconfig = "human"\nrevision = "abc123"')
    assert "org/charts@abc123: cannot be loaded: offline" in hub.refused(Path("org/charts@abc123"))
    assert asked == [(("org/charts", "human"), {"revision": "abc123"})]
    hub.problems.clear()
    assert "revision is abc123, not def456" in hub.refused(Path("org/charts@def456"))


def test_a_single_file_and_bytes_without_a_feature(hub: Hub, tmp_path: Path) -> None:
    """Parquet that other tools wrote has bytes or a struct of them, and no word of datasets' features."""
    for name, cells in (("struct", ROWS["picture"]), ("plain", [cell["bytes"] for cell in ROWS["picture"]])):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({**ROWS, "picture": cells}), path)
        assert [row["image_bytes"] for row in hub.read(path)] == [len(cell["bytes"]) for cell in ROWS["picture"]]


def opened(hub: Hub) -> list[Query]:
    """The queries as the importer gives them."""
    return list(open_hub(str(hub.repo), hub.map, hub.problems.append).queries)


def test_several_images_arrive_in_order(hub: Hub) -> None:
    """A row with two images was refused."""
    first, second, third = ROWS["picture"]
    pq.write_table(pa.table({**ROWS, "picture": [[second, first], [third], [first]]}), hub.file)
    media = [query.media for query in opened(hub)]
    assert [[medium.read() for medium in its] for its in media] == [
        [second["bytes"], first["bytes"]],
        [third["bytes"]],
        [first["bytes"]],
    ]
    assert hub.problems == []


def test_questions_without_an_image_column_are_text(hub: Hub) -> None:
    hub.remap('image = "picture"\n', "")
    queries = opened(hub)
    assert hub.problems == []
    assert [(query.modality, query.media, query.media_available) for query in queries] == [("text", (), True)] * 3


@pytest.mark.parametrize(("modality", "available"), [("text", True), ("image", False)])
def test_an_empty_image_cell_is_what_the_map_says(hub: Hub, modality: str, available: bool) -> None:
    pq.write_table(pa.table({**ROWS, "picture": [ROWS["picture"][0], None, None]}), hub.file)
    assert len(opened(hub)) == 1 and len(hub.problems) == 2
    assert "row 2: picture holds no image" in str(hub.problems[0])
    hub.map.write_text(f'modality = "{modality}"\n{MAP}')
    first, second, _ = opened(hub)
    assert (first.modality, len(first.media)) == ("image", 1)
    assert (second.modality, second.media, second.media_available) == (modality, (), available)
    assert len(hub.problems) == 2


def test_sound_and_video_columns(hub: Hub) -> None:
    clips = [{"bytes": b"RIFF", "path": "a.wav"}, {"bytes": b"mp3", "path": None}, {"bytes": b"x", "path": None}]
    pq.write_table(pa.table({**ROWS, "clip": clips, "film": [None, [b"mp4"], []]}), hub.file)
    hub.remap('image = "picture"', 'audio = "clip"\nvideo = "film"')
    first, second, _ = opened(hub)
    assert hub.problems == []
    assert (first.modality, second.modality) == ("audio", "audio+video")
    assert [medium.read() for medium in (*first.media, *second.media)] == [b"RIFF", b"mp3", b"mp4"]


def test_a_folder_of_image_files(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "files" / "test"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(jpeg(50))
    (folder / "metadata.csv").write_text("file_name,query\na.jpg,What?\n")
    hub.map.write_text(
        'split = "test"\n[columns]\nquestion = "query"\nimage = "image"\n[constants]\ndomain = "photo"\n', "utf-8"
    )
    (row,) = hub.read(tmp_path / "files")
    assert (row["query_id"], row["domain"]) == ("files/1", "photo")
    assert image_path(hub.store, row["image_sha256"]).read_bytes() == jpeg(50)


def test_a_row_cannot_name_a_file_outside_its_dataset(hub: Hub, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(60))
    pq.write_table(pa.table({**ROWS, "picture": [{"bytes": None, "path": str(secret)}] * 3}), hub.file)
    assert f"query 'charts/1': '{secret}' lies outside" in hub.refused()


def test_domains_from_a_column(hub: Hub) -> None:
    hub.remap('label"\n[constants]\ndomain = "chart"', 'label"\ndomain = "kind"')
    hub.write({name: cells[:2] for name, cells in ROWS.items()})
    assert [row["domain"] for row in hub.read()] == ["bar", "Line-pie"]
    hub.write(ROWS)
    assert "row 3: kind gives no domain" in hub.refused()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"query"', '"question"', "has no column question; it has qid, query, picture, chart, label, kind"),
        ('image = "picture"', 'image = "query"', "row 1: query is no image column but str"),
        ('question = "query"', 'question = "qid"', "row 1: qid is not a text"),
        ('id = "qid"', 'id = "chart"', "row 3: chart is empty"),
        ('split = "test"', 'split = "dev"', "cannot be loaded: Bad split: dev"),
        ('split = "test"', 'split = "test"\nconfig = "human"', "BuilderConfig 'human' not found"),
    ],
)
def test_a_map_that_does_not_fit_is_told(hub: Hub, old: str, new: str, told: str) -> None:
    hub.remap(old, new)
    assert told in hub.refused()


def test_duplicate_ids_are_told(hub: Hub) -> None:
    hub.write({**ROWS, "qid": [1.0, 1.0, 2.0]})
    assert "row 2: query_id 'charts/1' stands at" in hub.refused()


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([None, None, None], "row 2: picture holds no image"),
        ([[cell, None] for cell in ROWS["picture"]], "row 1: picture holds an image that is empty, among 2"),
        ([b"\x00" * 80] * 3, "query 'charts/1': is not an image that can be read"),
    ],
)
def test_cells_that_are_not_one_image_are_told(hub: Hub, cells: list[Any], told: str) -> None:
    pq.write_table(pa.table({**ROWS, "picture": cells}), hub.file)
    assert told in hub.refused()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('domain = "chart"', "", "domain is not given exactly once"),
        ('label"', 'label"\ndomain = "kind"', "domain is not given exactly once"),
        ("question =", "questions =", "questions"),
        ('split = "test"', 'split = "test"\nmodality = "picture"', "modality: 'picture' is not one of"),
        ('split = "test"', "", "'split' is a required property"),
        ("redistributable = true", 'redistributable = "yes"', "redistributable: 'yes' is not of type 'boolean'"),
        ('"charts"', '"my charts"', "source 'my charts' is no id"),
        ("[columns]", "[columns", "not TOML"),
    ],
)
def test_a_faulty_map_is_refused_before_anything_is_loaded(hub: Hub, old: str, new: str, told: str) -> None:
    hub.remap(old, new)
    with pytest.raises(InputError) as error:
        open_hub(str(hub.repo), hub.map, hub.problems.append)
    assert told in str(error.value)


@pytest.mark.parametrize("spoil", [lambda hub: hub.file.write_bytes(b"PAR1 junk"), lambda hub: hub.file.unlink()])
def test_a_dataset_that_cannot_be_loaded_is_told(hub: Hub, spoil: Any) -> None:
    spoil(hub)
    assert "cannot be loaded" in hub.refused()


def test_importing_the_module_does_not_load_datasets() -> None:
    code = "import sys, rsd_bench.sources.hub_queries; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_classes_arrive_by_name(hub: Hub) -> None:
    """Class columns arrived as their numbers: "0" as reference answer and domain."""
    label = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features(
        {**FEATURES, "label": datasets.List(label), "kind": datasets.ClassLabel(2, ["bar", "pie"])}
    )
    rows = {**ROWS, "label": [[1], [0, 1], []], "kind": [0, 1, 1]}
    pq.write_table(datasets.Dataset.from_dict(rows, features=features).with_format("arrow")[:], hub.file)
    hub.remap('label"\n[constants]\ndomain = "chart"', 'label"\ndomain = "kind"')
    found = hub.read()
    assert [row["domain"] for row in found] == ["bar", "pie", "pie"]
    assert [row["reference_answer"] for row in found] == ["yes", '["no", "yes"]', None]


TEXTS = [
    {"qid": "01", "query": "None", "label": "2021-02-03", "chart": "1.50"},
    {"qid": "1", "query": "2020-01-01", "label": "NA", "chart": "1e5"},
]


@pytest.mark.parametrize("name", ["one.csv", "one.tsv", "one.jsonl", "one.json", "lines.json", "one.jsonl.gz"])
def test_texts_of_a_file_of_text_arrive_as_they_stand(hub: Hub, tmp_path: Path, name: str) -> None:
    """A CSV could not be loaded at all, and answers that are all dates came in from JSON Lines as times of day."""
    path, sign = tmp_path / name, "," if name.endswith(".csv") else "\t"
    lines = [json.dumps(row) for row in TEXTS]
    if name.endswith("sv"):
        lines = [sign.join(row) for row in (TEXTS[0].keys(), *(row.values() for row in TEXTS))]
    text = json.dumps(TEXTS) if name == "one.json" else "\n".join(lines)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    hub.remap('image = "picture"\n', "")
    found = [
        {"qid": query.query_id, "query": query.question, "label": query.reference_answer, "chart": query.group}
        for query in open_hub(str(path), hub.map, hub.problems.append).queries
    ]
    as_ids = {"qid": "charts/{}", "chart": "charts/{}"}
    assert found == [{key: as_ids.get(key, "{}").format(text) for key, text in row.items()} for row in TEXTS]
    assert hub.problems == []


def test_a_column_that_the_first_row_of_json_leaves_out_is_there(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(
        '{"qid": 1, "query": "a?", "chart": 1}\n{"qid": 2, "query": "b?", "label": "4"}\n'
    )
    hub.remap('image = "picture"\n', "")
    first, second = open_hub(str(tmp_path / "one.jsonl"), hub.map, hub.problems.append).queries
    assert (first.reference_answer, first.group, second.reference_answer) == (None, "charts/1", "4")
    hub.remap('image = "picture"', 'image = "shot"')
    assert "has no column shot; it has qid, query, chart, label" in hub.refused(tmp_path / "one.jsonl")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("test.csv", "qid,query,label,chart\n01,a?,None,1\n", "cannot tell a text: a folder of CSV says no types"),
        ("test.jsonl", "".join(f"{json.dumps(row)}\n" for row in TEXTS[:1] * 2), "texts of dates in label"),
    ],
)
def test_a_folder_in_which_texts_would_be_guessed_at_is_refused(hub: Hub, name: str, text: str, told: str) -> None:
    hub.file.unlink()
    (hub.repo / "data" / name).write_text(text)
    hub.remap('image = "picture"\n', "")
    assert told in (refusal := hub.refused())
    assert "data import hub FILE" in refusal


def test_a_source_that_is_replaced_is_told(hub: Hub) -> None:
    """A second split under the same id wiped the first without a word."""
    command = ("data", "import", "hub", hub.repo, "--map", hub.map, "--out", hub.store)
    assert "replaced  " not in call_cli(*command).stdout
    assert "merged  charts: added to what the store had" in call_cli(*command).stdout
    assert "replaced  charts: what the store had of that source is gone" in call_cli(*command, "--replace").stdout
    assert json.loads(call_cli(*command, "--json").stdout)["merged"] == ["charts"]
    assert json.loads(call_cli(*command, "--replace", "--json").stdout)["replaced"] == ["charts"]

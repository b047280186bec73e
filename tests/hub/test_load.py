"""What a user types after reading the card: every way to load must give the published rows, also offline, and a name
that is not there must say which are. And a folder that was built again must not be read from the cache of the old one:
`datasets` knows a folder by its path alone.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import RECIPE, Records
from hub_client import Client, environment
from hub_server import LoopbackHub

import rsd_bench as rsd


@pytest.fixture
def published(hub: LoopbackHub, client: Client, toy_dataset: Path) -> Path:
    """org/toy at v1.0.0: the toy dataset."""
    assert client.push(toy_dataset)["code"] == 0
    return toy_dataset


def test_load_at_a_distance(published: Path, hub: LoopbackHub, client: Client) -> None:
    hub.log.clear()
    told = client.python("""
import rsd_bench as rsd
parts = rsd.load("org/toy@v1.0.0", mes=6.5)
stream = rsd.load("org/toy@v1.0.0", mes=6.5, split="test", streaming=True)
rows = list(stream.decode(False))
out = {
    "labels": parts["test"]["label"][:],
    "streamed": [row["label"] for row in rows],
    "images": [row["image"]["bytes"].hex() for row in rows],
    "ids": parts["test"]["query_id"][:],
    "one": rsd.load("org/toy", columns=["question"], split="test").column_names,
    "two": list(next(iter(rsd.load("org/toy", mes=3, columns=["label", "domain"], split="test", streaming=True)))),
    "outcomes": rsd.load("org/toy", config="outcomes", split="test").num_rows,
    "mes-6": rsd.load("org/toy", config="mes-6", split="test").column_names[-1],
}
""")
    local = rsd.load(published, mes=6.5, split="test")
    assert told["labels"] == told["streamed"] == local["label"][:]
    assert told["ids"] == local["query_id"][:]
    raw = local.cast_column("image", __import__("datasets").Image(decode=False))
    assert told["images"] == [image["bytes"].hex() for image in raw["image"][:]]
    assert told["one"] == ["question"]
    assert told["two"] == ["label", "domain"]
    assert told["outcomes"] == 2 * len(told["ids"])
    assert told["mes-6"] == "label_mes_6"
    assert not hub.requests("judgments|splits/"), "only the tables that are needed"


def test_offline_from_the_cache(published: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    def run(code: str, **env: str) -> Any:
        code = f"import json\nimport rsd_bench as rsd\nfrom datasets import load_dataset\n{code}"
        process = subprocess.run(
            [sys.executable, "-c", code], env=environment(hub, tmp_path, **env), capture_output=True, text=True
        )
        return json.loads(process.stdout) if process.returncode == 0 else process.stderr

    both = """print(json.dumps([
    rsd.load("org/toy@v1.0.0", mes=6, split="test")["label"][:],
    load_dataset("org/toy", "mes-6", split="test")["label_mes_6"][:]]))"""
    online = run(both)
    assert online[0] == online[1]
    hub.log.clear()
    assert run(both, HF_HUB_OFFLINE="1") == online
    assert hub.log == []
    absent = run('rsd.load("org/toy@v1.0.0", config="outcomes")', HF_HUB_OFFLINE="1")
    assert "org/toy@v1.0.0: cannot be fetched: " in absent
    assert "go online" in absent


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"config": "mes-65"}, r"'mes-65' is none; configs are pairs, mes-1, .*, outcomes, .*load\(..., mes=6.5"),
        ({"mes": "mes-6"}, r"mes: a number is needed, such as mes=6.5"),
        ({"columns": ["picture"]}, "columns: no picture; pairs has query_id, "),
        ({"config": "outcomes", "mes": 5}, "config: 'outcomes': small, large and track, mes and scenario go without"),
        ({"streaming": True, "small": "huge"}, "streaming: small, large and track go without it"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_with_what_is(toy_dataset: Path, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        rsd.load(toy_dataset, **arguments)


def test_unknown_names_at_a_distance(published: Path, client: Client) -> None:
    told = client.python("""
import rsd_bench as rsd
from datasets import load_dataset
out = []
for call, *arguments in ((load_dataset, "org/toy", "mes-65"), (rsd.load, "org/none"), (rsd.load, "org/toy@v9.9.9")):
    try: call(*arguments)
    except ValueError as error: out.append(str(error))
""")
    assert "mes-10" in told[0]
    assert told[1].startswith("org/none: cannot be fetched: ")
    assert told[2].startswith("org/toy@v9.9.9: cannot be fetched: ")


def test_every_code_block_of_a_published_card_runs(published: Path, hub: LoopbackHub, client: Client) -> None:
    blocks = re.findall(r"```python\n(.*?)```", hub.files("org/toy", "v1.0.0")["README.md"].decode(), re.S)
    assert len(blocks) == 3
    for block in blocks:
        assert "org/toy" in block and 'revision="v1.0.0"' in block
        client.python(block)


def test_every_code_block_of_a_local_card_runs(toy_dataset: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (toy_dataset / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 2
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=toy_dataset, env=environment(hub, tmp_path), capture_output=True
    )
    assert run.returncode == 0, run.stderr
    assert hub.log == []


def test_the_hub_accepts_the_card(published: Path, client: Client) -> None:
    """By the rules of the loopback Hub: what huggingface.co says is seen on the first push only."""
    assert client.python("""
from huggingface_hub import DatasetCard
card = DatasetCard.load("org/toy")
card.validate()
out = [card.data.license, card.data.size_categories, [c["config_name"] for c in card.data.configs][:2]]
""") == ["other", ["n<1K"], ["pairs", "mes-1"]]
    assert client.python("""
from huggingface_hub import DatasetCard
card = DatasetCard.load("org/toy")
card.data.license = "my-licence"
try: card.validate()
except ValueError as error: out = str(error)
""").startswith('{"errors"')


def test_croissant_of_a_published_version_loads_its_rows(published: Path, hub: LoopbackHub, client: Client) -> None:
    pytest.importorskip("mlcroissant")
    address = f"{hub.url}/datasets/org/toy/resolve/v1.0.0/croissant.json"
    told = client.python(f"""
import os, tempfile
os.environ["CROISSANT_CACHE"] = tempfile.mkdtemp()
import mlcroissant
data = mlcroissant.Dataset(jsonld={address!r})
rows = list(data.records("pairs/test"))
out = [[row["pairs/test/query_id"].decode(), list(row["pairs/test/image"].size), row["pairs/test/small_score"],
        row["pairs/test/label_mes_6"], row["pairs/test/statistics"]["pairs/test/statistics/words"]] for row in rows]
""")
    local = rsd.load(published, split="test")
    assert told == [
        [r["query_id"], list(r["image"].size), r["small_score"], r["label_mes_6"], r["statistics"]["words"]]
        for r in local
    ]


def test_a_folder_built_again_is_read_again(tmp_path: Path) -> None:
    from rsd_bench.build.build_dataset import build_dataset
    from rsd_bench.build.recipe import read_recipe
    from rsd_bench.config import load_aliases
    from rsd_bench.sources.records_folder import open_records
    from rsd_bench.sources.store.import_sources import Policy, import_source

    records, seen = Records(tmp_path / "toy"), []
    (tmp_path / "recipe.toml").write_text(RECIPE)
    for score in (1.0, 9.0):
        for row in records.responses:
            row["score"] = score
        import_source(
            open_records(records.write(), print), tmp_path / "store", load_aliases(), [], Policy(replace=True)
        )
        build_dataset(read_recipe(tmp_path / "recipe.toml"), tmp_path / "store", tmp_path / "built")
        seen.append(set(rsd.load(tmp_path / "built")["train"]["small_score"][:]))
    assert seen == [{1.0}, {9.0}]


def test_a_lite_edition_is_published_too(hub: LoopbackHub, client: Client, toy_dataset: Path, tmp_path: Path) -> None:
    from rsd_bench.build.build_dataset import build_dataset
    from rsd_bench.build.recipe import read_recipe

    root = toy_dataset.parent
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", tmp_path / "lite", lite=True)
    told = client.push(tmp_path / "lite", repo="org/lite")
    assert (told["code"], told["withheld"]) == (0, [])
    columns = client.python(
        'import rsd_bench as rsd; out = rsd.load("org/lite@v1.0.0", mes=6, split="test").column_names'
    )
    assert "label" in columns
    assert "image" not in columns

"""What the tests share: the real records (where they are), small datasets made on the spot, and the command line."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from filelock import FileLock
from PIL import Image

if TYPE_CHECKING:
    from rsd_bench.dataset.benchmark import Benchmark

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["PYTHONWARNINGS"] = "error::RuntimeWarning"  # in commands too, as pyproject.toml has it of pytest

ROOT = Path(__file__).resolve().parent.parent
LITE = ROOT / "rsd_bench" / "editions" / "rsd-open-lite"


@pytest.fixture(scope="session")
def records() -> Path:
    """The folder of real records; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("RSD_SHARED", ROOT.parent / "shared")) / "records"
    if not folder.is_dir():
        pytest.skip(f"real records are not at {folder} (set RSD_SHARED)")
    return folder


@pytest.fixture(autouse=True)
def _datasets_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what `datasets` caches out of the user's home."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "hf-cache")


def png(seed: int, size: tuple[int, int] = (24, 16)) -> bytes:
    """A small image of its own."""
    rng = random.Random(seed)
    image = Image.frombytes("RGB", size, bytes(rng.randrange(256) for _ in range(size[0] * size[1] * 3)))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class Records:
    """A records folder to write, change and break: `queries` and `responses` are lists of dicts until `write`."""

    def __init__(
        self, folder: Path, source: str = "toy", n: int = 60, models: tuple[str, ...] = ("tiny", "huge")
    ) -> None:
        self.folder = folder
        rng = random.Random(source)
        self.info = {"name": source.title(), "license": "CC0-1.0", "redistributable": True, "notes": "made by a test"}
        self.images = {f"images/{i}.png": png(rng.randrange(10**9)) for i in range(n)}
        self.queries = [
            {
                "query_id": f"{source}/{i}",
                "source": source,
                "domain": ("chart", "photo", "math")[i % 3],
                "group": f"{source}/g{i // 2}",
                "image": f"images/{i}.png",
                "question": f"How many things are in picture {i}?",
                "reference_answer": str(i),
            }
            for i in range(n)
        ]
        self.responses = [
            {
                "query_id": query["query_id"],
                "model": model,
                "response": f"{rng.randrange(9)} things",
                "score": round(rng.random() * 10, 1),
                "judge": "a test",
            }
            for model in models
            for query in self.queries
        ]

    def write(self, newline: str = "\n", bom: bool = False) -> Path:
        """Write the folder and return it."""
        (self.folder / "images").mkdir(parents=True, exist_ok=True)
        for name, data in self.images.items():
            (self.folder / name).write_bytes(data)
        (self.folder / "source.json").write_text(json.dumps(self.info))
        for name, rows in (("queries", self.queries), ("responses", self.responses)):
            text = "".join(json.dumps(row) + newline for row in rows)
            (self.folder / f"{name}.jsonl").write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
        return self.folder


@pytest.fixture
def toy_records(tmp_path: Path) -> Records:
    """60 queries in 30 groups and three domains, two models with graded scores."""
    return Records(tmp_path / "toy")


RECIPE = """name = "toy-rsd"
pair = { small = "tiny", large = "huge" }
protocol = "fixed-test"
[[tracks]]
name = "chart-to-photo"
train = ["chart"]
test = ["photo"]
"""


@pytest.fixture(scope="session")
def toy_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built dataset of 300 toy queries. Read only: copy it before changing it."""
    from rsd_bench.build.build_dataset import build_dataset
    from rsd_bench.build.recipe import read_recipe
    from rsd_bench.config import load_aliases
    from rsd_bench.sources.records_folder import open_records
    from rsd_bench.sources.store.import_sources import import_source

    root = tmp_path_factory.mktemp("toy")
    problems: list = []
    source = open_records(Records(root / "toy", n=300).write(), problems.append)
    import_source(source, root / "store", load_aliases(), problems)
    (root / "recipe.toml").write_text(RECIPE)
    build_dataset(read_recipe(root / "recipe.toml"), root / "store", root / "dataset")
    return root / "dataset"


@pytest.fixture(scope="session")
def toy_benchmark(toy_dataset: Path) -> Benchmark:
    """The same dataset, opened for scoring. Read only."""
    from rsd_bench.dataset.benchmark import open_benchmark

    return open_benchmark(toy_dataset)


#: Code that makes torch not found, as where it is not installed. None in sys.modules would be another thing: libraries
#: that look there for a module some other code may have imported find one with no attribute.
WITHOUT_TORCH = """
import sys
class _Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("torch", "transformers")
        return None if hidden else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(_Without, sys.meta_path)
"""


def run_cli(*arguments: object, cwd: Path | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `python -m rsd_bench ...` as a user would."""
    command = [sys.executable, "-m", "rsd_bench", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)


def call_cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`run_cli` within this process, which saves the start of an interpreter. What is not caught fails the test."""
    from rsd_bench.cli.main import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    command = ["rsd-bench", *map(str, arguments)]
    with mock.patch.object(sys, "argv", command), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def tiny_encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Local AutoModel folders, `image` and `text`: a few thousand random parameters, for the code path only."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast, ViTConfig, ViTImageProcessorPil, ViTModel

    root = tmp_path_factory.mktemp("encoders")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ViTModel(ViTConfig(**sizes, image_size=32, patch_size=16)).save_pretrained(root / "image")
        BertModel(BertConfig(**sizes, vocab_size=64)).save_pretrained(root / "text")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(root / "image")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "how", "many", "things", "are", "in", "picture", "?"]
    vocabulary = root / "vocab.txt"
    vocabulary.write_text("\n".join([*words, *"0123456789", *(f"##{d}" for d in range(10))]) + "\n")
    BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(root / "text")
    return {"image": root / "image", "text": root / "text"}


@pytest.fixture(scope="session")
def rsd_open(tmp_path_factory: pytest.TempPathFactory, records: Path) -> Path:
    """A folder with rsd-open built from the real records: `full` and `lite`. Read only, made once for all workers."""
    session = tmp_path_factory.getbasetemp()
    root = (session.parent if "PYTEST_XDIST_WORKER" in os.environ else session) / "rsd-open"
    with FileLock(root.with_suffix(".lock")):
        if not (root / "lite").exists():
            _build_rsd_open(root, records)
    return root


RSD_OPEN = (
    *("dynamath", "visonlyqa", "mllm_bench", "logicvista"),
    *("dental_vision", "vision_checkup", "business_charts", "kitchen_json"),
)
KIT_MODELS = ("Qwen2.5-VL-3B-Instruct", "Qwen2.5-VL-7B-Instruct", "Llama-3.2-11B-Vision-Instruct", "LLaVA-CoT")


def _build_rsd_open(root: Path, records: Path) -> None:
    recipe = ROOT / "recipes" / "rsd-open.toml"
    kit = records.parent / "files" / "vlmevalkit"
    files = [
        word
        for model in KIT_MODELS
        for option, end in (("--pred", "LogicVista.xlsx"), ("--judge", "LogicVista_gpt4o-mini.xlsx"))
        for word in (option, kit / f"{model}_{end}")
    ]
    logicvista = ("--source", "logicvista", "--columns", "index=id", "--images", records / "logicvista" / "images")
    for arguments in (
        ("import", "records", *(records / name for name in RSD_OPEN), "--out", root),
        ("import", "vlmevalkit", *files, *logicvista, "--out", root),
        ("build", recipe, "--store", root, "--out", root / "full"),
        ("build", recipe, "--store", root, "--out", root / "lite", "--edition", "lite", "--features", LITE),
    ):
        run = run_cli("data", *arguments)
        assert run.returncode == 0, run.stderr


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Hub on loopback with a client process of its own (tests/support)."""
    from hub_client import Client
    from hub_server import LoopbackHub

    root = tmp_path_factory.mktemp("loopback")
    with LoopbackHub(root / "hub") as running, Client(running, root / "home") as client:
        yield running, client


@pytest.fixture
def hub(loopback: Any) -> Any:
    """The Hub on loopback, empty."""
    loopback[0].reset()
    return loopback[0]


@pytest.fixture
def client(loopback: Any) -> Any:
    """The client process of the Hub on loopback."""
    return loopback[1]

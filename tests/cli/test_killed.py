"""`kill -9` at any moment: nothing is lost, nothing is left half done, and the next run ends as if nothing had been.

Between the two renames that put a folder in the place of another, neither stood there: the next command said that the
store was none. A killed board left `.leaderboard.json.71.140.partial` behind for ever, a killed lite build a whole full
edition. The full number of kills: `python -m pytest -m heavy tests/cli/test_killed.py` (some ten minutes).
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from chat_server import Loopback
from conftest import RECIPE, Records
from hub_client import environment
from hub_datasets import build, two_sources
from hub_server import LoopbackHub
from killing import Killer
from sound_submissions import make, probabilities

from rsd_bench import folders
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.manifest import read_manifest
from rsd_bench.folders import clear_unfinished, new_folder, write_file
from rsd_bench.sources.store.store_tables import source_info, sources_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL, no fork")

MODULES = (
    "rsd_bench.build.build_dataset",
    "rsd_bench.board.build_board",
    "rsd_bench.sources.store.import_sources",
    "datasets",
)
KILLS = pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.heavy)])
PAIR = RECIPE.partition("[[")[0]


def content(path: Path) -> Any:
    """What a file says: its bytes; of a database its answers, of outcomes all but the clocked times."""
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as answers:
            tables = answers.execute("SELECT name FROM sqlite_master WHERE name = 'answers'").fetchall()
            rows = answers.execute("SELECT key, model, status, text FROM answers ORDER BY key") if tables else ()
            return list(rows)
    if path.name == "responses.parquet":
        return pq.read_table(path).drop_columns(["latency_s", "first_token_s"]).to_pylist()
    return path.read_bytes()


def is_shown(name: str) -> bool:
    return not any(part.startswith(".") for part in name.split("/"))


def snapshot(folder: Path) -> dict[str, Any]:
    """Every file below a folder: the content of those that are shown, None for hidden ones."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".sqlite-" not in path.name]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: content(path) if is_shown(name) else None for name, path in names.items()}


class Work:
    """A folder that a command changes, with what is there before, and after a run that nobody disturbed."""

    def __init__(self, killer: Killer, folder: Path, *command: object) -> None:
        self.killer, self.folder, self.command = killer, folder, command
        self.kept = folder.with_name("kept")
        shutil.copytree(folder, self.kept)
        self.before = snapshot(folder)
        start = time.monotonic()
        self.steps = self.run()
        self.seconds = time.monotonic() - start
        self.after = snapshot(folder)
        assert all(map(is_shown, self.after))
        assert self.after != self.before

    def reset(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder)

    def run(self) -> list[str]:
        told = self.killer.run(*self.command)
        assert told["code"] == 0, told["out"]
        return told["steps"]

    def moments(self, kills: int) -> list[int]:
        """Steps to be killed before: half of them the last renames and what follows, the others evenly spread."""
        renames = [i for i, step in enumerate(self.steps) if step.startswith(("os.rename", "shutil.rmtree"))]
        last = renames[-(kills // 2 + 1) :]
        rest = kills - len(last)
        return sorted({*last, *((2 * i + 1) * len(self.steps) // (2 * rest) for i in range(rest))})

    def kill(self, whole: Callable[[dict[str, Any]], None], kills: int) -> None:
        """Kill the command again and again; after each kill look, and let it run to its end."""
        for moment in self.moments(kills):
            self.reset()
            told = self.killer.run(*self.command, before=moment)
            assert told["code"] == -9, (moment, told["out"])
            whole(snapshot(self.folder))
            self.run()
            assert snapshot(self.folder) == self.after, self.steps[moment]

    def old_or_new(self, files: dict[str, Any], *below: str) -> None:
        """What stands in each of these folders is what stood there before, or afterwards, and no mixture."""
        for folder in below:
            now, old, new = (
                {name: data for name, data in state.items() if name.startswith(f"{folder}/") and is_shown(name)}
                for state in (files, self.before, self.after)
            )
            assert now in (old, new), sorted(now)


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    with Killer(tmp_path_factory.getbasetemp(), *MODULES) as running:
        yield running


def succeeds(killer: Killer, *command: object) -> None:
    told = killer.run(*command)
    assert told["code"] == 0, told["out"]


@pytest.fixture
def store(tmp_path: Path, killer: Killer) -> Path:
    """work/store, which holds a source of 12 queries."""
    first = Records(tmp_path / "first" / "toy", n=12).write()
    succeeds(killer, "data", "import", "records", first, "--out", tmp_path / "work" / "store")
    return tmp_path / "work" / "store"


@pytest.mark.parametrize("merging", [True, False])
@KILLS
def test_import(tmp_path: Path, killer: Killer, store: Path, kills: int, merging: bool) -> None:
    more = {"n": 12, "models": ("tiny", "huge", "third")} if merging else {"n": 20}
    second = Records(tmp_path / "second" / "toy", **more).write()
    replace = () if merging else ("--replace",)
    work = Work(killer, store.parent, "data", "import", "records", second, *replace, "--out", store)

    def whole(files: dict[str, Any]) -> None:
        work.old_or_new(files, "store/sources")
        assert sources_in(store) == ["toy"]
        images = {name: data for name, data in files.items() if name.startswith("store/images/") and is_shown(name)}
        assert images.items() <= work.after.items()  # images are added, never changed

    work.kill(whole, kills)


@pytest.mark.parametrize("edition", ["full", pytest.param("lite", marks=pytest.mark.heavy)])
@KILLS
def test_build(tmp_path: Path, killer: Killer, store: Path, edition: str, kills: int) -> None:
    recipe, out = tmp_path / "recipe.toml", store.parent / "dataset"
    command = ("data", "build", recipe, "--store", store, "--out", out, "--edition", edition)
    more = Records(tmp_path / "other" / "other", source="other", n=40).write()
    succeeds(killer, "data", "import", "records", more, "--out", store)
    recipe.write_text(PAIR)
    succeeds(killer, *command)
    recipe.write_text(f'{PAIR}version = "2.0.0"\n')
    work = Work(killer, store.parent, *command)

    def whole(files: dict[str, Any]) -> None:
        work.old_or_new(files, "dataset", "store")
        assert check_dataset(out) == []

    work.kill(whole, kills)


@KILLS
def test_judge(killer: Killer, store: Path, kills: int) -> None:
    path = store / "sources" / "toy" / "responses.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows[::2]:
        row |= {"status": "unscored", "score": None, "judge": None}
    pq.write_table(table.from_pylist(rows, table.schema), path)
    work = Work(killer, store.parent, "judge", store, "--judge", "exact-match")

    def whole(files: dict[str, Any]) -> None:
        work.old_or_new(files, "store/sources", "store/images")
        assert source_info(store, "toy")["queries"] == 12

    work.kill(whole, kills)


@KILLS
def test_board(tmp_path: Path, killer: Killer, toy_dataset: Path, toy_benchmark: Any, kills: int) -> None:
    """A board is files that somebody may keep others beside: each is old or new, and none that stays is missing."""
    submissions, board = tmp_path / "submissions", tmp_path / "work" / "board"
    command = ("board", "build", "--submissions", submissions, "--data", toy_dataset, "--out", board)
    make(submissions / "one", toy_benchmark, probabilities(toy_benchmark), name="One")
    succeeds(killer, *command)
    make(submissions / "two", toy_benchmark, probabilities(toy_benchmark, seed=2), name="Two")
    work = Work(killer, board.parent, *command)

    def whole(files: dict[str, Any]) -> None:
        assert work.before.keys() <= files.keys()
        for name, data in files.items():
            assert not is_shown(name) or data in (work.before.get(name), work.after[name])

    work.kill(whole, kills)


@pytest.mark.heavy
@pytest.mark.parametrize("command", ["generate", "judge"])
def test_live(killer: Killer, store: Path, command: str) -> None:
    """Killed before a step, and again and again while answers come in."""
    answers = "store/requests.sqlite"
    with Loopback(0.1) as server:
        live = ("generate", store, "--model", f"live@{server.url}", "--out", store, "--concurrency", 1)
        if command == "judge":
            succeeds(killer, *live)
            live = ("judge", store, "--judge", f"judge@{server.url}", "--concurrency", 1)
        work = Work(killer, store.parent, *live)

        def whole(files: dict[str, Any]) -> None:
            work.old_or_new(files, "store/sources", "store/images")
            assert {*work.before.get(answers, ())} <= {*files.get(answers, ())} <= {*work.after[answers]}

        work.kill(whole, 12)
        work.reset()
        known: set[Any] = set()
        for tenth in range(3, 11):
            work.killer.run(*work.command, after=work.seconds * tenth / 10)
            files = snapshot(work.folder)
            whole(files)
            assert known <= set(files.get(answers, ()))  # no answer is lost to the next kill
            known = set(files.get(answers, ()))
        assert known
        work.run()
        assert snapshot(work.folder) == work.after


@pytest.mark.heavy
def test_encode(tmp_path: Path, toy_dataset: Path, tiny_encoders: dict[str, Path]) -> None:
    features = tmp_path / "work" / "features"
    with Killer(tmp_path, *MODULES, "torch", "transformers") as killer:
        encoders = [part for kind in ("image", "text") for part in (f"--{kind}-encoder", tiny_encoders[kind])]
        command = ("features", "encode", toy_dataset, "--out", features, *encoders, "--image-pooling")
        succeeds(killer, *command, "cls")
        work = Work(killer, features.parent, *command, "mean")
        work.kill(lambda files: work.old_or_new(files, "features/features"), 20)


@pytest.mark.heavy
def test_push(tmp_path: Path) -> None:
    """The repository holds nothing or a version that is whole, and the dataset is as it was."""
    (tmp_path / "data").mkdir()
    dataset = build(tmp_path / "data", two_sources(tmp_path / "data"))
    with LoopbackHub(tmp_path / "hub") as hub:

        def pushed() -> dict[str, str]:
            repo = hub.repos.get(("dataset", "org/toy"))
            head = repo.find("main") if repo else None
            return {name: blob.oid for name, blob in head.files.items()} if head else {}

        with Killer(tmp_path / "data", *MODULES, env=environment(hub, tmp_path / "home")) as killer:
            push = ("data", "push", dataset, "org/toy", "--no-dry-run")
            before, beside = snapshot(dataset), sorted(dataset.parent.iterdir())
            told = killer.run(*push)
            assert told["code"] == 0, told["out"]
            steps, whole = len(told["steps"]), pushed()
            assert "manifest.json" in whole
            moments = [{"before": i * steps // 12} for i in range(12)]
            for moment in [*moments, *({"after": tenth / 4} for tenth in range(1, 9))]:
                hub.reset()
                killer.run(*push, **moment)
                assert set(pushed()) <= {".gitattributes"} or pushed() == whole, moment
                assert snapshot(dataset) == before
                succeeds(killer, *push)
                assert pushed() == whole, moment
                assert hub.repo("org/toy").find("v1.0.0")
                assert sorted(dataset.parent.iterdir()) == beside


def test_without_an_exchange_of_folders_the_next_look_puts_the_old_one_back(
    monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    """Killed between two renames, on a file system that knows no other way: "is not a store with sources"."""
    toy, before = store / "sources" / "toy", snapshot(store)
    toy.rename(toy.with_name(".toy.old"))
    assert sources_in(store) == ["toy"]
    assert snapshot(store) == before
    monkeypatch.setattr(folders, "_exchanged", lambda one, other: False)
    with new_folder(toy, may_replace=lambda _: True) as folder:
        (folder / "source.json").write_text("{}")
    assert [path.name for path in toy.iterdir()] == ["source.json"]
    assert [path.name for path in toy.parent.iterdir()] == ["toy"]


def test_a_dataset_that_was_set_aside_is_put_back(tmp_path: Path, toy_dataset: Path) -> None:
    shutil.copytree(toy_dataset, tmp_path / ".d.old")
    assert read_manifest(tmp_path / "d") == read_manifest(toy_dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_what_a_running_process_writes_is_not_cleared(tmp_path: Path) -> None:
    write_file(tmp_path / "file", b"whole")
    ours = tmp_path / f".file.{folders._HOST}.1.7.partial"  # process 1 runs
    other, note = tmp_path / ".file.another-machine.99999999.7.partial", tmp_path / ".note.partial"
    gone = tmp_path / f".file.{folders._HOST}.99999999.7.partial"
    for path in (ours, other, note, gone):
        path.write_bytes(b"half")
    clear_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file", ours.name, other.name, note.name}
    assert (tmp_path / "file").read_bytes() == b"whole"

"""Records are edited by hand, cut by a full disk, and written by scripts that change: 300 faults of a folder, one each.
Every row goes in as its line says, or is named with what is wrong with it: no answer under another question, no score
of another answer, no image of another query, nothing lost unsaid, and no traceback.

What a folder says is read here by `json` alone, and what went in from the Parquet of the store.
"""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import png
from json_mutations import as_json, as_lines, mutations
from mutations import Rows, cut, mutated

from rsd_bench.sources.records_folder import open_records
from rsd_bench.sources.source import SourceProblem
from rsd_bench.sources.store.import_sources import Policy, import_source
from rsd_bench.types import InputError, Problem

Line = tuple[str, Any]  # where it stands, and what it says
MODELS = ("tiny", "huge")
KINDS = ("image", "audio", "video")
FIGURES = ("latency_s", "first_token_s", "cost_usd", "energy_j")
TRIALS = {"made": 200, "real": 100}


def made(folder: Path) -> None:
    """Seven queries: five about an image, one of them asked by it alone, one about several media, one of text."""
    (folder / "images").mkdir(parents=True)
    for i in range(8):
        (folder / f"images/{i}.png").write_bytes(png(i))
    (folder / "clip.wav").write_bytes(b"RIFF of a clip")
    queries: Rows = [
        {"query_id": f"toy/{i}", "source": "toy", "domain": ("chart", "photo")[i % 2], "group": f"toy/g{i // 2}"}
        | {"image": f"images/{i}.png", "question": f"What is in picture {i}?", "reference_answer": f"thing {i}"}
        for i in range(7)
    ]
    queries[4]["question"] = ""
    del queries[5]["image"], queries[6]["image"], queries[6]["group"]
    queries[5] |= {"images": ["images/7.png", "images/5.png"], "audio": "clip.wav", "modality": "image+audio"}
    responses: Rows = [
        {"query_id": query["query_id"], "model": model, "response": f"{model} says thing {i}", "score": 10 * i / 7}
        | {"judge": "a test", "completion_tokens": 20 + i, "latency_s": 0.5 + i, "cost_usd": 0.01 * i, "error": None}
        for model in MODELS
        for i, query in enumerate(queries)
    ]
    responses[1] |= {"score": None, "response": None, "status": "error"}
    responses[2] |= {"votes": {"small_first": "tiny", "large_first": "undecided:tie"}, "response": ["one of a list"]}
    responses[3] |= {"score": 0, "status": "unsupported"}
    variants: Rows = [
        {"group": f"toy/g{i}", "model": model, "scores": [10.0 * i / 3, i, 0]} for model in MODELS for i in range(3)
    ]
    (folder / "source.json").write_text(json.dumps({"name": "Toy", "license": "CC0-1.0", "redistributable": True}))
    for name, rows in (("queries", queries), ("responses", responses), ("variants", variants)):
        (folder / f"{name}.jsonl").write_text(as_lines(rows), "utf-8")


def real(folder: Path, records: Path) -> None:
    """The first eight queries of a published source, with all that is said of them."""
    given = records / "business_charts"
    queries = [row for _, row in lines(given / "queries.jsonl")][:8]
    asked = {row["query_id"] for row in queries}
    responses = [row for _, row in lines(given / "responses.jsonl") if row["query_id"] in asked]
    (folder / "images").mkdir(parents=True)
    for name in {row["image"] for row in queries}:
        shutil.copy(given / name, folder / name)
    shutil.copy(given / "source.json", folder)
    (folder / "queries.jsonl").write_text(as_lines(queries), "utf-8")
    (folder / "responses.jsonl").write_text(as_lines(responses), "utf-8")


def lines(path: Path) -> list[Line]:
    """The lines of a file that are JSON, in Python's reading, which takes NaN."""
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            found += [(f"{path}:{number}", json.loads(line))] if line.strip() else []
        except ValueError:
            found.append((f"{path}:{number}", None))
    return found


def scores_as_text(rows: Rows, rng: Random) -> str:
    name = "scores" if "scores" in rows[0] else "score"
    for row in rows:
        if name in row:
            row[name] = [str(one) for one in row[name]] if name == "scores" else str(row[name])
    return name


def empty_question(rows: Rows, rng: Random) -> str:
    row = rows[-1]  # in those that are made here, a text without media
    row["question"] = rng.choice(["", "  "])
    return str(row.get("query_id"))


def spoiled_images(folder: Path, rng: Random) -> str:
    """A fault of the files themselves: renamed, exchanged, cut, gone, of another kind."""
    files = sorted((folder / "images").iterdir())
    one, other = rng.sample(files, 2)
    fault = rng.choice(["renamed", "exchanged", "cut", "gone", "text", "a folder"])
    if fault == "exchanged":
        data = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif fault == "cut":
        one.write_bytes(cut(one.read_bytes(), rng))
    elif fault == "text":
        one.write_bytes(b"no image")
    else:
        one.rename(one.with_suffix(".PNG" if fault == "renamed" else ".away"))
        if fault == "a folder":
            one.mkdir()
    return f"{one.name} {fault}"


def faults(folder: Path, n: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done, and a function that does it, file by file in turn."""
    of_rows: dict[str, Rows] = {path.name: [row for _, row in lines(path)] for path in folder.glob("*.jsonl")}
    info = folder / "source.json"
    by_file = {
        name: mutations(rows, seed=len(name), n=n, text_of=as_lines, ids=("query_id", "group"))
        for name, rows in sorted(of_rows.items())
    }
    of_info = mutations(json.loads(info.read_text("utf-8")), seed=15, n=n, text_of=as_json)
    files = cycle([*by_file, *by_file, "images", *by_file, "source.json"])
    for seed, name in zip(range(n), files, strict=False):
        path, rng = folder / name, Random(seed)
        if name == "images":
            yield f"images, seed {seed}", lambda r=rng: spoiled_images(folder, r)
        elif name == "source.json" or seed % 2:
            fault = next(of_info if name == "source.json" else by_file[name])
            yield f"{name}, {fault.name}", lambda p=path, t=fault.text: p.write_text(t, "utf-8")
        else:
            more = (scores_as_text if name != "queries.jsonl" else empty_question,) * 4
            what, rows = mutated(of_rows[name], rng, more)
            yield f"{name}, seed {seed}, {what}", lambda p=path, r=rows: p.write_text(as_lines(r), "utf-8")


@pytest.mark.parametrize("base", ["made", "real"])
def test_three_hundred_spoiled_folders(base: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    sound, folder, ends = tmp_path / "sound" / "toy", tmp_path / "toy", Counter[str]()
    made(sound) if base == "made" else real(sound, request.getfixturevalue("records"))
    shutil.copytree(sound, folder)
    assert Import(folder, tmp_path / "store", skip_bad=False).ended() == "whole"
    for what, spoil in faults(folder, TRIALS[base]):
        spoil()
        for skip_bad in (False, True):
            one = Import(folder, tmp_path / "store", skip_bad)
            try:
                end = one.ended()
            except Exception as error:
                raise AssertionError(f"{what}, skip_bad {skip_bad}") from error
            if end != "refused" or skip_bad:
                break
        ends[end] += 1
        shutil.rmtree(folder)
        shutil.copytree(sound, folder)
    assert min(ends["whole"], ends["without some rows"], ends["refused"]) > TRIALS[base] / 10, ends


class Import:
    """One import of a folder, held against what its files say."""

    def __init__(self, folder: Path, store: Path, skip_bad: bool) -> None:
        self.folder, self.store = folder, store
        self.policy = Policy(replace=True, skip_bad=skip_bad)

    def ended(self) -> str:
        """How it ended. AssertionError where a row went in otherwise than its line says, or not, and nobody said so."""
        problems: list[Problem] = []
        try:
            info = import_source(open_records(self.folder, problems.append), self.store, {}, problems, self.policy)
        except InputError as error:
            assert error.problems and all(p.where and p.what and p.fix for p in error.problems)
            assert "\n" not in "".join(map(str, error.problems))
            assert not self.policy.skip_bad or any(isinstance(p, SourceProblem) for p in error.problems)
            return "refused"
        assert self.policy.skip_bad or not problems
        self.told = {problem.where for problem in problems}
        self.place = self.store / "sources" / info["source"]
        stated = json.loads((self.folder / "source.json").read_text("utf-8"))
        for name in ("name", "license", "redistributable", "latency_basis"):
            assert info[name] == stated.get(name, {"redistributable": False, "latency_basis": "reported"}.get(name))
        asked = self.queries(info["source"])
        self.outcomes(asked)
        self.variants()
        return "without some rows" if problems else "whole"

    def stored(self, table: str, *key: str) -> dict[tuple[str, ...], Any]:
        path = self.place / f"{table}.parquet"
        rows = pq.read_table(path).to_pylist() if path.is_file() else []
        found = {tuple(row[name] for name in key): row for row in rows}
        assert len(found) == len(rows)
        return found

    def said(self, table: str, *key: str) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
        """Lines that nobody said anything was wrong with, each with its key; no key twice."""
        path, seen = self.folder / f"{table}.jsonl", set()
        for where, row in lines(path) if path.is_file() else []:
            if where not in self.told:
                found = tuple(row[name] for name in key)
                assert found not in seen
                seen.add(found)
                yield where, row, found

    def queries(self, source: str) -> set[str]:
        stored = self.stored("queries", "query_id")
        for _, row, key in self.said("queries", "query_id"):
            found = stored.pop(key)
            assert row.get("source", source) == source
            for name in ("domain", "question"):
                assert found[name] == row[name]
            assert found["group"] == row.get("group", row["query_id"])
            assert found["reference_answer"] == row.get("reference_answer")
            media = list(self.media(row))
            assert media or row["question"].strip()
            assert [(item["kind"], item["sha256"]) for item in found["media"]] == media
            kinds = "+".join(kind for kind in KINDS if kind in {kind for kind, _ in media})
            assert found["modality"] == (kinds or row.get("modality") or "text")
        assert not stored
        return {query_id for (query_id,) in self.stored("queries", "query_id")}

    def media(self, row: Any) -> Iterator[tuple[str, str]]:
        for name in ("image", "images", "audio", "video"):
            named = row.get(name) or []
            for path in [named] if isinstance(named, str) else named:
                data = (self.folder / path).read_bytes()
                yield name.removesuffix("s"), sha256(data).hexdigest()

    def outcomes(self, asked: set[str]) -> None:
        stored = self.stored("responses", "query_id", "model")
        for _, row, key in self.said("responses", "query_id", "model"):
            if row["query_id"] not in asked:
                continue  # the query has a problem that was told
            found = stored.pop(key)
            status = row.get("status", "unscored" if row["score"] is None else "ok")
            score = 0 if status == "unsupported" else row["score"]
            text = row.get("response")
            assert found["status"] == status
            assert found["score"] == score or math.isclose(found["score"], score, abs_tol=1e-6)
            assert found["response"] == (text[0] if isinstance(text, list) else text)
            assert found["judge"] == row.get("judge")
            assert found["n_judgments"] == len(row.get("votes") or {})
            assert found["output_tokens"] in (row.get("completion_tokens"), None)
            assert [found[name] for name in FIGURES] == [row.get(name) for name in FIGURES]
        assert not stored

    def variants(self) -> None:
        stored = self.stored("variants", "group", "model")
        for _, row, key in self.said("variants", "group", "model"):
            assert stored.pop(key)["scores"] == pytest.approx(row["scores"], abs=1e-6)
        assert not stored

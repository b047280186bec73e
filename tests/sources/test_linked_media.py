"""Images of a Hub cache are links, one by one, into another folder (snapshots/0.png -> ../../blobs/...). One importer
followed them, one said "has no image '0.png'", three "lies outside the folder"; a folder of logs that is a link was
"an empty folder". One rule for all: nothing outside of the named folder is read, and the link is named.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import call_cli, png
from inspect_logs import log, shown, write_json
from inspect_logs import sample as inspect_sample
from lmms_logs import sample, write_log

N = 30


def records(folder: Path, names: list[str]) -> list[object]:
    asked = [
        {"query_id": f"toy/{i}", "domain": "d", "question": f"{i}?", "image": f"pics/{name}"}
        for i, name in enumerate(names)
    ]
    (folder / "source.json").write_text(json.dumps({"name": "toy", "license": "x", "redistributable": False}))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    answer = {"query_id": "toy/0", "model": "m", "response": "a", "score": 1}
    (folder / "responses.jsonl").write_text(json.dumps(answer))
    return ["records", folder]


def table(folder: Path, names: list[str]) -> list[object]:
    rows = [{"id": i, "question": f"{i}?", "image": name, "model": "m", "score": 1} for i, name in enumerate(names)]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = (
        '[columns]\nid = "id"\nquestion = "question"\nimage = "image"\n[outcomes]\nmodel = "model"\nscore = "score"'
    )
    stated = 'source = "toy"\nscore_scale = "0-1"\nimages = "pics"\n[constants]\ndomain = "d"\n'
    (folder / "map.toml").write_text(stated + columns)
    return ["table", folder / "t.jsonl", "--map", folder / "map.toml"]


def vlmevalkit(folder: Path, names: list[str]) -> list[object]:
    """Without a TSV, images are found by their index."""
    with (folder / "m_Toy.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("index", "question", "prediction"), *((i, f"{i}?", "a") for i in range(N))])
    return ["vlmevalkit", "--pred", folder / "m_Toy.csv", "--images", folder / "pics"]


def vlmevalkit_by_path(folder: Path, names: list[str]) -> list[object]:
    rows = [
        ("index", "question", "prediction", "image_path"),
        *((i, f"{i}?", "a", name) for i, name in enumerate(names)),
    ]
    with (folder / "m_Toy.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return ["vlmevalkit", "--pred", folder / "m_Toy.csv", "--images", folder / "pics"]


def lmms_eval(folder: Path, names: list[str]) -> list[object]:
    """Images are found by doc_id."""
    write_log(folder / "logs", [sample(i) for i in range(N)])
    return ["lmms-eval", folder / "logs", "--images", folder / "pics"]


def lmms_eval_by_name(folder: Path, names: list[str]) -> list[object]:
    write_log(folder / "logs", [sample(i, input_media=[f"/their/{name}"]) for i, name in enumerate(names)])
    return ["lmms-eval", folder / "logs", "--images", folder / "pics"]


def inspect_ai(folder: Path, names: list[str]) -> list[object]:
    asked = [inspect_sample(i, input=shown(f"{i}?", ("image", f"/their/{name}"))) for i, name in enumerate(names)]
    write_json(folder / "log.json", log(asked))
    return ["inspect", folder / "log.json", "--images", folder / "pics"]


Prepare = Callable[[Path, list[str]], list[object]]
IMPORTERS: list[Prepare] = [*(records, table, vlmevalkit, vlmevalkit_by_path, lmms_eval, lmms_eval_by_name, inspect_ai)]


def images(folder: Path, link_to: Path | None) -> list[str]:
    """Images in FOLDER/pics, each a link into another folder where that is given."""
    (folder / "pics").mkdir(parents=True)
    names = [f"{i}.png" for i in range(N)]
    for i, name in enumerate(names):
        if link_to is None:
            (folder / "pics" / name).write_bytes(png(i))
        else:
            link_to.mkdir(exist_ok=True)
            (link_to / f"blob{chr(97 + i % 26)}{i}").write_bytes(png(i))
            (folder / "pics" / name).symlink_to(link_to / f"blob{chr(97 + i % 26)}{i}")
    return names


@pytest.mark.parametrize("prepare", IMPORTERS, ids=lambda prepare: prepare.__name__)
def test_images_that_are_links_out_of_their_folder_are_named_as_links(tmp_path: Path, prepare: Prepare) -> None:
    arguments = prepare(tmp_path / "d", images(tmp_path / "d", tmp_path / "blobs"))
    run = call_cli("data", "import", *arguments, "--out", tmp_path / "store")
    assert run.returncode == 1
    whole = f"error: {tmp_path / 'd/m_Toy.csv'}: has no row without a fault -> fix the rows that are named"
    lines = [line for line in run.stderr.splitlines() if line != whole]
    first, *_, more, count = lines
    link, blob, pics = tmp_path / "d/pics/0.png", tmp_path / "blobs/bloba0", tmp_path / "d"
    assert f"'{link}' is a symbolic link to '{blob}', outside of '{pics}" in first
    assert "put the files themselves there" in first
    assert f"... and {N - 5} more like this" in more and count in (f"{N} problems", f"{N + 1} problems")
    assert len(lines) == 7


@pytest.mark.parametrize("prepare", IMPORTERS, ids=lambda prepare: prepare.__name__)
def test_links_that_stay_in_the_folder_are_files_like_others(tmp_path: Path, prepare: Prepare) -> None:
    folder = tmp_path / "d"
    names = images(folder, None)
    (folder / "pics" / "0.png").rename(folder / "pics" / "kept")
    (folder / "pics" / "0.png").symlink_to("kept")
    run = call_cli("data", "import", *prepare(folder, names), "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr


LOGS = {
    "lmms-eval": lambda folder: write_log(folder, [sample(0)], results={}),
    "lm-eval": lambda folder: write_log(folder, [sample(0, filter="none")], name="samples_{task}.jsonl"),
    "inspect": lambda folder: write_json(folder / "log.json", log([inspect_sample(0)])),
}


@pytest.mark.parametrize("importer", LOGS)
def test_a_folder_of_logs_that_is_a_link_is_named(tmp_path: Path, importer: str) -> None:
    LOGS[importer](tmp_path / "real")
    (tmp_path / "d").mkdir()
    link = tmp_path / "d" / "link"
    link.symlink_to(tmp_path / "real")
    more = ("--no-images",) if importer == "lmms-eval" else ()
    run = call_cli("data", "import", importer, tmp_path / "d", *more, "--out", tmp_path / "store")
    assert run.returncode == 1
    assert f"error: {link}: is a symbolic link to {tmp_path / 'real'}, not followed -> name it" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    told = call_cli("data", "inspect", tmp_path / "d").stdout
    assert f"{link}: a symbolic link to {tmp_path / 'real'}, not followed" in told
    assert f"$ rsd-bench data inspect {link}" in told
    assert "an empty folder" not in told and "no importer" not in told
    beside = call_cli("data", "inspect", tmp_path / "d" / "link")
    assert importer in beside.stdout


def test_a_link_beside_logs_is_no_fault_of_them(tmp_path: Path) -> None:
    """Tools that keep a link to their last run beside its folder."""
    write_log(tmp_path / "d", [sample(0)], results={})
    (tmp_path / "d" / "latest").symlink_to(tmp_path / "d" / "small")
    run = call_cli("data", "import", "lmms-eval", tmp_path / "d", "--no-images", "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr
    assert "latest: a symbolic link" in call_cli("data", "inspect", tmp_path / "d").stdout

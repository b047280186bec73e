"""The folder and its files: plain, small, of the named kinds, and nothing else.

Guards against CI that ran what a pull request brought, names with spaces that broke it, and archives that unpack to more
than the disk holds.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import socket
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hostile import SECONDS, clear, judge, lines, meta, raw, rows_of, sound, table

from rsd_bench.dataset.benchmark import Benchmark
from rsd_bench.jsonl import parse_json
from rsd_bench.submission.check_submission import check_submission
from rsd_bench.submission.pack_submission import pack_submission
from rsd_bench.types import InputError


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.putenv, ("RSD_HACKED", "1")


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../predictions.csv", "0" * 50_000_000)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        link = tarfile.TarInfo("predictions.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


def npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, p=np.array([Bomb()], dtype=object), allow_pickle=True)
    return out.getvalue()


EXTRA = ["model.pkl", "run.py", "setup.py", "conftest.py", "predictions.npz", "predictions.zip", "predictions.csv.gz", ".git",
         "a b.csv", "-rf", "$(touch x)", "`id`", "predictions.PARQUET", "Submission.json", "..csv", "predictions.parquet ", "\u202ecsv",
         "submission.jsοn", ".DS_Store", "__init__.py", "rsd-bench.toml", "predictions.csv\nx"]  # fmt: skip


@pytest.mark.parametrize("name", EXTRA)
def test_files_that_do_not_belong(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    judge(tmp_path, toy_benchmark, lambda folder: (folder / name).write_text("x"), "does not belong here")


def test_a_folder_inside(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    judge(tmp_path, toy_benchmark, lambda folder: (folder / "results").mkdir(), "does not belong here")


BINARY = {"pickle": pickle.dumps(Bomb()), "zip": zipped(), "tar": tarred(), "npz": npz(), "gzip": gzip.compress(b"0" * 10**7),
          "elf": b"\x7fELF" + b"\0" * 100, "empty": b"", "zeros": bytes(1000), "utf16": "track,query_id".encode("utf-16"),
          "latin1": b"track,query_id,scenario,p_edge\nin-domain,\xe9,*,0.5\n", "html": b"<html><script>1</script></html>"}  # fmt: skip


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_something_else_under_a_known_name(tmp_path: Path, toy_benchmark: Benchmark, kind: str, suffix: str) -> None:
    judge(tmp_path, toy_benchmark, raw(f"predictions.{suffix}", BINARY[kind]), f"predictions.{suffix}")
    assert os.environ.get("RSD_HACKED") is None


@pytest.mark.parametrize("cut", [4, 12, 100, 500])
def test_a_truncated_parquet(tmp_path: Path, toy_benchmark: Benchmark, cut: int) -> None:
    judge(tmp_path, toy_benchmark, raw("predictions.parquet", lambda old: old[:-cut]), "cannot be read")


@pytest.mark.parametrize("seed", range(40))
def test_a_parquet_with_bytes_turned(tmp_path: Path, toy_benchmark: Benchmark, seed: int) -> None:
    # a damaged file is refused, or (a byte that nothing reads) says exactly what the sound one says
    rng = np.random.default_rng(seed)

    def turn(old: bytes) -> bytes:
        changed = bytearray(old)
        for at in rng.integers(4, len(old), 1 + seed % 5):
            changed[at] ^= int(rng.integers(1, 256))
        return bytes(changed)

    plain, _ = check_submission(sound(tmp_path / "plain", toy_benchmark), toy_benchmark)
    folder = sound(tmp_path / "victim", toy_benchmark)
    raw("predictions.parquet", turn)(folder)
    found, problems = check_submission(folder, toy_benchmark)
    assert (found is None) == bool(problems)
    if found is not None and plain is not None:
        assert set(found.entries) == set(plain.entries)
        assert all(((said.p >= 0) & (said.p <= 1)).all() for said in found.entries.values())


def linked(name: str, target: str) -> object:
    def apply(folder: Path) -> None:
        path = folder / name
        if path.exists():
            path.rename(folder.parent / "moved")
        path.symlink_to(target if target.startswith("/") else folder.parent / target)

    return apply


# a README.md that was a link to /dev/zero hung the board, and one to /etc/passwd was followed and copied
@pytest.mark.parametrize("name", ["submission.json", "predictions.parquet", "README.md"])
@pytest.mark.parametrize("target", ["moved", "/etc/passwd", "/dev/zero", "/proc/self/environ", "nowhere", "victim"])
def test_links(tmp_path: Path, toy_benchmark: Benchmark, name: str, target: str) -> None:
    judge(tmp_path, toy_benchmark, linked(name, target), name)


def test_a_linked_folder(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    folder = sound(tmp_path / "honest", toy_benchmark)
    (tmp_path / "linked").symlink_to(folder)
    found, problems = check_submission(tmp_path / "linked", toy_benchmark)
    assert found is None and "is not a folder" in str(problems[0])


def test_pipes_sockets_and_folders_in_place_of_a_file(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    def pipe(folder: Path) -> None:
        clear(folder)
        os.mkfifo(folder / "predictions.csv")

    def listening(folder: Path) -> None:
        clear(folder)
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket is short
        try:
            socket.socket(socket.AF_UNIX).bind("predictions.csv")
        finally:
            os.chdir(here)

    def inside(folder: Path) -> None:
        clear(folder)
        (folder / "predictions.csv").mkdir()

    for i, change in enumerate((pipe, listening, inside)):
        judge(tmp_path / str(i), toy_benchmark, change, "is not a plain file")


def test_a_readme_that_is_a_pipe_or_a_folder(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    # nothing parses it, so nothing looked at it: the board opened the pipe and waited, or ended at the folder
    judge(
        tmp_path / "pipe",
        toy_benchmark,
        lambda folder: os.mkfifo(folder / "README.md"),
        "README.md: is not a plain file",
    )
    judge(
        tmp_path / "folder",
        toy_benchmark,
        lambda folder: (folder / "README.md").mkdir(),
        "README.md: is not a plain file",
    )


def test_pack_does_not_follow_a_link(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the maintainer's machine")
    folder = sound(tmp_path / "victim", toy_benchmark)
    (folder / "README.md").symlink_to(secret)
    with pytest.raises(InputError, match=r"README\.md: is not a plain file"):
        pack_submission(folder, toy_benchmark)
    assert (folder / "README.md").is_symlink()


def test_a_readme_is_kept_by_pack(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    (folder / "README.md").write_bytes(b"# mine\r\n\xff")
    pack_submission(folder, toy_benchmark)
    assert (folder / "README.md").read_bytes() == b"# mine\r\n\xff"


def test_a_folder_that_may_not_be_looked_into(
    tmp_path: Path, toy_benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    found, problems = check_submission(folder, toy_benchmark)
    assert found is None and "victim: Permission denied" in str(problems[0])


@pytest.mark.parametrize(
    "name", ["predictions.csv", "predictions.jsonl", "predictions.parquet", "submission.json", "README.md"]
)
def test_twenty_gigabytes_are_refused_before_they_are_read(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    def grow(folder: Path) -> None:
        if name.startswith("predictions"):
            clear(folder)
        with (folder / name).open("ab") as file:
            file.truncate(20 << 30)  # sparse: no disk

    judge(tmp_path, toy_benchmark, grow, "more than the")


DEEP = {"lists": "[" * 100_000, "objects": '{"a":' * 100_000, "closed": "[" * 50_000 + "]" * 50_000}


@pytest.mark.parametrize("kind", DEEP)
def test_endless_nesting(tmp_path: Path, toy_benchmark: Benchmark, kind: str) -> None:
    judge(tmp_path / "meta", toy_benchmark, raw("submission.json", DEEP[kind].encode()), "submission.json")
    judge(
        tmp_path / "rows",
        toy_benchmark,
        lines(lambda rows: [rows[0], DEEP[kind][:40_000]], "jsonl"),
        "predictions.jsonl:2",
    )


@pytest.mark.parametrize("depth", range(900, 1000, 7))
def test_nesting_just_below_what_the_reader_takes(tmp_path: Path, toy_benchmark: Benchmark, depth: int) -> None:
    # read without complaint, it exhausted the stack where the complaint about it was written
    nested = b"[" * depth + b"]" * depth
    judge(tmp_path / "meta", toy_benchmark, raw("submission.json", b'{"name":' + nested + b"}"), "nested too deeply")
    row = f'{{"track":{nested.decode()}}}'
    judge(tmp_path / "rows", toy_benchmark, lines(lambda rows: [row, *rows], "jsonl"), "predictions.jsonl:1: not JSON")


def test_a_key_twice_among_thousands_is_found_at_once() -> None:
    # comparing each key with each other one took minutes
    keys = ",".join(f'"{i}":1' for i in range(100_000))
    start = time.monotonic()
    with pytest.raises(ValueError, match="key '99999' stands twice"):
        parse_json(f'{{{keys},"99999":2}}')
    assert time.monotonic() - start < SECONDS


MANY = {
    "columns-csv": lines(lambda rows: [rows[0] + "".join(f",c{i}" for i in range(200_000)), *rows[1:]]),
    "columns-csv-short": lines(
        lambda rows: [rows[0] + "".join(f",{i}" for i in range(250)), *(r + ",0" * 250 for r in rows[1:])]
    ),
    "column-name": lines(lambda rows: [rows[0] + "," + "x" * 5_000_000, *rows[1:]]),
    "column-name-parquet": table(lambda t: t.append_column("x" * 90_000, t["p_edge"])),
    "columns-parquet": table(lambda t: t.select([3] * 250).rename_columns([f"c{i}" for i in range(250)])),
    "tau-names": meta(tau={"x" * 100_000: 0.5}),
    "tau-values": meta(tau={f"s{i}": 2 for i in range(8000)}),
    "tau-scenarios": meta(tau={f"s{i}": 0.5 for i in range(8000)}),
    "empty-objects": lines(lambda rows: ["{}"] * 20_000, "jsonl"),
    "no-objects": lines(lambda rows: ["[]"] * 20_000 + rows, "jsonl"),
    "files": lambda folder: [(folder / f"{i}.txt").touch() for i in range(1000)],
}


@pytest.mark.parametrize("name", MANY)
def test_what_is_said_about_a_submission_is_bounded(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    # 200,000 columns gave 200,000 problems, a name of 5 MB was repeated whole: too much for a board or a comment
    folder = sound(tmp_path / "victim", toy_benchmark)
    MANY[name](folder)
    found, problems = check_submission(folder, toy_benchmark)
    assert found is None and 0 < len(problems) <= 201
    assert max(len(p.what) for p in problems) < 350 and max(len(p.fix) for p in problems) < 350
    if len(problems) == 201:
        assert "more problems" in problems[-1].what


def test_lines_that_were_not_read_are_counted(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    bad = lines(lambda rows: ["{}"] * 20_000, "jsonl")
    judge(tmp_path, toy_benchmark, bad, "has 19980 more lines, not read after 20 faulty ones")


def test_a_file_name_that_is_no_text_can_be_told(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    found, problems = check_submission(folder, toy_benchmark)
    assert found is None and str(problems[0]).encode()


def test_a_line_of_a_megabyte(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    for i, kind in enumerate(("csv", "jsonl")):
        judge(tmp_path / str(i), toy_benchmark, lines(lambda rows: [*rows, "a" * 60_000], kind), "predictions")


STRUCTURE = {
    "header-missing": lambda rows: rows[1:],
    "header-twice": lambda rows: [rows[0], *rows],
    "header-named-twice": lambda rows: [rows[0] + ",p_edge", *(r + ",0.5" for r in rows[1:])],
    "column-more": lambda rows: [rows[0] + ",cost", *(r + ",0" for r in rows[1:])],
    "column-less": lambda rows: [r.partition(",")[2] for r in rows],
    "row-of-five": lambda rows: [*rows[:2], rows[2] + ",1", *rows[3:]],
    "row-of-three": lambda rows: [*rows[:2], rows[2].rpartition(",")[0], *rows[3:]],
    "semicolons": lambda rows: [r.replace(",", ";") for r in rows],
    "tabs": lambda rows: [r.replace(",", "\t") for r in rows],
    "open-quote": lambda rows: [*rows[:2], '"' + rows[2], *rows[3:]],
    "quoted-break": lambda rows: [*rows[:2], rows[2].replace("toy", '"to\ny"'), *rows[3:]],
    "null-bytes": lambda rows: [r + "\0" for r in rows],
    "lone-surrogate": lambda rows: [*rows[:2], rows[2].replace("toy", "\ud800"), *rows[3:]],
    "comment": lambda rows: ["# tau 0.1", *rows],
    "upper-header": lambda rows: [rows[0].upper(), *rows[1:]],
    "header-with-spaces": lambda rows: [rows[0].replace(",", ", "), *rows[1:]],
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_csv_structure(tmp_path: Path, toy_benchmark: Benchmark, name: str) -> None:
    judge(tmp_path, toy_benchmark, lines(STRUCTURE[name]), "predictions.csv")


JSON_ROWS = ["[]", "1", "null", '"row"', "{}", '{"track":"in-domain"}', '{"track":1,"query_id":2,"scenario":3,"p_edge":4}',
             '{"track":"in-domain","query_id":"x","scenario":"*","p_edge":0.5,"score":10}', "{'track':'in-domain'}", "{", "}", "//x",
             '{"track":["in-domain"],"query_id":"x","scenario":"*","p_edge":0.5}', '{"__proto__":{"p_edge":1}}']  # fmt: skip


@pytest.mark.parametrize("text", JSON_ROWS)
def test_json_rows(tmp_path: Path, toy_benchmark: Benchmark, text: str) -> None:
    judge(tmp_path, toy_benchmark, lines(lambda rows: [rows[0], text, *rows[1:]], "jsonl"), "predictions.jsonl:2")


def test_two_predictions_files(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    judge(
        tmp_path,
        toy_benchmark,
        lambda f: rows_of(f).to_csv(f / "predictions.csv", index=False),
        "has 2 predictions files",
    )


def test_no_predictions_file(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    judge(tmp_path, toy_benchmark, clear, "has no predictions file")


SLUGS = [
    "A",
    "a",
    "Upper",
    "with space",
    "under_score",
    "dot.dot",
    "-lead",
    "ünïcode",
    "аpple",
    "a" * 64,
    "pass\u202eword",
    "a\u200bb",
    "..",
    "a\nb",
    "a;b",
    "%2e%2e",
    "a<b>",
    "=1+1",
]


@pytest.mark.parametrize("slug", [s for s in SLUGS if s != ".."])
def test_names_that_are_no_slug(tmp_path: Path, toy_benchmark: Benchmark, slug: str) -> None:
    folder = sound(tmp_path / "victim", toy_benchmark)
    meta(slug=slug)(folder)
    folder = folder.rename(tmp_path / slug)
    found, problems = check_submission(folder, toy_benchmark)
    assert found is None
    assert any("slug" in str(p) for p in problems)


def test_traversal_in_the_slug_reaches_nothing(tmp_path: Path, toy_benchmark: Benchmark) -> None:
    for slug in ("../../etc", "..", "/etc/passwd", "victim/../x", "..\\x"):
        judge(tmp_path / str(abs(hash(slug))), toy_benchmark, meta(slug=slug), "slug")
    assert json.loads((sound(tmp_path / "again", toy_benchmark) / "submission.json").read_text())["slug"] == "again"

"""A `.eval` log is a zip from a stranger: 40 KB that unpack to gigabytes, entries that lie on top of each other, or a
method that Python does not read, ended readers of such files with a traceback or without memory.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path

import pytest
from inspect_logs import log, sample, write_eval, zstd_zip

from rsd_bench import config
from rsd_bench.sources.inspect_ai import inspect_log
from rsd_bench.sources.inspect_ai.open_inspect import open_inspect
from rsd_bench.sources.source import SourceProblem
from rsd_bench.types import InputError, Problem


def outcomes(path: Path) -> tuple[list[str], list[str]]:
    """Ids of the outcomes that a log gives, and what was told."""
    problems: list[Problem] = []
    found = [r.query_id for source in open_inspect([path], problems.append) for r in source.responses]
    return found, list(map(str, problems))


def rewritten(path: Path, **entries: bytes) -> Path:
    """The archive with more entries."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_eval(tmp_path / "log.eval", log([sample(1), sample(2)]))


def test_a_log_that_was_not_finished_is_read(tmp_path: Path) -> None:
    written = log([sample(1)])
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_journal/start.json", json.dumps({"eval": written["eval"]}))
        archive.writestr("samples/1_epoch_1.json", json.dumps(written["samples"][0]))
    assert outcomes(path) == (["pets/1"], [])
    with zipfile.ZipFile(path, "w") as archive:  # as before November 2024
        archive.writestr("start.json", json.dumps({"eval": written["eval"]}))
        archive.writestr("results.json", json.dumps({"status": "success", "results": None}))
        archive.writestr("samples/1_epoch_1.json", json.dumps(written["samples"][0]))
    assert outcomes(path) == (["pets/1"], [])


def test_a_sample_that_was_written_again_counts_once_or_is_refused(path: Path) -> None:
    """The later of two that differ was taken, unsaid; a .json log with both was refused."""
    with zipfile.ZipFile(path) as archive:
        first = archive.read("samples/1_epoch_1.json")
    with pytest.warns(UserWarning, match="Duplicate name"):
        rewritten(path, **{"samples/1_epoch_1.json": first})
    assert outcomes(path) == (["pets/1", "pets/2"], [])
    with pytest.warns(UserWarning, match="Duplicate name"):
        rewritten(path, **{"samples/1_epoch_1.json": json.dumps(sample(1, "I")).encode()})
    problems: list[Problem] = []
    open_inspect([path], problems.append)
    assert [type(problem) for problem in problems] == [SourceProblem]
    assert str(problems[0]).startswith(f"{path}: samples/1_epoch_1.json: stands twice in the log, and differs -> ")


def test_a_damaged_entry_costs_its_sample(path: Path) -> None:
    rewritten(path, **{"samples/3_epoch_1.json": b'{"id": 3', "samples/4_epoch_1.json": b"\xff"})
    found, told = outcomes(path)
    assert found == ["pets/1", "pets/2"]
    assert [line.partition(" -> ")[0] for line in told] == [
        f"{path}: samples/3_epoch_1.json: cannot be read: not JSON: Expecting ',' delimiter (column 9)",
        f"{path}: samples/4_epoch_1.json: cannot be read: it is no UTF-8 text",
    ]


def test_samples_in_chunks_are_told(path: Path) -> None:
    rewritten(path, **{"samples/3_epoch_1/sample.json": b"{}", "samples/3_epoch_1/events/0.json": b"[]"})
    found, (told,) = outcomes(path)
    assert found == ["pets/1", "pets/2"]
    assert "samples/3_epoch_1/sample.json: is a sample in chunks, which are not read -> write the log anew" in told


@pytest.mark.parametrize("end", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("zstd", [False, True])
def test_a_cut_or_overwritten_archive_is_no_traceback(tmp_path: Path, end: float, zstd: bool) -> None:
    path = write_eval(tmp_path / "log.eval", log([sample(n) for n in range(1, 9)]), zstd=zstd)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * end)])
    with pytest.raises(InputError, match="cannot be read"):
        outcomes(path)
    at = int(len(data) * end * 0.7)
    path.write_bytes(data[:at] + bytes(64) + data[at + 64 :])
    try:
        found, told = outcomes(path)
    except InputError:
        return
    assert len(found) + len(told) == 8


def test_bounds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_log, "MAX_LOG_ENTRIES", 5)
    with pytest.raises(InputError, match="it has 6 entries, more than 5"):
        outcomes(path)
    monkeypatch.setattr(inspect_log, "MAX_LOG_ENTRIES", config.MAX_LOG_ENTRIES)
    bomb = {f"samples/{n}_epoch_1.json": b'{"id": ' + b" " * 3_000_000 + b"1}" for n in range(3, 6)}
    rewritten(path, **bomb)
    monkeypatch.setattr(inspect_log, "MAX_LOG_BYTES", 2_000_000)
    with pytest.raises(InputError, match="more than 200 times its own size"):
        outcomes(path)
    monkeypatch.setattr(inspect_log, "MAX_LOG_RATIO", 10_000)
    found, told = outcomes(path)
    assert found == ["pets/1", "pets/2"]
    assert all("it unpacks to 3,000,009 bytes, more than 2,000,000" in line for line in told) and len(told) == 3
    whole = path.with_suffix(".json")
    whole.write_text(json.dumps(log([sample(1)])) + " " * 2_000_000)
    with pytest.raises(InputError, match="inspect log convert --to eval"):
        outcomes(whole)


def test_an_entry_in_zstandard_holds_what_its_header_states(tmp_path: Path) -> None:
    written = log([sample(1), sample(2, target="t" * 99)])
    texts = {"header.json": json.dumps({"eval": written["eval"], "status": "success"}).encode()}
    texts |= {f"samples/{n}_epoch_1.json": json.dumps(s).encode() for n, s in enumerate(written["samples"], 1)}
    path = tmp_path / "log.eval"
    data = zstd_zip(texts)
    path.write_bytes(data)
    assert outcomes(path)[0] == ["pets/1", "pets/2"]
    size = len(texts["samples/2_epoch_1.json"]).to_bytes(4, "little")
    for stated in (b"\1\0\0\0", b"\xff\xff\0\0"):  # less, or more, than it unpacks to
        path.write_bytes(data.replace(size, stated))
        found, told = outcomes(path)
        assert "pets/2" not in found
        assert any("are not those that were written" in line for line in told)
    crc = zlib.crc32(texts["samples/2_epoch_1.json"]).to_bytes(4, "little")
    path.write_bytes(data.replace(crc, bytes(4)))
    assert outcomes(path)[0] == ["pets/1"]


def test_other_kinds_of_files(tmp_path: Path) -> None:
    for name in ("pipe.json", "pipe.eval"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match="is no plain file"):
            outcomes(tmp_path / name)
    (tmp_path / "other.eval").write_bytes(zstd_zip({"word/document.xml": b"<w/>"}))
    with pytest.raises(InputError, match=r"holds no header.json: it is no log of inspect-ai"):
        outcomes(tmp_path / "other.eval")
    for data in (b"[1]", b"null", b'{"a": ' * 5000, b'{"eval": 1}', b"\xff", b""):
        (tmp_path / "other.json").write_bytes(data)
        with pytest.raises(InputError):
            outcomes(tmp_path / "other.json")

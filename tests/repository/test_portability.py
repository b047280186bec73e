"""`import fcntl` kept the whole package from starting on Windows. What Unix alone has is taken away here, and the
package must import and do its job; what differs in silence (line ends, the order of names) is looked for.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LITE, ROOT, Records

from rsd_bench import folders
from rsd_bench.dataset.benchmark import read_queries
from rsd_bench.dataset.manifest import file_entries

#: As on Windows: modules and functions of Unix that are not there.
WITHOUT_UNIX = """
import os, sys, warnings
import huggingface_hub.utils._terminal  # needs termios wherever os.name is "posix"
warnings.simplefilter("ignore")  # filelock: no lock of the system
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
for name in ("fork", "sched_getaffinity", "getuid", "geteuid", "killpg", "mkfifo"):
    delattr(os, name)
"""
IMPORT_ALL = """
import importlib, pkgutil, rsd_bench
for module in pkgutil.walk_packages(rsd_bench.__path__, "rsd_bench."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
COMMAND = """
from rsd_bench.cli.main import main
main()
"""


def without_unix(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_UNIX + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_every_module_imports_without_unix() -> None:
    run = without_unix(IMPORT_ALL)
    assert run.returncode == 0, run.stderr


def test_a_submission_is_made_checked_and_scored_without_unix(tmp_path: Path) -> None:
    table, folder = tmp_path / "p.csv", tmp_path / "half"
    names = read_queries(LITE).part("in-domain", "test").query_ids
    table.write_text("query_id,p_edge\n" + "".join(f"{name},0.5\n" for name in names))
    new = ("submit", "new", "half", "--from", table, "--author", "me", "--submissions", tmp_path)
    for command in (new, ("submit", "check", folder), ("eval", folder, "--n-boot", 20)):
        run = without_unix(COMMAND, *command)
        assert run.returncode == 0, run.stderr


def test_records_become_a_dataset_without_unix(tmp_path: Path, toy_records: Records) -> None:
    run = without_unix(COMMAND, "data", "import", "records", toy_records.write(), "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr
    (tmp_path / "recipe.toml").write_text('name = "toy"\npair = { small = "tiny", large = "huge" }\n')
    build = ("data", "build", tmp_path / "recipe.toml", "--store", tmp_path / "store", "--out", tmp_path / "dataset")
    run = without_unix(COMMAND, *build)
    assert run.returncode == 0, run.stderr
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


CALLS = [
    (path.relative_to(ROOT).as_posix(), node)
    for path in sorted((ROOT / "rsd_bench").rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
]


@pytest.mark.parametrize(("function", "keyword"), [("write_text", "newline"), ("to_csv", "lineterminator")])
def test_text_is_written_with_the_same_line_ends_everywhere(function: str, keyword: str) -> None:
    """A digest of private outcomes hashed the line ends of the system, and cards were written with them."""
    for file, call in CALLS:
        if call.func.attr == function and not (function == "to_csv" and file.startswith("rsd_bench/board/")):
            given = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg == keyword}
            assert given == {keyword: "\n"}, f"{file}:{call.lineno}"


def test_no_process_is_signalled_to_see_whether_it_runs() -> None:
    """On Windows os.kill(pid, 0) sends Ctrl-C to a process, and any other number ends it."""
    assert {str(file) for file, call in CALLS if call.func.attr == "kill"} == {"rsd_bench/folders.py"}
    with pytest.MonkeyPatch.context() as windows:
        windows.setattr(folders.os, "kill", lambda *_: pytest.fail("a process is signalled"))
        windows.setattr(folders.os, "name", "nt")
        assert folders._runs(1)


def test_a_manifest_lists_files_in_the_order_of_characters() -> None:
    """Windows sorts paths without regard to case: README.md would have stood behind croissant.json."""
    names = list(file_entries(LITE))
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert names.index("README.md") < names.index("croissant.json")


def test_a_file_that_is_being_read_is_replaced_a_little_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to replace an open file; two threads of an import that meet one image ask for that."""
    replace, refused = Path.replace, []

    def busy(path: Path, target: Path) -> Path:
        if not refused:
            refused.append(target)
            raise PermissionError(13, "is open", str(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(folders, "_REFUSES_OPEN_FILES", True)
    folders.write_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert refused


def test_output_is_utf8_whatever_the_code_page(tmp_path: Path) -> None:
    """With a Windows code page, JSON that held another character was "a bug in rsd-bench"."""
    (tmp_path / "数据").mkdir()
    command = [sys.executable, "-X", "utf8=0", "-m", "rsd_bench", "data", "check", str(tmp_path / "数据"), "--json"]
    run = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert run.returncode == 1
    assert "数据" in json.loads(run.stdout.decode("utf-8"))["problems"][0]["where"]

"""docs/formats.md: every file that it shows is written, every command that it shows is run, and says what it says.

Guards against a map that was right when it was written: an example that no longer runs is worse than none.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, call_cli
from published_tables import MAKERS, MODELS, SETS, N, score_of
from tables import read

from rsd_bench.cli import data_import
from rsd_bench.sources.recognise.recognise import recognise
from rsd_bench.sources.table.table_map import read_table_map

PAGE = (ROOT / "docs" / "formats.md").read_text("utf-8")
SECTIONS = dict(part.split("\n", 1) for part in re.split(r"^##+ ", PAGE, flags=re.M)[1:])
FILES = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.M | re.S)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
TABLES = ("RouterBench", "MMR-Bench", "VL-RouterBench", "RouterArena", "LLMRouterBench")
OURS = {title: text for title, text in SECTIONS.items() if title in MAKERS}  # other sections have tests of their own


def prepare(folder: Path, title: str) -> None:
    """The files that a section shows, and those that its commands need."""
    MAKERS[title](folder)
    for name, text in FILES.findall(SECTIONS[title]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def commands(title: str) -> list[tuple[list[str], list[str]]]:
    """The commands of a section, each with the lines that it is shown to print."""
    found: list[tuple[list[str], list[str]]] = []
    for block in CONSOLE.findall(SECTIONS[title]):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((shlex.split(line[2:]), []))
            else:
                found[-1][1].append(line)
    return found


def matches(pattern: str) -> list[str]:
    """The files that a shell puts in place of a pattern; none where the argument is no pattern of files."""
    return sorted(map(str, Path().glob(pattern))) if "*" in pattern and not Path(pattern).is_absolute() else []


def run(folder: Path, command: list[str]) -> str:
    """Run a command as a shell in `folder` does; what it prints."""
    program, *rest = command
    arguments = [name for part in rest for name in (matches(part) or [part])]
    if program == "python":
        done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
    else:
        assert program == "rsd-bench"
        done = call_cli(*arguments)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("title", OURS)
def test_commands_say_what_the_page_says(tmp_path: Path, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, title)
    for command, shown in commands(title):
        said = run(tmp_path, command).splitlines()
        assert [line for line in shown if line not in said] == [], command


def test_no_map_or_file_of_a_section_is_left_out() -> None:
    assert OURS.keys() == MAKERS.keys()
    for title, text in OURS.items():
        assert commands(title)
        assert len(FILES.findall(text)) == len(re.findall(r"^```(?!console)\w+$", text, re.M))
    with_maps = [title for title, text in SECTIONS.items() if re.search(r"^```toml$", text, re.M)]
    assert {*with_maps} <= {*OURS}


@pytest.mark.parametrize("title", TABLES)
def test_a_published_table_pairs_rightly(tmp_path: Path, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each outcome of the small table has its question, its answer, its score times 10 and its cost."""
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, title)
    *before, (imports, _) = commands(title)
    for command, _ in before:
        run(tmp_path, command)
    files, mapping = imports[4 : imports.index("--map")], Path(imports[imports.index("--map") + 1])
    found = read([Path(path) for part in files for path in matches(part) or [part]], mapping)
    assert found.problems == []
    asked = {query.query_id: int(re.findall(r"Question (\d)", query.question)[0]) for query in found.queries.values()}
    assert sorted(asked.values()) == list(range(N))
    assert {key[1] for key in found.outcomes} == set(MODELS) and len(found.outcomes) == 2 * N
    for (query, model), outcome in found.outcomes.items():
        i, at = asked[query], MODELS.index(model)
        if outcome.score is not None:
            assert outcome.score == 10 * score_of(i, at)
            assert outcome.response in (None, f"{model} on {i}", f"['{model} on {i}']")
        else:
            assert (i, at) == (N - 1, 1) and outcome.status in ("error", "unscored")
    if title not in ("MMR-Bench", "RouterBench"):
        assert {query.domain for query in found.queries.values()} == set(SETS)
    assert any(f"the map for tables of {title}" in note for part in recognise(tmp_path) for note in part.notes)


def test_maps_say_what_they_are_of() -> None:
    for title in TABLES:
        (text,) = [text for name, text in FILES.findall(SECTIONS[title]) if name.endswith(".toml")]
        assert f'source = "{title.lower()}"' in text


def test_every_key_of_a_map_is_on_the_page() -> None:
    from rsd_bench.schemas import schema

    table = schema("map")["$defs"]["table"]["properties"]
    keys = {*table, *table["outcomes"]["properties"], *table["columns"]["properties"]} - {"name", "commit", "notes"}
    assert [key for key in sorted(keys) if key not in PAGE] == []


def test_every_importer_is_in_the_index_and_has_its_section() -> None:
    index = PAGE.partition("\n## ")[0]
    for names in {*re.findall(r"`rsd-bench ((?:data|schema) [a-z -]+?)(?= [A-Z.-]|`)", PAGE)}:
        assert call_cli(*names.split(), "--help").returncode == 0, names
    listed = re.findall(r"`rsd-bench data import ([a-z-]+) ", index)
    assert {*listed} == {command.name for command in data_import.app.registered_commands}
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    assert {*re.findall(r"\]\(#([^)]+)\)", PAGE)} <= anchors


def test_maps_are_read_alone(tmp_path: Path) -> None:
    """A map in the page is whole: nothing of it is in another block."""
    for title in TABLES:
        for name, text in FILES.findall(SECTIONS[title]):
            if name.endswith(".toml") and "[queries]" not in text:
                (tmp_path / "data").mkdir(exist_ok=True)
                (tmp_path / name).write_text(text)
                assert read_table_map(tmp_path / name).source

"""What a file or folder is, which importer reads it, and the command to type; for people who do not know yet.

Nothing is imported or changed. A folder is looked at up to `_MOST_FILES` files, and told of by part, since people keep
the files of several tools in one place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rsd_bench.sources.linked_folders import not_followed
from rsd_bench.sources.recognise.file_shapes import FileShape, shape_of
from rsd_bench.sources.recognise.recognised_files import STORE, Part, parts_of, quoted, row_counts
from rsd_bench.types import InputError

_MOST_FILES = 2_000
_SHOWN_MODELS = 12


def recognise(path: Path) -> list[Part]:
    """The parts of a file or folder, those that can be imported first. InputError where nothing is there."""
    if not path.exists():
        what = f"is a symbolic link to {path.readlink()}, where nothing is" if path.is_symlink() else ""
        raise InputError.at(path, what or "no such file or folder", "name one that is there")
    if not path.is_dir():
        return parts_of(path, [shape_of(path)])
    parts: list[Part] = []
    records: list[Path] = []
    files: list[FileShape] = []
    more = False
    links: list[Path] = []
    for root, folders, names in os.walk(path):
        part = next((made for is_one, made in _FOLDERS if is_one(Path(root))), None)
        if _is_records(Path(root)):
            records.append(Path(root))
        elif part:
            parts.append(part(Path(root)))
        if part or _is_records(Path(root)) or more:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links += [link for name in folders if (link := Path(root) / name).is_symlink()]
        for name in sorted(name for name in names if not name.startswith(".")):
            if more := len(files) >= _MOST_FILES:
                break
            files.append(shape_of(Path(root) / name))
    found = [*([_records(records)] if records else []), *parts, *parts_of(path, files), *map(_link, links)]
    if more:
        note = f"the first {_MOST_FILES:,} files were looked at; name a folder below it to see others"
        found.append(Part(str(path), "more files", notes=(note,)))
    return found or [Part(str(path), "an empty folder")]


def _link(link: Path) -> Part:
    return Part(str(link), not_followed(link), commands=(f"rsd-bench data inspect {quoted(link)}",))


def _is_records(folder: Path) -> bool:
    return (folder / "queries.jsonl").is_file()


def _records(folders: Sequence[Path]) -> Part:
    """Records folders."""
    queries = [shape_of(folder / "queries.jsonl") for folder in folders]
    answers = [shape_of(folder / "responses.jsonl") for folder in folders if (folder / "responses.jsonl").is_file()]
    models = sorted({model for shape in answers for model in shape.models})
    counts = {"sources": len(folders), "queries": sum(shape.rows for shape in queries)}
    counts |= row_counts(answers, "answers") | {"models": len(models), "images": sum(shape.images for shape in queries)}
    lacking = [folder.name for folder in folders if not (folder / "source.json").is_file()]
    notes = (f"without source.json, which states the licence: {', '.join(lacking)}",) if lacking else ()
    command = f"rsd-bench data import records {quoted(*folders)} {STORE}"
    one = len(folders) == 1
    where = folders[0] if one else Path(os.path.commonpath(folders))
    what = "a records folder" if one else f"{len(folders)} records folders"
    more = any(shape.more for shape in (*queries, *answers))
    return Part(str(where), what, "records", (command,), counts, tuple(models), more, notes)


def _store(path: Path) -> Part:
    from rsd_bench.sources.store.store_tables import source_info, sources_in

    infos = [source_info(path, name) for name in sources_in(path)]
    models = sorted({model for info in infos for model in info.get("models", ())})
    counts = {
        "sources": len(infos),
        "queries": sum(info.get("queries", 0) for info in infos),
        "models": len(models),
        "scores": sum(sum(info.get("models", {}).values()) for info in infos),
    }
    command = f"rsd-bench data build recipe.toml --store {quoted(path)} --out my-rsd"
    what = f"a store of imported sources: {', '.join(str(info.get('source')) for info in infos)}"
    return Part(str(path), what, None, (command,), counts, tuple(models), notes=tuple(map(_scores_of, infos)))


def _scores_of(info: Mapping[str, Any]) -> str:
    """The models of a source by their number of scores: a pair needs two that have many of the same queries."""
    scored = sorted(info["models"].items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{model} {n:,}" for model, n in scored[:_SHOWN_MODELS])
    more = f" and {len(scored) - _SHOWN_MODELS} more" if len(scored) > _SHOWN_MODELS else ""
    return f"scores of {info['source']}: {shown or 'none'}{more}"


def _dataset(path: Path) -> Part:
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    counts = {"queries": manifest["queries"]} if isinstance(manifest.get("queries"), int) else {}
    what = f"a dataset folder: {manifest.get('name', '?')} {manifest.get('version', '')}".rstrip()
    return Part(str(path), what, None, (f"rsd-bench data check {quoted(path)}",), counts)


def _submission(path: Path) -> Part:
    return Part(str(path), "a submission of a router", None, (f"rsd-bench submit check {quoted(path)}",))


def _has_manifest(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and {"files", "splits"} <= manifest.keys()


_FOLDERS: Sequence[tuple[Callable[[Path], bool], Callable[[Path], Part]]] = (
    (lambda folder: any(folder.glob("sources/*/source.json")), _store),
    (_has_manifest, _dataset),
    (lambda folder: (folder / "submission.json").is_file(), _submission),
)

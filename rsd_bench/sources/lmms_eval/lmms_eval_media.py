"""Images, sounds and videos of lmms-eval samples: how logs name them, and which files of a folder they are.

Logs hold no media. `input_media` names those of a sample in order; old logs have a path in `doc`, or nothing. In the
folder a file has the name that the log gives (a path of the machine of the log, or an address: as many of its last
parts as there are), or, for a query with a single one, is called by the doc_id. Where one of the two ways finds the
files of all queries, it stands for all, the names of the log first. Else a file that one way finds does, unless the
other finds another: then nobody can tell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from rsd_bench.sources.lmms_eval.lmms_eval_pairing import is_absolute, parts_of
from rsd_bench.sources.named_media import image_in, media_in, way_out
from rsd_bench.sources.source import Media

_SUFFIXES = {
    "audio": (".aac", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"),
    "video": (".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"),
}
_KINDS = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
_LONG = 200  # characters of names that an id need not repeat
_DOC_FIELDS = ("image_path", "image", "img_path", "image_file", "file_name")


def kind_of(name: str) -> str:
    """audio or video by the suffix of a file (or the type of a data URI), else image."""
    inline = next((kind for kind in _SUFFIXES if name.startswith(f"data:{kind}/")), None)
    return inline or _KINDS.get(PurePosixPath(*parts_of(name)[-1:]).suffix.lower(), "image")


def media_names(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What a sample names in `input_media`, in order; media that stand there themselves are named by their digest."""
    return tuple(_names(row.get("input_media")))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
        return
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        value = value["path"]
    if isinstance(value, str) and not value.startswith("data:"):
        yield from [value] if value else []
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        head, comma, _ = text[:100].partition(",") if isinstance(value, str) else ("", "", "")
        yield f"{head if comma else 'data:'};sha256={hashlib.sha256(text.encode()).hexdigest()}"


def doc_paths(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the image that the document of a sample holds, each instead of the others."""
    doc = row.get("doc")
    found = [doc.get(name) for name in _DOC_FIELDS] if isinstance(doc, dict) else []
    return tuple(path for path in found if isinstance(path, str) and path)


def group_of(source: str, names: tuple[str, ...]) -> str:
    """The id of the queries about those media, which are alike also where the media themselves are not to be had.

    Of a path of the machine of the log, or an address, its last two parts count: they are the same on the next machine.
    """
    group = "+".join("/".join(parts_of(name)[-2:]) if is_absolute(name) else name for name in names)
    if len(group) > _LONG:
        group = hashlib.sha256(group.encode()).hexdigest()
    return f"{source}/{group}" if names else ""


@dataclass(frozen=True)
class Wanted:
    """The media of a query: their names in order, or paths that are alternatives, or neither."""

    names: tuple[str, ...]
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """Files of queries by doc_id, what is missing of the others, and what makes the folder as a whole unusable."""

    files: Mapping[str, list[Path]]
    missing: Mapping[str, str]
    unclear: str = ""


def find_media(folder: Path, wanted: Mapping[str, Wanted]) -> Found:
    """The media files of queries in a folder."""
    by_stem: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        by_stem.setdefault(path.stem, []).append(path)
    numbered = {key: by_stem[key] for key, want in wanted.items() if _is_alone(by_stem.get(key, ()), want, folder)}
    names_of: dict[Path, set[str]] = {}
    named: dict[str, list[Path]] = {}
    for key, want in wanted.items():
        found = [(name, file) for name in want.names or want.paths if (file := _named(folder, name))]
        found = found if want.names else found[:1]
        if found and len(found) == max(len(want.names), 1):
            named[key] = [file for _, file in found]
            for name, file in found:
                names_of.setdefault(file, set()).add(name)
    for path, names in sorted(names_of.items()):
        if len(names) > 1 and any(map(is_absolute, names)):
            return Found({}, {}, f"{path.name} would be {' and '.join(sorted(names)[:3])}")
    by_name = all(key in named for key, want in wanted.items() if want.names)
    chosen = numbered if not by_name and len(numbered) == len(wanted) else numbered | named
    if not by_name and chosen is not numbered:
        for key, files in named.items():
            if wanted[key].names and numbered.get(key, files) != files:
                what = f"{_shown(folder, files)} by the name in the log, {_shown(folder, numbered[key])} by doc_id"
                return Found({}, {}, f"of doc_id {key} is {what}; neither way finds the files of all queries")
    absent = wanted.keys() - chosen.keys()
    missing = {key: _missing(folder, want, by_stem.get(key, ())) for key, want in wanted.items() if key in absent}
    return Found(chosen, missing)


def _is_alone(files: Sequence[Path], want: Wanted, folder: Path) -> bool:
    return len(files) == 1 and len(want.names) <= 1 and not way_out(folder, files[0].name)


def _named(folder: Path, name: str) -> Path | None:
    """The file of that name; of a name that is no path in the folder, of its last parts, as many as there are."""
    return next((folder / end for end in _ends(folder, name) if not way_out(folder, end)), None)


def _ends(folder: Path, name: str) -> list[str]:
    """The ends of a name that are files from the folder on, in it or not."""
    parts = parts_of(name)
    ends = (parts[start:] for start in range(1, len(parts))) if is_absolute(name) else (parts,)
    return ["/".join(end) for end in ends if _is_file(folder.joinpath(*end))]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for a file, or with a NUL
        return False


def _missing(folder: Path, want: Wanted, alone: Sequence[Path]) -> str:
    if len(alone) > 1:
        return "several images: " + ", ".join(path.name for path in alone)
    what = f"no {kind_of(want.names[0]) if want.names else 'image'} in {folder}"
    there = [end for name in want.names or want.paths for end in _ends(folder, name)] + [path.name for path in alone]
    if out := next(filter(None, (way_out(folder, end) for end in there)), ""):
        return f"{what}: {out}"
    absent = [name for name in want.names if not name.startswith("data:")]
    return f"{what}: {', '.join(map(repr, absent[:3]))}" if absent else what


def _shown(folder: Path, files: list[Path]) -> str:
    return ", ".join(path.relative_to(folder).as_posix() for path in files)


def media_of(folder: Path, files: list[Path]) -> tuple[Media, ...]:
    """The files as media of a query, read when they are asked for."""
    media = []
    for path in files:
        kind, name = kind_of(path.name), path.relative_to(folder).as_posix()
        media.append(Media(kind, partial(image_in if kind == "image" else media_in, folder, name), name))
    return tuple(media)

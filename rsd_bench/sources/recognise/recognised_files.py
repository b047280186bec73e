"""Files by the tool that wrote them, and what to type to import them."""

from __future__ import annotations

import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rsd_bench.sources.ids import slug
from rsd_bench.sources.recognise.file_shapes import FileShape
from rsd_bench.sources.table.table_files import unpickling_fix

STORE = "--out store"
_SHOWN_COLUMNS = 12
_SHOWN_OTHERS = 5
_LISTED_FILES = 20


@dataclass(frozen=True)
class Part:
    """A part of what was looked at. importer: of `rsd-bench data import`, None where none reads it.

    counts: rows, queries, models, scores, images and the like, as far as they were counted; at_least: there are more.
    commands: to be typed as they are. notes: what to know beside that.
    """

    path: str
    what: str
    importer: str | None = None
    commands: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    at_least: bool = False
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def quoted(*paths: Path) -> str:
    """Paths as a shell takes them."""
    return " ".join(shlex.quote(str(path)) for path in paths)


def row_counts(shapes: Sequence[FileShape], rows: str) -> dict[str, int]:
    """Rows, under that name, and scores of files."""
    return {rows: sum(shape.rows for shape in shapes), "scores": sum(shape.scored for shape in shapes)}


def parts_of(root: Path, shapes: Sequence[FileShape]) -> list[Part]:
    """What files are, those that an importer reads first."""
    by_kind: dict[str, list[FileShape]] = defaultdict(list)
    for shape in shapes:
        by_kind[shape.kind].append(shape)
    parts = list(_vlmevalkit(by_kind))
    for kind, tool in (("lmms-eval", "lmms-eval"), ("lm-eval", "lm-eval"), ("inspect", "inspect-ai")):
        if found := by_kind[kind]:
            parts.append(_logs(kind, tool, found, by_kind["aggregate"]))
    alike: dict[tuple[str, ...], list[FileShape]] = defaultdict(list)
    for shape in by_kind["table"]:
        alike[tuple(shape.columns)].append(shape)
    parts += map(_tables, alike.values())
    for shape in by_kind["records"]:
        note = "name the folder with queries.jsonl, responses.jsonl and source.json"
        counts = row_counts([shape], "rows")
        parts.append(Part(str(shape.path), "a file of a records folder", counts=counts, notes=(note,)))
    for shape in by_kind["workbook"]:
        note = "save it as .csv and inspect that: a map says then which columns hold what"
        parts.append(Part(str(shape.path), _columns("a workbook", shape), counts={"rows": shape.rows}, notes=(note,)))
    for shape in by_kind["pickle"]:
        parts.append(Part(str(shape.path), "a pickle, which is never opened", notes=(unpickling_fix(shape.path),)))
    if images := by_kind["image"]:
        parts.append(Part(str(root), "images", counts={"images": len(images)}, notes=("of whatever names them",)))
    if (aggregates := by_kind["aggregate"]) and not parts:
        note = "figures of whole runs: name the folder that holds the answers beside them"
        parts.append(Part(str(root), "results of whole runs", counts={"files": len(aggregates)}, notes=(note,)))
    if other := by_kind["other"]:
        named = tuple(f"{shape.path.name}: {shape.note or 'of no kind known here'}" for shape in other[:_SHOWN_OTHERS])
        parts.append(Part(str(root), "other files", counts={"files": len(other)}, notes=named))
    return parts


def _folder_of(shapes: Sequence[FileShape]) -> Path:
    """The folder that holds all of some files."""
    return Path(os.path.commonpath([shape.path.parent for shape in shapes]))


def _logs(kind: str, tool: str, shapes: Sequence[FileShape], aggregates: Sequence[FileShape]) -> Part:
    """Logs of one tool; lmms-eval's are imported by the folder, the others by name."""
    named = {shape.path.parent: shape.models for shape in aggregates if shape.models}
    models = {model for shape in shapes for model in shape.models}
    if kind != "inspect":
        folders = {shape.path.parent for shape in shapes}
        models |= {name for folder in folders for name in named.get(folder, {folder.resolve().name})}
    counts = {"files": len(shapes)} | row_counts(shapes, "rows") | {"models": len(models)}
    counts["images"] = sum(shape.images for shape in shapes)
    notes = tuple(sorted({shape.note for shape in shapes if shape.note}))
    where = shapes[0].path if len(shapes) == 1 else _folder_of(shapes)
    files = _named([shape.path for shape in shapes if shape.rows] or [shape.path for shape in shapes])
    if kind == "lmms-eval":
        files = f"{quoted(where)} --no-images"
        notes += ("the logs hold no images: where you have them, --images DIR instead of --no-images",)
    command = f"rsd-bench data import {kind} {files} {STORE}"
    more = any(shape.more for shape in shapes)
    return Part(str(where), f"sample logs of {tool}", kind, (command,), counts, tuple(sorted(models)), more, notes)


def _vlmevalkit(by_kind: Mapping[str, list[FileShape]]) -> Iterator[Part]:
    """Files of VLMEvalKit, benchmark by benchmark, by their names, with answers of others that are called alike."""
    predictions, judges = by_kind["vlmevalkit-predictions"], by_kind["vlmevalkit-judge"]
    benchmarks = {shape.path.stem.removesuffix("_local"): shape for shape in by_kind["vlmevalkit-benchmark"]}
    alone = [judge for judge in judges if not any(_judges(judge, shape) for shape in predictions)]
    for judge in list(alone):
        if judged := _judged_beside(judge):
            alone.remove(judge)
            note = f"inspect the folder, which has both: rsd-bench data inspect {quoted(judge.path.parent)}"
            what = f"a judge file of VLMEvalKit, of the predictions in {judged.name} beside it"
            yield Part(str(judge.path), what, "vlmevalkit", counts=row_counts([judge], "rows"), notes=(note,))
    answers = [*predictions, *alone]  # a judge file repeats the predictions that it judges
    splits = _models_and_sets([shape.path.stem for shape in answers], benchmarks)
    for shape in [table for table in by_kind["table"] if _is_outside(table)]:
        its = _models_and_sets([shape.path.stem], {*benchmarks, *(name for _, name in splits.values())})
        if its[shape.path.stem][1] in {*benchmarks, *(name for _, name in splits.values())}:
            splits |= its
            answers.append(shape)
            by_kind["table"].remove(shape)
    by_set: dict[str, list[tuple[str, FileShape]]] = defaultdict(list)
    for shape in answers:
        model, benchmark = splits[shape.path.stem]
        by_set[benchmark].append((model, shape))
    for benchmark in sorted({*by_set, *benchmarks}):
        yield _benchmark(benchmark, benchmarks.get(benchmark), by_set.get(benchmark, []), judges)


def _benchmark(
    name: str, tsv: FileShape | None, answers: Sequence[tuple[str, FileShape]], judges: Sequence[FileShape]
) -> Part:
    options = [f"--tsv {quoted(tsv.path)}"] if tsv else []
    notes: tuple[str, ...] = () if answers else ("no predictions of a model are here",)
    if tsv is None or "image" not in tsv.columns:
        options.append("--no-images" if tsv else f"--no-images --source {slug(name) or 'vlmevalkit'}")
        have = "the folder of its images" if tsv else f"{name}.tsv, which holds questions and images"
        add = "--images DIR in place of --no-images" if tsv else "--tsv FILE in place of --no-images"
        folder = "" if tsv else "; where you have its images as files, --images DIR"
        notes += (f"texts and outcomes alone: where you have {have}, {add}{folder}",)
    scored = 0
    for model, shape in answers:
        judge = shape if shape.kind == "vlmevalkit-judge" else next((j for j in judges if _judges(j, shape)), None)
        options.append(f"--pred {shlex.quote(f'{model}={shape.path}')}")
        if judge:
            options.append(f"--judge {shlex.quote(f'{model}={judge.path}')}")
            scored += judge.scored
    files = [shape for _, shape in answers] + ([tsv] if tsv else [])
    counts = {
        "queries": tsv.rows if tsv else max(shape.rows for shape in files),
        "answers": sum(shape.rows for _, shape in answers),
        "scores": scored,
        "models": len(answers),
        "images": tsv.images if tsv else 0,
    }
    command = f"rsd-bench data import vlmevalkit {' '.join(options)} {STORE}"
    models, more = tuple(sorted(model for model, _ in answers)), any(shape.more for shape in files)
    commands = (command,) if answers else ()
    what = f"VLMEvalKit files of {name}"
    return Part(str(_folder_of(files)), what, "vlmevalkit", commands, counts, models, more, notes)


def _judged_beside(judge: FileShape) -> Path | None:
    """The prediction file that lies beside a judge file and is called as it begins; None where there is none."""
    beside = sorted(path for path in judge.path.parent.iterdir() if path.suffix == judge.path.suffix)
    found = [path for path in beside if judge.path.stem.startswith(f"{path.stem}_")]
    return max(found, key=lambda path: len(path.stem), default=None)


def _is_outside(shape: FileShape) -> bool:
    """Whether a table holds answers by id and not what was asked, as runs outside of the kit are kept."""
    return {"id", "response"} <= shape.columns.keys() and "question" not in shape.columns


def _judges(judge: FileShape, predictions: FileShape) -> bool:
    """Whether a judge file is that of a prediction file: VLMEvalKit puts the judge's name behind that of the file."""
    return judge.path.stem.startswith(f"{predictions.path.stem}_")


def _models_and_sets(stems: Sequence[str], benchmarks: Collection[str]) -> dict[str, tuple[str, str]]:
    """Model and benchmark of files called MODEL_BENCHMARK.

    Either may have an underscore: the benchmark is one of those that are known, else the names are cut where most files
    share the parts, at the first underscore if several would do.
    """
    cuts = {stem: [(stem[:at], stem[at + 1 :]) for at, c in enumerate(stem) if c == "_" and at] for stem in stems}
    parts = Counter(part for its in cuts.values() for cut in its for part in {*cut})
    found = {}
    for stem, its in cuts.items():
        known = [name for name in sorted(benchmarks, key=len, reverse=True) if f"_{name}_" in f"{stem}_"]
        if known:
            found[stem] = stem[: f"{stem}_".index(f"_{known[0]}_")], known[0]
        else:
            found[stem] = max(its, key=lambda cut: parts[cut[0]] + parts[cut[1]], default=(stem, stem))
    return found


def _tables(shapes: Sequence[FileShape]) -> Part:
    """Other tables of the same columns; those that look like the tables of a known benchmark are told so."""
    columns = shapes[0].columns
    known = next((name for name, fits in _KNOWN_TABLES if fits(columns)), None)
    notes = ["MAP.toml says which columns hold what: docs/formats.md, `rsd-bench schema map`"]
    if known:
        notes = [f"docs/formats.md has the map for tables of {known}: save it as MAP.toml"]
    elif _is_outside(shapes[0]):
        notes.append("answers without their questions: [queries] in MAP.toml names the file that holds those")
        notes.append("of a VLMEvalKit benchmark: --pred FILE of its importer, beside the benchmark's other files")
    notes += sorted({shape.note for shape in shapes if shape.note})
    paths = [shape.path for shape in shapes]
    models = tuple(sorted({model for shape in shapes for model in shape.models}))
    counts = {"files": len(shapes)} if len(shapes) > 1 else {}
    counts |= row_counts(shapes, "rows") | {"models": len(models), "images": sum(shape.images for shape in shapes)}
    what = "a table" if len(shapes) == 1 else "tables"
    what = _columns(f"{what} like those of {known}" if known else what, shapes[0])
    where = str(paths[0] if len(shapes) == 1 else _folder_of(shapes))
    command = f"rsd-bench data import table {_named(paths)} --map MAP.toml {STORE}"
    more = any(shape.more for shape in shapes)
    return Part(where, what, "table", (command,), counts, models, more, tuple(notes))


def _named(paths: Sequence[Path]) -> str:
    """Files as a shell takes them: one by one, or, where they are many, by a pattern that fits them and no other."""
    if len(paths) > _LISTED_FILES:
        folder = Path(os.path.commonpath([path.parent for path in paths]))
        depth = len(paths[0].relative_to(folder).parts)
        pattern = "/".join(["*"] * depth) + paths[0].suffix
        if {*folder.glob(pattern)} == {*paths}:
            return f"{quoted(folder)}/{pattern}"
    return quoted(*paths)


def _columns(what: str, shape: FileShape) -> str:
    names = [name for name in shape.columns if name]
    more = f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else ""
    return f"{what} with columns {', '.join(names[:_SHOWN_COLUMNS])}{more}"


def _ends(columns: Mapping[str, None], *ends: str) -> bool:
    return all(any(name.endswith(end) for name in columns) for end in ends)


#: Outcome tables of other routing benchmarks, by their columns; each has a section in docs/formats.md.
_KNOWN_TABLES: Sequence[tuple[str, Callable[[Mapping[str, None]], bool]]] = (
    ("RouterBench", lambda columns: _ends(columns, "|model_response", "|total_cost")),
    ("MMR-Bench", lambda columns: _ends(columns, "_correct", "_cost") and "question" in columns),
    ("VL-RouterBench", lambda columns: {"sample_id", "model_id", "quality"} <= columns.keys()),
    ("RouterArena", lambda columns: {"global_index", "llm_selected", "evaluation_result"} <= columns.keys()),
    ("LLMRouterBench", lambda columns: {"head.model_name", "head.dataset_name", "origin_query"} <= columns.keys()),
)

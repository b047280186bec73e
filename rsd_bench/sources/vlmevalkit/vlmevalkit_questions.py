"""Reads the questions of a VLMEvalKit benchmark, and which images each of them shows (`vlmevalkit_images`).

A TSV is read once and kept but for what stands in base64. Two rows of one index that differ are a fault of the file:
either could be the one that was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from rsd_bench.sources.ids import row_id
from rsd_bench.sources.source import Media, SourceProblem
from rsd_bench.sources.spreadsheets import Row, columns_of, read_table
from rsd_bench.sources.vlmevalkit.vlmevalkit_benchmark import (
    FIX_ROW,
    Agreement,
    Benchmark,
    Reading,
    find_rolls,
    text_row,
)
from rsd_bench.sources.vlmevalkit.vlmevalkit_images import (
    LONGEST_REFERENCE,
    ImageFolder,
    decoded,
    encoded_images,
    held_images,
    listed,
)
from rsd_bench.sources.vlmevalkit.vlmevalkit_names import AGREED, CATEGORIES
from rsd_bench.types import InputError, Problem, Report

_VIDEOS = ("video", "video_path")
_IMAGE_FILE = "image file"  # a column of our own: names without the folders of the machine that wrote them


@dataclass
class _Images:
    """What the rows say of their images, by index."""

    held: dict[str, tuple[tuple[int, int], int]] = field(default_factory=dict)  # bytes of the row, and how many
    shared: dict[str, str] = field(default_factory=dict)  # the index of the row that has them
    paths: dict[str, list[str]] = field(default_factory=dict)


def read_tsv(tsv: Path, benchmark: Benchmark, reading: Reading, report: Report) -> None:
    """Fill the benchmark from its TSV; without a readable one it stays empty."""
    if tsv.suffix.lower() != ".tsv":
        report(SourceProblem(str(tsv), "is no .tsv file", "name the benchmark's TSV"))
        return
    naming, columns = reading.columns.naming(), columns_of(tsv)
    named = {*columns, *naming.roles(columns)}
    by_cell = bool(named & {"image", "image_path"})
    needed = () if by_cell or reading.no_images or reading.images else ("image",)
    seen: dict[str, tuple[str, int]] = {}
    images = _Images()
    for row in read_table(tsv, ("index", "question", *needed), report, naming):
        index, content = row_id(row.cells["index"]), hash(frozenset(row.cells.items()))
        if index in seen:
            where, first = seen[index]
            if content != first:
                what = f"query_id {benchmark.query_id(index)!r} stands at {where} too, and the rows differ"
                report(SourceProblem(row.where, what, "keep the one that was asked"))
            continue
        seen[index] = row.where, content
        fault = _take_images(row, index, images) if by_cell and not reading.no_images else None
        if fault:
            report(Problem(row.where, fault, FIX_ROW))
        question = text_row(row, benchmark, reading, report)
        if fault or question is None:
            benchmark.faulty.add(index)
        else:
            benchmark.questions[index] = question[1]
    if seen:
        benchmark.columns = named
        _require_domain(str(tsv), named, reading, report)
        _finish(benchmark, reading, images if by_cell else None, tsv, report)


def read_predictions(paths: Iterable[Path], benchmark: Benchmark, reading: Reading, report: Report) -> None:
    """Fill the benchmark from the prediction files that repeat its questions; rows of all files are checked."""
    naming, answered = reading.columns.naming(), False
    compared = tuple(dict.fromkeys((*AGREED, *CATEGORIES, *filter(None, [reading.domain_column]), _IMAGE_FILE)))
    images = _Images()
    for path in paths:
        agreement, asks = Agreement(path, benchmark, compared), False
        before, shared = len(benchmark.questions), 0
        for row in read_table(path, ("index", "prediction"), report, naming):
            answered = True
            if "question" not in row.cells:
                continue
            if not asks:
                asks = True
                columns = {*row.cells}
                benchmark.columns = benchmark.columns & columns if benchmark.questions else columns
                _require_domain(str(path), row.cells, reading, report)
            names = _named(row.cells.get("image_path", ""))
            row = replace(row, cells=row.cells | {_IMAGE_FILE: " ".join(PurePosixPath(name).name for name in names)})
            found = text_row(row, benchmark, reading, report)
            if found is None:
                continue
            index, question = found
            if index in benchmark.questions:
                agreement.look(row, index)
                benchmark.fill(index, question, reading.domain_column)
                shared += 1
                continue
            benchmark.questions[index] = question
            if names:
                images.paths[index] = names
        agreement.tell(report)
        if before and asks and not shared:
            what = "shares no index with the files before it"
            report(SourceProblem(str(path), what, "name predictions of one benchmark, by one kind of index"))
    benchmark.faulty -= benchmark.questions.keys()
    if benchmark.questions:
        _finish(benchmark, reading, images if images.paths else None, None, report)
    elif answered:
        what = "no prediction file has a column question"
        fix = "give the benchmark by --tsv, or a prediction file of the kit, which repeats its questions, beside them"
        report(SourceProblem("--pred", what, fix))


def _require_domain(where: str, columns: Iterable[str], reading: Reading, report: Report) -> None:
    if reading.domain_column and reading.domain_column not in columns:
        have = ", ".join(sorted(filter(None, columns)))
        what = f"has no column {reading.domain_column!r} to be the domain; it has {have}"
        report(SourceProblem(where, what, "name one of these by --domain-column"))


def _named(cell: str) -> list[str]:
    """The paths of a cell, one or a list."""
    return [str(item).strip() for item in listed(cell)] or list(filter(None, [cell.strip()]))


def _take_images(row: Row, index: str, images: _Images) -> str | None:
    """Note what a row of the TSV says of its images; return what is wrong with it."""
    cell = row.cells.get("image", "").strip()
    if not cell:
        images.paths[index] = _named(row.cells.get("image_path", ""))
        return None if images.paths[index] else "has no image"
    if len(cell) <= LONGEST_REFERENCE and not listed(cell):
        images.shared[index] = row_id(cell)
        return None
    encoded = encoded_images(cell)
    for at, image in enumerate(encoded, 1):
        try:
            decoded(image)
        except ValueError as error:
            return f"image {at} of {len(encoded)} {error}" if len(encoded) > 1 else f"image {error}"
    images.held[index] = row.span, len(encoded)
    return None


def _finish(benchmark: Benchmark, reading: Reading, images: _Images | None, tsv: Path | None, report: Report) -> None:
    """Give each question its media, and find the rolls."""
    if reading.no_images:
        benchmark.modality = "video" if benchmark.columns & {*_VIDEOS} else "image"
    else:
        media = _media(benchmark, reading, images, tsv, report)
        for index in list(benchmark.questions):
            if index in media:
                benchmark.questions[index] = replace(benchmark.questions[index], media=media[index])
            else:
                benchmark.leave_out(index)
    find_rolls(benchmark, reading.circular, report)


def _media(
    benchmark: Benchmark, reading: Reading, images: _Images | None, tsv: Path | None, report: Report
) -> dict[str, tuple[Media, ...]]:
    """The media of each question by index; what is wrong with those that have none was reported."""
    folder = ImageFolder(reading.images) if reading.images else None
    given = images or _Images()
    files: dict[str, list[str]] = {}
    if folder:
        files = _of_paths(benchmark, given.paths, folder, report) if images else _of_names(benchmark, folder, report)
    elif named := [index for index in given.paths if index in benchmark.questions]:
        what = f"names its images by path in {len(named)} rows"
        fix = "give their folder by --images, or --no-images"
        report(SourceProblem(benchmark.questions[named[0]].where, what, fix))
    media: dict[str, tuple[Media, ...]] = {}
    positions = _positions(tsv, reading) if tsv and given.held else (0, 0)
    for index, question in benchmark.questions.items():
        holder = _holder(index, given.shared)
        if tsv and holder in given.held:
            span, count = given.held[holder]
            media[index] = held_images(tsv, span, positions, holder, count)
        elif folder and holder in files:
            media[index] = tuple(folder.media(path) for path in files[holder])
        elif index in given.shared:
            what = f"image is that of row {given.shared[index]!r}, which is missing or has none"
            report(Problem(question.where, what, "import the whole TSV"))
        elif images and index not in given.paths:
            report(Problem(question.where, "has no image", FIX_ROW))
    return media


def _positions(tsv: Path, reading: Reading) -> tuple[int, int]:
    """Where in a row of the TSV its index and its image stand."""
    columns = columns_of(tsv)
    roles = reading.columns.naming().roles(columns)
    return columns.index(roles.get("index", "index")), columns.index(roles.get("image", "image"))


def _holder(index: str, shared: Mapping[str, str]) -> str:
    """The index of the row that has the image of a row, over references; "" where they lead in a circle."""
    met = {index}
    while index in shared:
        index = shared[index]
        if index in met:
            return ""
        met.add(index)
    return index


def _of_paths(
    benchmark: Benchmark, paths: Mapping[str, list[str]], folder: ImageFolder, report: Report
) -> dict[str, list[str]]:
    """The files that rows name by path."""
    files: dict[str, list[str]] = {}
    called: dict[str, str] = {}
    for index, names in paths.items():
        where = benchmark.questions[index].where if index in benchmark.questions else ""
        found = [folder.find(name) for name in names]
        for name, given in zip(names, found, strict=True):
            if len(given) == 1 and called.setdefault(given[0], name) != name:
                what = f"images {called[given[0]]!r} and {name!r} are both {folder.folder / given[0]}"
                report(SourceProblem(where or str(folder.folder), what, "name the folder that holds their folders"))
        if _each_has_one(where, names, found, folder, report):
            files[index] = [given[0] for given in found]
    return files


def _of_names(benchmark: Benchmark, folder: ImageFolder, report: Report) -> dict[str, list[str]]:
    """The files that are called after the rows: after their `id`, or their index, whichever all of them follow."""
    questions = benchmark.questions
    names = {"id": {i: q.cells.get("id", "").strip() for i, q in questions.items()}, "index": {i: i for i in questions}}
    found = {by: {i: folder.find(name) for i, name in called.items()} for by, called in names.items()}
    some = [by for by in found if any(found[by].values())]
    whole = [by for by in some if all(found[by].values())]
    if len(some) == 2 and found["id"] == found["index"]:
        whole = whole[:1] or some[:1]
    if len(whole) != 1 and len(some) != 1:
        one = next(iter(questions))
        called = " or ".join(repr(name) for name in dict.fromkeys((names["id"][one], one)) if name)
        what = f"has images called after both id and index, {called}" if some else f"has no image called {called}"
        fix = "say after which column: --columns image_path=COLUMN" if some else "name images after id, or index"
        report(SourceProblem(str(folder.folder), what, fix))
        return {}
    by = (whole or some)[0]
    return {
        index: given
        for index, given in found[by].items()
        if _each_has_one(questions[index].where, [names[by][index]], [given], folder, report)
    }


def _each_has_one(where: str, names: list[str], found: list[list[str]], folder: ImageFolder, report: Report) -> bool:
    """Whether each name is that of one file; reported where it is not."""
    for name, given in zip(names, found, strict=True):
        if len(given) != 1:
            what = f"image {name!r} is {' and '.join(given)}" if given else f"has no image {name!r} in {folder.folder}"
        elif not (what := folder.way_out(given[0])):
            continue
        if where:
            report(Problem(where, what, "put one there, or leave out the row"))
        return False
    return True


def require_media(tsv: Path | None, reading: Reading) -> None:
    """InputError where neither a TSV nor an option says where the images are."""
    if reading.images and reading.no_images:
        raise InputError.at("--no-images", "is given beside --images", "give one of them")
    if tsv is None and reading.images is None and not reading.no_images:
        what = "prediction files hold no images"
        raise InputError.at("--pred", what, "give --tsv, --images with the folder of the images, or --no-images")

"""What a Parquet file unpacks to, as the headers of its pages say.

The sizes in a footer bind nobody: 14 KB with a footer that told of 100 bytes unpacked to 400 MB. The header of a page
does: a reader allocates what it states, and a page that unpacks to more is an error. So the headers are walked before
anything is unpacked. The numbers below are fields of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.

Why not a child process with a limit on memory, which would bound every format at once (measured on Linux, 2 cores,
pyarrow 26):
- A verdict must not depend on the machine. RLIMIT_AS counts addresses, not memory: reading 20,000 rows takes 134 MB and
  1.6 GB of addresses, 1.9 GB where arrow has 64 threads, 0.6 GB under a limit of 0.6 GB; 0.3 GB is too little to import
  pyarrow, which then says that it was built without Parquet; 3 GB let a bomb of 400 MB through. macOS refuses to set
  the limit or ignores it (https://github.com/python/cpython/issues/78783), Windows has none. A limit on time works
  everywhere, but a bomb unpacks in a second.
- The author would read "malloc of size 400012288 failed", or that something died; here, what the file unpacks to.
- A child that imports pyarrow takes 0.5 s of processor time, two minutes for a board of 200; a walk takes 1 ms. A child
  that stays would save that, but its rows come back through a pipe, and it must be started anew after each death.
- CSV and JSON Lines unpack to what they are, so the size of the file bounds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from rsd_bench.submission.compact_thrift import BINARY, I32, I64, LIST, STRUCT, Fields, Shape, read_struct, value_of

_GROUPS, _ALGORITHM = 4, 8  # FileMetaData
_CHUNKS = 1  # RowGroup
_CHUNK, _CRYPTO = 3, 8  # ColumnChunk
_CHUNK_VALUES, _CHUNK_BYTES, _DATA_AT, _DICTIONARY_AT = 5, 7, 9, 11  # ColumnMetaData
_UNPACKED, _PACKED, _DATA, _DATA_V2 = 2, 3, 5, 8  # PageHeader
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4  # DataPageHeader, DataPageHeaderV2
_CODED = {2, 8}  # encodings that refer to a dictionary
_DELTA_BYTE_ARRAY = 7  # a text as what it shares with the one before: a short page tells of texts without end

#: Lists of ColumnMetaData: encodings, path, notes, statistics of encodings, histograms of levels, geospatial types.
_COLUMN: Shape = {2: I32, 3: BINARY, 8: {}, 13: {}, 16: {2: I64, 3: I64}, 17: {2: I32}}
#: Lists of FileMetaData: schema, row groups (their chunks and sorting columns), notes, column orders.
_FOOTER: Shape = {2: {}, _GROUPS: {_CHUNKS: {_CHUNK: _COLUMN}, 4: {}}, 5: {}, 7: {}}

_PAGE_BYTES = 64  # what a page costs besides its content
_MAX_FOOTER = 1 << 20  # a thousand row groups
_TAIL = 8  # length of the footer, and PAR1


@dataclass(frozen=True)
class Pages:
    """What the headers of all pages of a file say."""

    unpacked_bytes: int
    coded: frozenset[int]  # positions of columns that refer to a dictionary: a text of it may stand behind every row


def read_pages(path: Path) -> Pages:
    """Walk the headers of a file's pages. ValueError where they are unsound, or an encoding knows no bound."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        pages = [(at, *page) for at, chunk in _chunks(data) for page in _pages(data, chunk)]
    return Pages(sum(size for _, size, _ in pages), frozenset(at for at, _, coded in pages if coded))


def _chunks(data: mmap) -> Iterator[tuple[int, Fields]]:
    """The column chunks of each row group, with the position of their column.

    Not through arrow: asked for a chunk that is encrypted, or lies about its levels, it ends the process.
    """
    end = len(data) - _TAIL
    size = int.from_bytes(data[-_TAIL : -_TAIL // 2], "little")
    if size > min(_MAX_FOOTER, end):
        raise ValueError(f"has a footer of {size} bytes; write fewer row groups")
    footer, _ = read_struct(data, end - size, end, _FOOTER)
    if _ALGORITHM in footer:
        raise ValueError("is encrypted")
    for group in value_of(footer, _GROUPS, LIST):
        yield from enumerate(value_of(group, _CHUNKS, LIST))


def _pages(data: mmap, chunk: Fields) -> Iterator[tuple[int, bool]]:
    """Of each page of a column chunk the bytes that it unpacks to, and whether it refers to a dictionary."""
    if _CRYPTO in chunk:
        raise ValueError("is encrypted")
    column = value_of(chunk, _CHUNK, STRUCT)
    at = value_of(column, _DATA_AT, I64)
    if _DICTIONARY_AT in column and 0 < value_of(column, _DICTIONARY_AT, I64) < at:
        at = value_of(column, _DICTIONARY_AT, I64)
    stop = at + value_of(column, _CHUNK_BYTES, I64)
    if stop > len(data):
        raise ValueError("a column lies outside of the file")
    values = 0
    while at < stop:
        header, at = read_struct(data, at, stop, {})  # has no lists
        coded = False
        for kind, encoding in ((_DATA, _ENCODING), (_DATA_V2, _ENCODING_V2)):
            if kind in header:
                page = value_of(header, kind, STRUCT)
                values += value_of(page, _VALUES, I32)
                of = value_of(page, encoding, I32)
                coded = coded or of in _CODED
                if of == _DELTA_BYTE_ARRAY:
                    raise ValueError("is encoded as DELTA_BYTE_ARRAY; write it with a dictionary or plain")
        yield _PAGE_BYTES + value_of(header, _UNPACKED, I32), coded
        at += value_of(header, _PACKED, I32)
    if values < value_of(column, _CHUNK_VALUES, I64):
        raise ValueError("a column has fewer values than its footer says")

"""Images, sounds and videos of inspect-ai samples: data URIs in the log, or files that the log names.

By default inspect-ai writes them into the log as data URIs, under `attachments`. A log with `--no-log-images` names the
files that were on the machine of the run, or says that the data was removed; a URL stays a URL. Files are taken from a
folder that the user names, by the longest end of the logged path that is a file there, and from nowhere else: what a
stranger's log names is no reason to read a file of this machine.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from rsd_bench.config import MAX_IMAGE_BYTES, MAX_MEDIA_BYTES
from rsd_bench.sources.named_media import image_in, media_in
from rsd_bench.sources.source import Media

_REMOVED = "<base64-data-removed>"
_URL = re.compile(r"(?:https?|s3|gs|az|ftp)://", re.IGNORECASE)
_DATA = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
Identity = tuple[str, str, str]


@dataclass(frozen=True)
class LoggedMedia:
    """A medium as a sample holds it: `value` is a data URI, a URL, a path, or says that the data was removed."""

    kind: str  # one of source.MEDIA_KINDS
    value: str

    @property
    def is_data(self) -> bool:
        return self.value[:5].lower() == "data:"

    @property
    def is_file(self) -> bool:
        """Whether it names a file of the machine that ran the log."""
        return not self.is_data and not _URL.match(self.value) and self.value != _REMOVED

    @property
    def identity(self) -> Identity:
        """Its kind, and what tells it from others: its bytes, or the name of its file or URL."""
        if self.is_data:
            return self.kind, "bytes", hashlib.sha256(self.value.encode()).hexdigest()
        if self.value == _REMOVED:
            return self.kind, "", ""
        return self.kind, "name", _parts(self.value)[-1] if _parts(self.value) else ""

    def media(self, folder: Path | None) -> Media | None:
        """How its bytes are read; None where neither the log nor the folder has them."""
        if self.is_data:
            return Media(self.kind, partial(_decoded, self.value, self.kind))
        if folder is None or not self.is_file or (name := name_in(folder, self.value)) is None:
            return None
        return Media(self.kind, partial(image_in if self.kind == "image" else media_in, folder, name), name)


def may_be_same(one: tuple[Identity, ...], other: tuple[Identity, ...]) -> bool:
    """Whether two logs may show the same media: as many of each kind, and nothing differs that both know of them."""
    if [identity[0] for identity in one] != [identity[0] for identity in other]:
        return False
    return all(a[1] != b[1] or a == b for a, b in zip(one, other, strict=True))


def name_in(folder: Path, logged: str) -> str | None:
    """The longest end of a logged path that is a file in the folder: "b/1.png" of "/a/b/1.png"."""
    parts = _parts(logged)
    ends = (str(PurePosixPath(*parts[start:])) for start in range(len(parts)))
    try:
        return next((end for end in ends if (folder / end).is_file()), None)
    except OSError:  # a name longer than any file's
        return None


def _parts(logged: str) -> list[str]:
    """The names of a path, of Windows too, without what would lead out of a folder."""
    return [part for part in re.split(r"[/\\]+", logged) if part not in ("", ".", "..") and "\0" not in part]


def _decoded(uri: str, kind: str) -> bytes:
    """The bytes of a data URI. OSError where they are none, or too many."""
    most = MAX_IMAGE_BYTES if kind == "image" else MAX_MEDIA_BYTES
    start = _DATA.match(uri)
    if start is None:
        raise OSError(0, f"{kind}: its data URI is not base64; log the sample again")
    if (len(uri) - start.end()) * 3 // 4 - 2 > most:
        raise OSError(0, f"{kind}: has more than {most:,} bytes; make it smaller")
    try:
        data = base64.b64decode("".join(uri[start.end() :].split()), validate=True)
    except binascii.Error as error:
        raise OSError(0, f"{kind}: its data URI is damaged ({error}); log the sample again") from None
    if not data:
        raise OSError(0, f"{kind}: its data URI is empty; log the sample again")
    return data

"""Whether one doc_id means one query in the lmms-eval logs of several models. A wrong guess puts answers and scores
under questions that nobody asked, unseen: where anything speaks against it, the logs are not joined.

Two rows of one doc_id are one query where their targets agree, their media and labels too as far as both logs state
them, and their prompts word for word. Prompts may be worded per model where equal doc_hashes prove the document; a hash
proves only if no other row of its own log has it, in both logs (real logs have sha256("null") in every row).

Whatever the hashes say, a prompt or a proving hash that stands under another doc_id of the other log is an error: rows
changed places. Prompts that are worded otherwise are compared by what is left of them without the words that all
prompts of a log share at both ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from rsd_bench.sources.source import SourceProblem

_NULL_HASH = (
    "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"  # sha256("null"): no document was hashed
)
_FIX = "import logs of one version of the task together, their rows as lmms-eval wrote them"

_Parts = TypeVar("_Parts", str, tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Doc:
    """A query as a log states it; "" and () for what it does not state.

    media: names in the order in which the model sees them. labels: what else tells queries apart, by field of the row.
    """

    where: str
    question: str
    target: str
    doc_hash: str = ""
    media: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


class LoggedDocs:
    """The queries of one log by doc_id, and what proves them."""

    def __init__(self, docs: Mapping[str, Doc]) -> None:
        self.docs = docs
        rows = Counter(doc.doc_hash for doc in docs.values())
        own = {doc_hash for doc_hash, count in rows.items() if count == 1} - {"", _NULL_HASH}
        self._proving = {doc.doc_hash: key for key, doc in docs.items() if doc.doc_hash in own}
        self._prompts = {doc.question: key for key, doc in docs.items()}
        self._folder = _common_folder(name for doc in docs.values() for name in doc.media)

    def proof(self, key: str) -> str:
        """The doc_hash of a row where it proves which document it is, else ""."""
        doc_hash = self.docs[key].doc_hash
        return doc_hash if self._proving.get(doc_hash) == key else ""

    def key_of_prompt(self, prompt: str) -> str | None:
        return self._prompts.get(prompt)

    def key_of_proof(self, doc_hash: str) -> str | None:
        return self._proving.get(doc_hash)

    def media(self, key: str) -> list[tuple[str, ...]]:
        """The media of a row as path components below the folder that all absolute names of the log share."""
        return [parts_of(name)[len(self._folder) if is_absolute(name) else 0 :] for name in self.docs[key].media]


def disagreement(first: LoggedDocs, other: LoggedDocs) -> SourceProblem | None:
    """What says that `other` has another query than `first` under some doc_id, as one problem; None for nothing."""
    faults = list(_faults(first, other))
    if not faults:
        return None
    key, why = faults[0]
    here, there = other.docs[key], first.docs[key]
    what = f"doc_id {key} is not the query it is at {there.where}: {why}"
    if more := faults[1:]:
        keys = ", ".join(key for key, _ in more[:4])
        what += f"; nor are doc_id {keys}" + (f" and {len(more) - 4} more" if len(more) > 4 else "")
    return SourceProblem(here.where, what, _FIX)


def _faults(first: LoggedDocs, other: LoggedDocs) -> Iterator[tuple[str, str]]:
    """(doc_id, what is wrong) of the rows of `other` that `first` contradicts, at most one a row."""
    keys = [key for key in other.docs if key in first.docs]
    bare_first, bare_other = (_bare([log.docs[key].question for key in keys]) for log in (first, other))
    of_bare_first, of_bare_other = (
        {text: key for text, key in zip(bare, keys, strict=True) if text} for bare in (bare_first, bare_other)
    )
    for i, key in enumerate(keys):
        here, there = other.docs[key], first.docs[key]
        if here.question != there.question:
            if (place := first.key_of_prompt(here.question)) is not None:
                yield key, f"its prompt is that of doc_id {place} there, word for word"
                continue
            if (place := other.key_of_prompt(there.question)) is not None:
                yield key, f"the prompt it has there is that of doc_id {place} here, word for word"
                continue
            if bare_first[i] != bare_other[i] and (
                (place := of_bare_first.get(bare_other[i]) or of_bare_other.get(bare_first[i])) is not None
            ):
                yield key, f"but for words that all prompts share, doc_id {place} has its prompt, word for word"
                continue
        if why := _contradiction(first, other, key):
            yield key, why


def _contradiction(first: LoggedDocs, other: LoggedDocs, key: str) -> str:
    """What the fields of a row say against its being the same query in both logs; "" for nothing."""
    here, there = other.docs[key], first.docs[key]
    proof = other.proof(key)
    if here.target != there.target:
        return f"its target is {_shown(here.target)}, there {_shown(there.target)}"
    if here.question != there.question and not (proof and proof == first.proof(key)):
        return "its prompt differs, and no doc_hash proves that only the wording does"
    expected = dict(there.labels)
    for name, label in here.labels:
        if label != expected.get(name, label):
            return f"its {name} is {_shown(label)}, there {_shown(expected[name])}"
    if here.media and there.media and not _same_media(other.media(key), first.media(key)):
        return f"it names other media: {_shown(', '.join(here.media))}, there {_shown(', '.join(there.media))}"
    for proving, log, side in ((proof, first, "there"), (first.proof(key), other, "here")):
        if proving and (place := log.key_of_proof(proving)) not in (None, key):
            return f"its doc_hash is that of doc_id {place} {side}"
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _bare(prompts: Sequence[str]) -> list[str]:
    """Prompts without what all of them begin and end with: the wording of a model."""
    start = _shared(prompts)
    rests = [prompt[start:] for prompt in prompts]
    end = _shared([rest[::-1] for rest in rests])
    return [rest[: len(rest) - end].strip() for rest in rests]


def _shared(sequences: Sequence[_Parts]) -> int:
    """How many items all sequences begin with."""
    if not sequences:
        return 0
    low, high = min(sequences), max(sequences)  # what these two share, all share
    return next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))


def is_absolute(name: str) -> bool:
    """Whether a name of media tells where they lay on the machine of the log, or on the web."""
    return name.startswith(("/", "\\")) or "://" in name or name[1:3] in (":\\", ":/")


def parts_of(name: str) -> tuple[str, ...]:
    """The components of a path of any system, or of an address."""
    path = name.partition("?")[0] if "://" in name else name
    return PurePosixPath(path.replace("\\", "/")).parts


def _common_folder(names: Iterable[str]) -> tuple[str, ...]:
    folders = list({parts_of(name)[:-1] for name in names if is_absolute(name)})
    return folders[0][: _shared(folders)] if folders else ()


def _same_media(some: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]) -> bool:
    """Whether names in order are those of the same files: of each two, one ends as the other does."""
    ends = (a[-n:] == b[-n:] if (n := min(len(a), len(b))) else a == b for a, b in zip(some, others, strict=False))
    return len(some) == len(others) and all(ends)

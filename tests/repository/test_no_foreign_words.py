"""No word and no picture of a third party in the repository, and so none in the wheel, which is made of its files.

Questions, reference answers and answers of the records are looked for by their first letters, pictures by their bytes.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT

LENGTH = 60  # letters in a row that nobody writes twice by chance


def tracked() -> list[Path]:
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in run.stdout.split("\0") if name and (ROOT / name).is_file()]


def beginnings(text: str) -> Iterator[str]:
    """LENGTH letters from each word of a text on, white space folded."""
    folded = " ".join(text.split())
    at = 0
    while at >= 0 and at + LENGTH <= len(folded):
        yield folded[at : at + LENGTH]
        at = folded.find(" ", at) + 1 or -1


def sentences(records: Path) -> set[str]:
    """How long questions, reference answers and answers begin."""
    found = set()
    for path in sorted(records.glob("*/*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            for name in ("question", "reference_answer", "response"):
                text = row.get(name)
                if isinstance(text, str) and len(folded := " ".join(text.split())) >= LENGTH:
                    found.add(folded[:LENGTH])
    return found


def test_no_sentence_and_no_picture_of_the_records_is_here(records: Path) -> None:
    foreign = sentences(records)
    assert len(foreign) > 10_000
    pictures = {hashlib.sha256(p.read_bytes()).hexdigest() for p in records.glob("*/images/*") if p.is_file()}
    assert len(pictures) > 3_000
    held = []
    for path in tracked():
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() not in pictures, path
        held += [f"{path}: {text}" for text in foreign.intersection(beginnings(data.decode("utf-8", "replace")))]
    assert held == []
    assert foreign.intersection(beginnings(f"It is said: {sorted(foreign)[0]} and so on")), "it would be seen"

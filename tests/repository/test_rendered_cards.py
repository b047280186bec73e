"""`dataset_cards/` shows the card of each recipe to people who build nothing: a stale one would describe other data.

`make cards` renders them again.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
from conftest import LITE, ROOT

from rsd_bench.build.card_facts import CARDS
from rsd_bench.config import EMBEDDED
from rsd_bench.dataset.layout import PICTURES


def test_the_embedded_dataset_has_its_card() -> None:
    """Those of other recipes are built on demand, with their datasets."""
    assert CARDS == ROOT / "dataset_cards"
    assert {path.stem for path in CARDS.glob("*.md")} == {EMBEDDED}
    assert (ROOT / "recipes" / f"{EMBEDDED}.toml").is_file()


def test_the_card_of_rsd_open_is_that_of_its_build(rsd_open: Path) -> None:
    built = (rsd_open / "full" / "README.md").read_text("utf-8")
    assets = LITE.relative_to(ROOT) / "assets"
    for name in PICTURES:
        assert (LITE / name).read_bytes() == (rsd_open / "full" / name).read_bytes()
    shown = built.replace("(assets/", f"(../{assets}/")
    assert shown != built, "the card shows no picture"
    assert (CARDS / "rsd-open.md").read_text("utf-8") == shown, "stale: run `make cards`"


def test_the_card_holds_no_sentence_of_a_source(rsd_open: Path) -> None:
    card = (CARDS / "rsd-open.md").read_text("utf-8")
    for table, columns in (("pairs", ["question", "reference_answer"]), ("outcomes", ["response"])):
        rows = ds.dataset(rsd_open / "full" / table).to_table(columns)
        texts = {text.strip() for name in columns for text in rows.column(name).to_pylist() if text}
        assert not [text for text in texts if len(text) > 20 and text in card]

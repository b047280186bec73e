"""`dataset_cards/` shows the card of each recipe to people who build nothing: a stale one would describe other data.

`make cards` renders them again.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
from conftest import LITE, ROOT

from rsd_bench.build.card_facts import CARDS


def test_every_recipe_has_its_card() -> None:
    assert CARDS == ROOT / "dataset_cards"
    assert {path.stem for path in CARDS.glob("*.md")} == {path.stem for path in (ROOT / "recipes").glob("*.toml")}


def test_the_card_of_rsd_open_is_that_of_its_build(rsd_open: Path) -> None:
    built = (rsd_open / "full" / "README.md").read_text("utf-8")
    picture = LITE.relative_to(ROOT) / "assets" / "score-histogram.svg"
    assert (ROOT / picture).read_bytes() == (rsd_open / "full" / "assets" / "score-histogram.svg").read_bytes()
    shown = built.replace("(assets/score-histogram.svg)", f"(../{picture})")
    assert shown != built, "the card shows no picture"
    assert (CARDS / "rsd-open.md").read_text("utf-8") == shown, "stale: run `make cards`"


def test_the_card_holds_no_sentence_of_a_source(rsd_open: Path) -> None:
    card = (CARDS / "rsd-open.md").read_text("utf-8")
    for table, columns in (("pairs", ["question", "reference_answer"]), ("outcomes", ["response"])):
        rows = ds.dataset(rsd_open / "full" / table).to_table(columns)
        texts = {text.strip() for name in columns for text in rows.column(name).to_pylist() if text}
        assert not [text for text in texts if len(text) > 20 and text in card]

"""Images come from strangers: what is refused, and how much is decoded, must be decided at one door."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

from rsd_bench.dataset.image_file import open_image


def test_images_are_opened_in_one_place() -> None:
    opening = re.compile(r"\b(Image\.open|ImageFile\.Parser|Image\.frombytes)\(")
    found = [p.name for p in (ROOT / "rsd_bench").rglob("*.py") if opening.search(p.read_text("utf-8"))]
    assert found == ["image_file.py"]


@pytest.mark.parametrize("data", [b"", b"\x89PNG nothing", b"GIF89a"])
def test_bytes_that_are_no_image_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^is not an image that can be read: "), open_image(data) as image:
        image.load()

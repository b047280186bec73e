"""Perturbed queries must ask the same: else a flipped decision would say nothing of the router."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rsd_bench as rsd
from rsd_bench.dataset.image_file import open_image
from rsd_bench.features.perturb import IMAGE_KINDS, LEVELS, QUESTION_KINDS

QUESTION = "How many of the 12 chairs stand left of the table, and why?"


def picture(width: int = 60, height: int = 40) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    squares = (np.indices((height, width)) // 4).sum(axis=0) % 2 * 100  # what a blur blurs
    return Image.fromarray(np.stack([x, y, squares], axis=2).astype(np.uint8))


def encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def shown(data: bytes) -> np.ndarray:
    with open_image(data) as image:
        return np.asarray(image.convert("RGB"), float)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_an_image_changes_more_from_level_to_level_and_its_question_never(kind: str) -> None:
    """Its mean distance from the original, at the original's size."""
    original, far = np.asarray(picture(), float), []
    for level in LEVELS:
        data, question = rsd.perturb(encoded(picture()), QUESTION, kind, level, seed=1)
        assert question == QUESTION
        pixels = shown(data)
        small = Image.fromarray(pixels.astype(np.uint8)).resize((60, 40), Image.Resampling.BICUBIC)
        far.append(float(np.abs(np.asarray(small, float) - original).mean()))
    if kind != "downscale":  # which loses the squares at once
        assert far == sorted(far)
    assert all(value < 140 for value in far)
    if kind == "rotation":
        assert far == [0] * 5  # a viewer shows the same
    else:
        assert far[-1] > far[0] > 0


def test_a_rotated_image_is_stored_turned() -> None:
    raw = {
        Image.open(io.BytesIO(rsd.perturb(encoded(picture()), "", "rotation", 1, seed)[0])).size for seed in range(9)
    }
    assert raw == {(60, 40), (40, 60)}


def test_downscaling_makes_a_smaller_file_of_at_least_one_pixel() -> None:
    assert shown(rsd.perturb(encoded(picture()), "", "downscale", 5)[0]).shape == (6, 9, 3)
    assert shown(rsd.perturb(encoded(picture(3, 1)), "", "downscale", 5)[0]).shape == (1, 1, 3)


@pytest.mark.parametrize("kind", QUESTION_KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_a_question_keeps_its_numbers_and_its_picture(kind: str, level: int) -> None:
    image = b"whatever it is"
    same, question = rsd.perturb(image, QUESTION, kind, level, seed=3)
    assert same is image and question != QUESTION and "12" in question
    if kind in ("case", "white-space"):
        assert " ".join(question.split()).casefold() == QUESTION.casefold()
    elif kind == "typos":
        assert len(question.split(" ")) == len(QUESTION.split(" "))
        assert [w[:1] for w in question.split(" ")] == [w[:1] for w in QUESTION.split(" ")]
    else:
        assert QUESTION in question


@pytest.mark.parametrize("kind", [*IMAGE_KINDS, *QUESTION_KINDS])
def test_what_is_drawn_hangs_on_the_seed_alone(kind: str) -> None:
    first, again = (rsd.perturb(encoded(picture()), QUESTION, kind, 4, seed=7) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("kind", [*IMAGE_KINDS, *QUESTION_KINDS])
@pytest.mark.parametrize("question", ["", "   ", "12?", "図は何ですか"])
def test_a_query_without_image_or_words_is_a_query(kind: str, question: str) -> None:
    image, said = rsd.perturb(None, question, kind, 5)
    assert image is None and isinstance(said, str) and (question.strip() or said == question)


def test_every_form_of_an_image_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    forms = [tmp_path / "a.png", str(tmp_path / "a.png"), encoded(picture()), picture(), np.asarray(picture())]
    done, _ = rsd.perturb(forms[:1], "", "jpeg", 2)
    assert len({rsd.perturb(form, "", "jpeg", 2)[0] for form in forms}) == 1 == len(done)
    several, _ = rsd.perturb([picture(), picture()], "", "noise", 2)
    assert several[0] != several[1]  # each has noise of its own


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ((None, "", "fog"), "kind: 'fog' is none of jpeg"),
        ((None, "", "jpeg", 0), "level"),
        ((None, "", "jpeg", 6), "level: 6"),
        ((None, "", "jpeg", 1.5), "level"),
        ((None, 3, "case"), "question: must be a text, not int"),
        ((b"no image", "", "jpeg"), "image: is not an image"),
        (("absent.png", "", "jpeg"), "image: .*No such file"),
        ((3, "", "jpeg"), "image: "),
        ((np.zeros((2, 2), float), "", "jpeg"), "image: an array must be uint8"),
        ((None, "", "jpeg", 1, -1), "seed"),
    ],
)
def test_what_is_no_query_is_refused_by_name(given: tuple, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        rsd.perturb(*given)

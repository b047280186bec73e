"""Statistics of a query: plain figures that hold for any image file and any text.

Image files in the wild are palettes, CMYK scans, 16-bit X-rays, transparent logos, half downloads. Each must give the
figures of what a viewer would show, or a ValueError; a NaN would make a router learn from nothing.
"""

import io
import math
import warnings

import numpy as np
import pytest
from PIL import Image

from rsd_bench.dataset.query_statistics import (
    IMAGE_NUMBERS,
    QUESTION_TYPES,
    TEXT_NUMBERS,
    image_statistics,
    is_multiple_choice,
    question_type,
    text_statistics,
)

SIZES = [8, 1200]  # below and above the side to which images are reduced


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def figures(image, kind="PNG", **options):
    return image_statistics(encoded(image, kind, **options))


def pixels_of(found):
    """The figures that depend on what is seen, not on how the file stores it."""
    return {name: value for name, value in found.items() if name != "bytes_per_pixel"}


def checkerboard(side, cell=1):
    board = np.indices((side, side)).sum(axis=0) if cell == 1 else sum(np.indices((side, side)) // cell)
    return Image.fromarray((board % 2 * 255).astype(np.uint8))


def photo(width=40, height=30, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


# --- what is seen --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("colour", "luminance"), [("white", 1.0), ("black", 0.0)])
def test_a_blank_page_has_no_contrast_entropy_edges_or_colour(size, colour, luminance):
    found = figures(Image.new("RGB", (size, size), colour))
    assert found["mean_luminance"] == luminance
    assert [found[name] for name in ("contrast", "grey_entropy", "edge_density", "colourfulness")] == [0, 0, 0, 0]


def test_a_checkerboard_is_all_edges_and_one_bit():
    found = figures(checkerboard(8))
    assert (found["mean_luminance"], found["contrast"], found["grey_entropy"]) == (0.5, 0.5, 1.0)
    assert found["edge_density"] == 63 / 64  # every pixel but the corner differs from the one above or to the left
    assert found["colourfulness"] == 0


def test_edges_are_where_neighbours_differ():
    half = np.zeros((10, 10), np.uint8)
    half[:, 5:] = 255
    assert figures(Image.fromarray(half))["edge_density"] == 0.1  # one column of ten
    assert figures(Image.fromarray(half.T))["edge_density"] == 0.1
    soft = np.tile(np.arange(0, 250, 25, dtype=np.uint8), (10, 1))  # steps of 25 / 255 = 0.098
    assert figures(Image.fromarray(soft))["edge_density"] == 0
    assert figures(Image.fromarray((soft.astype(int) * 26 // 25).astype(np.uint8)))["edge_density"] == 0.9


def test_entropy_counts_grey_levels():
    levels = np.repeat(np.arange(16, dtype=np.uint8) * 17, 16).reshape(16, 16)
    assert figures(Image.fromarray(levels))["grey_entropy"] == 4.0


def test_colourfulness_follows_hasler_and_suesstrunk():
    # pure red: red - green = 1, (red + green) / 2 - blue = 0.5, no spread: 0.3 * sqrt(1 + 0.25)
    assert figures(Image.new("RGB", (8, 8), (255, 0, 0)))["colourfulness"] == pytest.approx(
        0.3 * math.sqrt(1.25), abs=1e-6
    )
    half = np.zeros((8, 8, 3), np.uint8)
    half[:4, :, 0], half[4:, :, 1] = 255, 255  # red over green: red - green = +-1, the other axis 0.5 throughout
    assert figures(Image.fromarray(half))["colourfulness"] == pytest.approx(1 + 0.3 * 0.5, abs=1e-6)


def test_size_is_that_of_the_file_even_where_pixels_are_reduced():
    data = encoded(photo(1300, 650))
    found = image_statistics(data)
    assert (found["width"], found["height"], found["aspect"], found["megapixels"]) == (1300, 650, 2.0, 0.845)
    assert found["bytes_per_pixel"] == round(len(data) / (1300 * 650), 6)


def test_a_photo_on_its_side_has_the_figures_of_the_upright_one():
    """A portrait photo was as wide as a landscape: EXIF was not looked at."""
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees
    stored, upright = photo(40, 30), photo(40, 30).transpose(Image.Transpose.ROTATE_270)
    found = figures(stored, exif=exif)
    assert (found["width"], found["height"]) == (30, 40)
    assert pixels_of(found) == pixels_of(figures(upright))


def test_pixel_figures_do_not_depend_on_resolution():
    small, large = (figures(checkerboard(side, cell=side // 8)) for side in (512, 2048))
    for name in ("mean_luminance", "contrast", "grey_entropy", "edge_density"):
        assert small[name] == large[name]
    assert small["mean_luminance"] == 0.5 and small["edge_density"] > 0


# --- kinds of file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white_not_black(size, mode):
    found = figures(Image.new(mode, (size, size), (0,) * (len(mode) - 1) + (0,)))
    assert (found["mean_luminance"], found["contrast"]) == (1.0, 0.0)


def test_half_transparent_black_is_mid_grey():
    assert figures(Image.new("RGBA", (8, 8), (0, 0, 0, 127)))["mean_luminance"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_an_opaque_alpha_channel_changes_nothing(size):
    image = photo(size, size)
    opaque = image.convert("RGBA")
    assert pixels_of(figures(opaque)) == pytest.approx(pixels_of(figures(image)), abs=0.01)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("transparency", [None, 7])
def test_a_palette_is_its_colours_not_its_indices(size, transparency):
    index = np.zeros((size, size), np.uint8)
    index[:, size // 2 :] = 3
    image = Image.fromarray(index)
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([255, 0, 0, 9, 9, 9, 9, 9, 9, 0, 0, 255, *[0] * 756])  # 0 red, 3 blue
    options = {} if transparency is None else {"transparency": transparency}  # 7 is used by no pixel
    assert pixels_of(figures(image, **options)) == pytest.approx(pixels_of(figures(image.convert("RGB"))), abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_transparent_palette_entry_is_white(size):
    image = Image.new("P", (size, size), 0)
    image.putpalette([0, 0, 0, *[9] * 765])
    assert figures(image)["mean_luminance"] == 0
    assert figures(image, transparency=0)["mean_luminance"] == 1


@pytest.mark.parametrize("size", SIZES)
def test_one_bit_images_are_black_and_white(size):
    grey = checkerboard(size, cell=4)
    assert pixels_of(figures(grey.convert("1"))) == pytest.approx(pixels_of(figures(grey)), abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [0, 8192, 32768, 65535])
def test_16_bit_grey_is_scaled_not_clipped(size, value):
    # Pillow's own conversion to 8 bits makes everything above 255 of 65,535 white
    image = Image.fromarray(np.full((size, size), value, np.uint16))
    assert image.mode == "I;16"
    found = figures(image)
    assert found["mean_luminance"] == pytest.approx(value / 65535, abs=0.005)
    assert found["contrast"] == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("ink", "luminance"), [((0, 0, 0, 0), 1.0), ((0, 0, 0, 255), 0.0)])
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_ink_is_dark(size, ink, luminance, kind):
    assert figures(Image.new("CMYK", (size, size), ink), kind)["mean_luminance"] == pytest.approx(luminance, abs=0.01)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_agree(kind):
    image = photo()
    assert pixels_of(figures(image, kind)) == pixels_of(figures(image))


def test_the_first_frame_counts():
    frames = [Image.new("L", (8, 8), value) for value in (255, 0)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert image_statistics(data)["mean_luminance"] == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (513, 1), (512, 512), (3, 1025)])
def test_every_shape_gives_finite_figures(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an empty mean would warn
        found = figures(photo(*size))
    assert tuple(found) == IMAGE_NUMBERS
    assert all(type(value) is float and math.isfinite(value) for value in found.values())
    assert (found["width"], found["height"]) == size


def test_one_pixel_has_no_edges():
    found = figures(Image.new("RGB", (1, 1), "white"))
    assert (found["mean_luminance"], found["edge_density"], found["grey_entropy"]) == (1, 0, 0)


# --- what is no image ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(1000)]
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ValueError, match="is not an image that can be read"):
        image_statistics(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_half_download_is_refused(kind, share):
    data = encoded(photo(64, 64), kind)
    assert image_statistics(data)["width"] == 64
    with pytest.raises(ValueError, match="is not an image that can be read"):
        image_statistics(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_damaged_file_gives_figures_or_a_value_error(kind):
    # decoders raise and warn what they like
    rng = np.random.default_rng(0)
    data = encoded(photo(24, 24), kind)
    refused = 0
    for at in range(0, len(data), max(1, len(data) // 60)):
        damaged = data[:at] + rng.bytes(4) + data[at + 4 :]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = image_statistics(damaged)
            except ValueError:
                refused += 1
            else:
                assert all(map(math.isfinite, found.values()))
    assert refused


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    data = encoded(Image.new("L", (300, 300)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="too many pixels"):
        image_statistics(data)


# --- text ----------------------------------------------------------------------------------------------------------


def test_text_figures_by_hand():
    found = text_statistics("What is 12 + 3.5? The the THE")
    assert found == {
        "characters": 29.0,
        "words": 8.0,  # What is 12 3 5 The the THE
        "mean_word_length": 2.375,
        "digits": 4.0,
        "numbers": 2.0,
        "type_token_ratio": 0.75,  # "the" thrice
        "question_type": "what",
        "multiple_choice": False,
    }
    assert tuple(found) == (*TEXT_NUMBERS, "question_type", "multiple_choice")


def test_an_empty_question_has_figures_too():
    found = text_statistics("")
    assert all(found[name] == 0.0 for name in TEXT_NUMBERS) and found["question_type"] == "other"


@pytest.mark.parametrize(
    ("text", "numbers"), [("1,000.5 and 3", 2), ("x1y2", 2), ("no", 0), ("3.", 1), ("1-2", 2), ("0.5.7", 1)]
)
def test_numbers_are_counted_whole(text, numbers):
    assert text_statistics(text)["numbers"] == numbers


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is shown?", "what"),
        ("WHICH bar is higher?", "which"),
        ("How many dogs are there?", "how_many"),
        ("How much does it cost?", "how_many"),
        ("How does it work?", "how"),
        ("Where is the cat?", "where"),
        ("Who is this?", "who"),
        ("Whose hat is it?", "who"),
        ("When was it built?", "when"),
        ("Why is the sky red?", "why"),
        ("Is it red?", "yes_no"),
        ("Look closely. Are there two dogs?", "yes_no"),
        ("Does this show what I think?", "yes_no"),  # the sentence opens with the auxiliary verb
        ("What is it? Is it red?", "what"),  # the first question counts
        ("In the picture, what is red?", "what"),
        ("Describe the image.", "other"),
        ("Somewhat whatever showhow", "other"),  # no word of its own
        ("This is fine.", "other"),
        ("", "other"),
        ("图中有几个人?", "other"),
    ],
)
def test_question_type(question, kind):
    assert question_type(question) == kind
    assert kind in QUESTION_TYPES


@pytest.mark.parametrize(
    "question",
    [
        "Which? (A) red (B) blue (C) green",
        "Which?\nA. red\nB. blue",
        "Which? a) red b) blue",
        "Which? [A] red [B] blue",
        "Which? A: red, B: blue",
        "Choose (a) or (b)",
        "Pick one: A) B) C) D)",
        "Choices: (A) 1 (B) 2",
    ],
)
def test_listed_options_are_multiple_choice(question):
    assert is_multiple_choice(question)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is the value of a?",
        "Point A. is left",
        "Which? (B) blue (C) green",  # not from the first letter on
        "Compare f(a)=1 with f(b)=2.",
        "Triangle ABC has a right angle at B.",
        "A and B are points. What is AB?",
        "plan-a) plan-b)",
    ],
)
def test_letters_in_a_sentence_are_not(question):
    assert not is_multiple_choice(question)

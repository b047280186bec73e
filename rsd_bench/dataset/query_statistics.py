"""The statistics of a query (v_stat): figures of its text and its image that a router may read at no cost.

Text: lengths, digits, type-token ratio, question type, multiple choice. Image: size, luminance, contrast, entropy,
edges, colour, bytes per pixel. Pixel figures are taken on white ground at a long side of at most 512 px, so that they
do not depend on resolution. All are plain numbers: they can be published where text and image cannot.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsd_bench.dataset.image_file import open_image
from rsd_bench.metrics.arrays import FloatArray

#: Raise when a definition below changes: cached statistics of another version are computed again.
STATISTICS_VERSION = 1
QUESTION_TYPES = ("what", "which", "how_many", "how", "where", "who", "when", "why", "yes_no", "other")
TEXT_NUMBERS = ("characters", "words", "mean_word_length", "digits", "numbers", "type_token_ratio")
IMAGE_NUMBERS = (
    "width",
    "height",
    "megapixels",
    "aspect",
    "mean_luminance",
    "contrast",
    "grey_entropy",
    "edge_density",
    "colourfulness",
    "bytes_per_pixel",
)

_LONG_SIDE = 512
_LEVELS = (np.arange(256, dtype=np.float32) / 255).astype(np.float64)  # luminance of the values of a pixel
_STRIP = 8192  # pixels
_EDGE_STEP = 0.1  # change of luminance from one pixel to the next that counts as an edge
_DECIMALS = 6
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ASKS = re.compile(r"\b(how (?:many|much)|how|what|which|where|who|whom|whose|when|why)\b", re.IGNORECASE)
_YES_NO = re.compile(
    r"(?:^|[.?!:\n]\s*)(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should)\b[^.?!]*\?",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?:^|[\s(\[])([A-Ja-j])[).:\]](?=\s|$)")


def question_type(question: str) -> str:
    """One of QUESTION_TYPES: the first question word, else yes_no where a sentence opens with an auxiliary verb."""
    yes_no, asks = _YES_NO.search(question), _ASKS.search(question)
    if yes_no and (asks is None or yes_no.start() < asks.start()):
        return "yes_no"
    if asks is None:
        return "other"
    word = asks.group(1).lower()
    if word.startswith("how "):
        return "how_many"
    return "who" if word.startswith("who") else word


def is_multiple_choice(question: str) -> bool:
    """True where options (a), (b) ... or A. B. ... are listed from the first letter on."""
    letters = {letter.lower() for letter in _OPTION.findall(question)}
    return {"a", "b"} <= letters


def text_statistics(question: str) -> dict[str, Any]:
    """TEXT_NUMBERS as floats, question_type, multiple_choice."""
    words = _WORD.findall(question)
    n = len(words)
    return {
        "characters": float(len(question)),
        "words": float(n),
        "mean_word_length": round(sum(map(len, words)) / n, _DECIMALS) if n else 0.0,
        "digits": float(sum(c.isdigit() for c in question)),
        "numbers": float(len(_NUMBER.findall(question))),
        "type_token_ratio": round(len({w.lower() for w in words}) / n, _DECIMALS) if n else 0.0,
        "question_type": question_type(question),
        "multiple_choice": is_multiple_choice(question),
    }


def image_statistics(data: bytes) -> dict[str, float]:
    """IMAGE_NUMBERS of an encoded image: pixels, megapixels, luminance in [0, 1], entropy in bits ...

    Width and height are those of the upright image. Raises ValueError where the bytes are not an image that decodes
    whole. Colourfulness: Hasler and Suesstrunk 2003.
    """
    with open_image(data) as image:
        width, height = image.size
        pixels = _thumbnail(image)
    grey = pixels.convert("L")
    counts = np.array(grey.histogram(), np.float64)
    n = counts.sum()
    share = counts[counts > 0] / n
    mean = (counts * _LEVELS).sum() / n
    contrast = np.sqrt((counts * (_LEVELS - mean) ** 2).sum() / n)
    colour, spread = _colour_moments(pixels)
    numbers = (
        width,
        height,
        width * height / 1e6,
        width / height,
        mean,
        contrast,
        -(share * np.log2(share)).sum() + 0.0,
        _edges(np.asarray(grey)).mean(),
        np.hypot(*spread) + 0.3 * np.hypot(*colour),
        len(data) / (width * height),
    )
    return {name: round(float(value), _DECIMALS) for name, value in zip(IMAGE_NUMBERS, numbers, strict=True)}


def _edges(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the luminance changes from the pixel before, above or to the left."""
    edges = np.zeros(grey.shape, np.bool_)
    for one, other, at in (
        (grey[1:], grey[:-1], edges[1:]),
        (grey[:, 1:], grey[:, :-1], edges[:, 1:]),
    ):
        at |= np.maximum(one, other) - np.minimum(one, other) > int(255 * _EDGE_STEP)
    return edges


def _colour_moments(pixels: Image.Image) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations of red - green and of yellow - blue, each shape (2,).

    A strip at a time: arrays of whole images would cost more in pages of memory than in arithmetic.
    """
    channels = [np.asarray(channel).ravel() for channel in pixels.split()]
    n = len(channels[0])
    first, second = np.zeros(2), np.zeros(2)
    for at in range(0, n, _STRIP):
        red, green, blue = (channel[at : at + _STRIP].astype(np.float32) / 255 for channel in channels)
        opponents = np.stack([red - green, (red + green) / 2 - blue]).astype(np.float64)
        first += opponents.sum(axis=1)
        second += np.square(opponents).sum(axis=1)
    mean = first / n
    return mean, np.sqrt(np.maximum(second / n - mean**2, 0))


def _thumbnail(image: Image.Image) -> Image.Image:
    """RGB, long side at most 512 px."""
    factor = -(-max(image.size) // _LONG_SIDE)
    return (image.reduce(factor) if factor > 1 else image).convert("RGB")

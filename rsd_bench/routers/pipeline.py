"""From images and question to a decision: encoders, statistics and router in one object.

router = rsd.load_router("my-router")
decision = router.route("photo.jpg", "How many chairs are there?")
print(decision.model)  # edge or cloud

As in a dataset's features, several images have the mean of their vectors and the statistics of the first; no image has
neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rsd_bench.dataset.image_file import read_image_file
from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, image_statistics, text_statistics
from rsd_bench.features.encode import mean_vector
from rsd_bench.features.encoders import Encoder, Half, load_encoder
from rsd_bench.features.feature_table import Features, FeatureSpec
from rsd_bench.features.statistics import statistics_matrix
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.routers.network import ReferenceRouter
from rsd_bench.types import InputError

#: The images of a query: one, as its encoded bytes; several; or none.
Images = bytes | Sequence[bytes] | None

_NO_IMAGE: dict[str, float] = dict.fromkeys(IMAGE_NUMBERS, np.nan)


@dataclass(frozen=True)
class Decision:
    """Who answers: `edge` where p_edge >= tau, else `cloud`."""

    model: Literal["edge", "cloud"]
    p_edge: float
    tau: float


class RouterPipeline:
    """A reference router with the encoders it was trained on."""

    def __init__(self, router: ReferenceRouter, image_encoder: Encoder, text_encoder: Encoder) -> None:
        spec = FeatureSpec(image_encoder.spec, text_encoder.spec)
        if difference := router.spec.difference(spec):
            raise InputError.at(
                "encoders", f"do not fit this router: {difference}", "name the encoders it was trained on"
            )
        self.router, self.spec = router, spec
        self._image, self._text = image_encoder, text_encoder

    def features(self, images: Sequence[Images], questions: Sequence[str]) -> Features:
        """Features of n queries as the router was trained on them. ValueError for bytes that are no image."""
        each = [_several(item) for item in images]
        statistics, has_image = statistics_of(images, questions)
        blocks = {
            "image": self._image_vectors(each),
            "text": self.encode_questions(questions).astype(np.float32),
            "statistics": statistics.astype(np.float32),
        }
        return Features(blocks, np.full(len(each), "", dtype=object), self.spec, {"image": has_image})

    def _image_vectors(self, each: Sequence[Sequence[bytes]]) -> NDArray[np.float32]:
        """A vector a query, shape (n, d); 0 for one without an image."""
        found = np.zeros((len(each), self._image.spec.dimension), np.float32)
        if flat := [data for images in each for data in images]:
            vectors = iter(self.encode_images(flat))
            for i, images in enumerate(each):
                if images:
                    found[i] = mean_vector([next(vectors) for _ in images])
        return found

    def encode_images(self, images: Sequence[bytes]) -> Half:
        """float16, shape (n, d)."""
        return self._image.encode(images)

    def encode_questions(self, questions: Sequence[str]) -> Half:
        """float16, shape (n, d)."""
        return self._text.encode(questions)

    def route(self, image: Any, question: str) -> Decision:
        """Decide one query. image: a path or the encoded bytes, a list of them, or None where it has no image.

        InputError where one cannot be read.
        """
        images = list(image) if isinstance(image, (list, tuple)) else [] if image is None else [image]
        where = next((one for one in images if isinstance(one, (str, Path))), "image")
        try:
            data = []
            for one in images:
                where = one if isinstance(one, (str, Path)) else "image"
                data.append(one if isinstance(one, bytes) else read_image_file(Path(one)))
            p = float(self.router.predict_p_edge(self.features([data], [question]))[0])
        except OSError as error:
            raise InputError.at(where, error.strerror or "cannot be read", "name a readable image file") from None
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError.at(where, str(error), "give an image that opens") from None
        return Decision("edge" if p >= self.router.tau else "cloud", p, self.router.tau)


def _several(images: Images) -> Sequence[bytes]:
    return [images] if isinstance(images, bytes) else images or []


def statistics_of(images: Sequence[Images], questions: Sequence[str]) -> tuple[FloatArray, BoolArray]:
    """v_stat of n queries, shape (n, d), and which have an image, (n,). ValueError for bytes that are no image."""
    rows = []
    for given, question in zip(images, questions, strict=True):
        first = next(iter(_several(given)), None)
        rows.append(text_statistics(question) | (_NO_IMAGE if first is None else image_statistics(first)))
    return statistics_matrix(pa.array(rows))


def load_router(
    checkpoint: str | Path, *, image_encoder: str | None = None, text_encoder: str | None = None
) -> RouterPipeline:
    """A trained router, ready for images and questions.

    checkpoint: folder or Hub id. The encoders are those it was trained on, by their Hub ids; name others (a local
    folder of the same weights) where they lie elsewhere. InputError where one is missing or is not the same.
    """
    router = ReferenceRouter.from_pretrained(checkpoint)
    named = {"image": image_encoder, "text": text_encoder}
    loaded = {}
    for kind in ("image", "text"):
        spec = getattr(router.spec, kind)
        loaded[kind] = load_encoder(spec.kind, named[kind] or spec.name, name=spec.name, pooling=spec.pooling)
    return RouterPipeline(router, loaded["image"], loaded["text"])

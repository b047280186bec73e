"""From images and question to a decision: encoders, statistics and router in one object.

router = rsd.load_router("my-router")
decision = router.route("photo.jpg", "How many chairs are there?")
print(decision.model)  # edge or cloud

As in a dataset's features, several images have the mean of their vectors and the statistics of the first; no image has
neither. Only what the router reads is made: one that reads words opens no image and loads neither encoder nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rsd_bench.dataset.open import is_hub_id
from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, image_statistics, text_statistics
from rsd_bench.features.blocks import ANSWER, NGRAMS, EncoderSpec, Features, FeatureSpec, NgramSpec
from rsd_bench.metrics import arrays
from rsd_bench.metrics.arrays import BoolArray, FloatArray
from rsd_bench.routers.decision import Decision as Decision
from rsd_bench.routers.decision import decisions_of
from rsd_bench.routers.query_images import image_bytes
from rsd_bench.routers.saved_router import Decider, SavedRouter, is_saved, read_saved
from rsd_bench.routers.saved_state import CONFIG, WEIGHTS, read_settings
from rsd_bench.types import InputError, Scenario

if TYPE_CHECKING:
    from rsd_bench.features.encoders import Encoder, Half
    from rsd_bench.routers.network import ReferenceRouter

#: The images of a query: one, as its encoded bytes; several; or none.
Images = bytes | Sequence[bytes] | None

BATCH = 64
_NO_IMAGE: dict[str, float] = dict.fromkeys(IMAGE_NUMBERS, np.nan)


class RouterPipeline:
    """A router with the encoders that its features come from; those that it does not read are left out."""

    def __init__(
        self,
        router: ReferenceRouter | SavedRouter,
        image_encoder: Encoder | None = None,
        text_encoder: Encoder | None = None,
    ) -> None:
        self.blocks = tuple(name for name in router.blocks if name in router.spec.names)
        image, text = (encoder.spec if encoder else None for encoder in (image_encoder, text_encoder))
        self.spec = FeatureSpec(image, text, ngrams=NgramSpec() if NGRAMS in self.blocks else None)
        if difference := router.spec.difference(self.spec, self.blocks):
            raise InputError.at(
                "encoders", f"do not fit this router: {difference}", "name the encoders it was trained on"
            )
        self.router = router
        self.deciders = deciders_of(router)
        self._image, self._text = image_encoder, text_encoder

    def features(self, images: Sequence[Images], questions: Sequence[str]) -> Features:
        """Features of n queries as the router was trained on them. ValueError for bytes that are no image."""
        each = [_several(item) for item in images]
        blocks: dict[str, Any] = {}
        has_image = np.array([bool(several) for several in each], np.bool_)
        if "image" in self.blocks:
            blocks["image"] = self._image_vectors(each)
        if "text" in self.blocks:
            blocks["text"] = self.encode_questions(questions).astype(np.float32)
        if "statistics" in self.blocks:
            blocks["statistics"] = statistics_of(images, questions)[0].astype(np.float32)
        if NGRAMS in self.blocks:
            from rsd_bench.features.ngrams import count_ngrams  # scipy is wanted only here

            blocks[NGRAMS] = count_ngrams(questions)
        return Features(blocks, np.full(len(each), "", dtype=object), self.spec, {"image": has_image})

    def _image_vectors(self, each: Sequence[Sequence[bytes]]) -> NDArray[np.float32]:
        """A vector a query, shape (n, d); 0 for one without an image."""
        from rsd_bench.features.encode import mean_vector

        assert self.spec.image
        found = np.zeros((len(each), self.spec.image.dimension), np.float32)
        if flat := [data for images in each for data in images]:
            vectors = iter(self.encode_images(flat))
            for i, images in enumerate(each):
                if images:
                    found[i] = mean_vector([next(vectors) for _ in images])
        return found

    def encode_images(self, images: Sequence[bytes]) -> Half:
        """float16, shape (n, d)."""
        return _loaded(self._image, "image").encode(images)

    def encode_questions(self, questions: Sequence[str]) -> Half:
        """float16, shape (n, d)."""
        return _loaded(self._text, "text").encode(questions)

    def route(
        self,
        image: Any,
        question: str,
        tau: float | None = None,
        scenario: str | Scenario | None = None,
        explain: bool = False,
    ) -> Decision:
        """Decide one query.

        image: a path, the encoded bytes, a PIL image, a uint8 array of shape (H, W) or (H, W, 3), a list of
        these, or None where it has none. tau: in place of the router's own. scenario: one of the checkpoint's;
        default: its first; or any Scenario, of a router that serves all. explain: tell why, where the router can
        (`Decision`).
        InputError where an image cannot be read, ValueError for another argument that is wrong.
        """
        return self.route_many([image], [question], tau, scenario, explain)[0]

    def route_many(
        self,
        images: Sequence[Any],
        questions: Sequence[str],
        tau: float | None = None,
        scenario: str | Scenario | None = None,
        explain: bool = False,
        batch: int = BATCH,
    ) -> list[Decision]:
        """Decide n queries, `batch` at a time. Arguments and errors as `route`, whose image each of `images` is."""
        decider = self._decider(scenario)
        if len(images) != len(questions):
            raise ValueError(f"questions: has {len(questions)} where images has {len(images)}; give None for no image")
        for question in questions:
            if not isinstance(question, str):
                raise ValueError(f"question: must be a text, not {type(question).__name__}")
        limit = None if tau is None else float(arrays.thresholds(tau, "tau")[0])
        found: list[Decision] = []
        for start in range(0, len(questions), batch):
            rows = slice(start, start + batch)
            found += self._decide(decider, images[rows], questions[rows], limit, explain)
        return found

    def _decider(self, scenario: str | Scenario | None) -> Decider:
        first = next(iter(self.deciders.values()))
        if scenario is None:
            return first
        known = self.deciders.get(scenario.name if isinstance(scenario, Scenario) else scenario)
        if known is not None and scenario in (known.scenario, known.scenario.name):
            return known
        if isinstance(scenario, Scenario) and hasattr(first.router, "under"):
            router = first.router.under(scenario)
            return Decider(router, scenario, router.threshold())
        raise ValueError(f"scenario: this router was trained for {', '.join(self.deciders)}, not {scenario!r:.80}")

    def _decide(
        self, decider: Decider, images: Sequence[Any], questions: Sequence[str], limit: float | None, explain: bool
    ) -> list[Decision]:
        """The decisions of one batch."""
        opens = {"image", "statistics"} & set(self.blocks)
        read = [image_bytes(image) if opens else [] for image in images]
        try:
            features = self.features(read, questions)
        except InputError:
            raise
        except ValueError as error:
            where = next((str(image) for image in images if isinstance(image, (str, Path))), "image")
            raise InputError.at(where, str(error), "give an image that opens") from None
        return decisions_of(self.router, decider, features, questions, limit, explain)


class CascadePipeline(RouterPipeline):
    """A cascade: asked once the edge has answered, with the text of that answer, by its `route` alone.

    router.route(None, "How many chairs are there?", answer="There are four.").model  # edge: it stays; cloud: go on
    """

    def route(  # type: ignore[override]  # an answer is no option: without one there is nothing to decide
        self, image: Any, question: str, answer: str, tau: float | None = None, scenario: str | None = None
    ) -> Decision:
        """Whether the edge's answer stays. Arguments and errors as of `RouterPipeline.route`."""
        from rsd_bench.features.answers import with_answers

        decider = self._decider(scenario)
        for name, text in (("question", question), ("answer", answer)):
            if not isinstance(text, str):
                raise ValueError(f"{name}: must be a text, not {type(text).__name__}")
        limit = decider.tau if tau is None else float(arrays.thresholds(tau, "tau")[0])
        features = with_answers(self.features([None], [question]), [answer])
        return decisions_of(self.router, decider, features, [question], limit)[0]


def _loaded(encoder: Encoder | None, kind: str) -> Encoder:
    if encoder is None:
        raise InputError.at("encoders", f"has no {kind} encoder", "this router reads none")
    return encoder


def _several(images: Images) -> Sequence[bytes]:
    return [images] if isinstance(images, bytes) else images or []


def statistics_of(images: Sequence[Images], questions: Sequence[str]) -> tuple[FloatArray, BoolArray]:
    """v_stat of n queries, shape (n, d), and which have an image, (n,). ValueError for bytes that are no image."""
    import pyarrow as pa

    from rsd_bench.features.statistics import statistics_matrix

    rows = []
    for given, question in zip(images, questions, strict=True):
        first = next(iter(_several(given)), None)
        rows.append(text_statistics(question) | (_NO_IMAGE if first is None else image_statistics(first)))
    return statistics_matrix(pa.array(rows))


def load_router(
    checkpoint: str | Path,
    *,
    image_encoder: str | None = None,
    text_encoder: str | None = None,
    trust: bool = False,
    device: str = "auto",
) -> RouterPipeline:
    """A trained router, ready for images and questions.

    checkpoint: folder or Hub id. image_encoder, text_encoder: None for those that it was trained on, at the path that
    they were found at, else by their Hub ids; a local folder of the same weights where they lie elsewhere.
    trust: run the file of a router of somebody's own. device: where encoders compute, auto, cpu, cuda or mps; a router
    itself decides on the CPU. Raises InputError where something is missing or is not the same.
    """
    return pipeline_of(open_checkpoint(checkpoint, trust), image_encoder, text_encoder, device)


def pipeline_of(
    router: ReferenceRouter | SavedRouter,
    image_encoder: str | None = None,
    text_encoder: str | None = None,
    device: str = "auto",
) -> RouterPipeline:
    """A router with its encoders, arguments and errors as `load_router`."""
    named = {"image": image_encoder, "text": text_encoder}
    loaded: dict[str, Encoder] = {}
    for spec in router.spec.encoders:
        if spec.kind in router.blocks:
            from rsd_bench.features.encoders import load_encoder  # transformers and torch are wanted only here

            source = named[spec.kind] or _place(spec, router.encoders.get(spec.kind, ""))
            loaded[spec.kind] = load_encoder(spec.kind, source, name=spec.name, pooling=spec.pooling, device=device)
    made = CascadePipeline if ANSWER in router.blocks else RouterPipeline
    return made(router, loaded.get("image"), loaded.get("text"))


def _place(spec: EncoderSpec, found_at: str) -> str:
    """Where an encoder lies that nobody named: where it lay when the router was trained, else on the Hub."""
    if found_at and Path(found_at).is_dir():
        return found_at
    if is_hub_id(spec.name):
        return spec.name
    gone = f"it is no longer at {found_at}" if found_at else "this router names no folder of it"
    what = f"cannot be loaded as {spec.kind} encoder: {gone}, and its name is no Hub id"
    fix = f"name a local AutoModel folder of the same weights: {spec.kind}_encoder=, --{spec.kind}-encoder"
    raise InputError.at(spec.name, what, fix)


def deciders_of(router: ReferenceRouter | SavedRouter) -> Mapping[str, Decider]:
    """What decides under each scenario that a router was trained for."""
    if isinstance(router, SavedRouter):
        return router.deciders
    scenario = Scenario(**router.scenario)
    return {scenario.name: Decider(router, scenario, router.tau)}


def p_of(router: ReferenceRouter | SavedRouter, features: Features, scenario: str) -> FloatArray:
    """P(edge competent), shape (n,). InputError where the features are of another spec."""
    if isinstance(router, SavedRouter):
        return router.predict_p_edge(features, scenario)
    return router.predict_p_edge(features)


def open_checkpoint(checkpoint: str | Path, trust: bool = False) -> ReferenceRouter | SavedRouter:
    """The router of a checkpoint folder or Hub id, without its encoders. InputError where there is none."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        if not is_hub_id(str(checkpoint)):
            fix = "name a checkpoint folder, or org/name"
            raise InputError.at(checkpoint, "is neither a folder nor a Hub id", fix)
        folder = _fetched(str(checkpoint))
    try:
        saved = is_saved(read_settings(folder / CONFIG))
    except (OSError, ValueError):
        saved = (folder / WEIGHTS).is_file()  # else the reference router says what is wrong
    if saved:
        return read_saved(folder, trust)
    from rsd_bench.routers.network import ReferenceRouter

    return ReferenceRouter.from_pretrained(checkpoint)


def _fetched(repo: str) -> Path:
    """The folder in the Hub's cache of a model repository."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo))
    except (OSError, ValueError) as error:  # the Hub's errors are of these, and so are those of the network
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError.at(repo, f"cannot be fetched: {reason}", "check the name, or go online") from None

"""What a router may see of a query: blocks of numbers, and what each of them is.

    image, text    float32, shape (n, d): vectors of frozen encoders
    ngrams         scipy CSR of float32, shape (n, NGRAM_BUCKETS): how often a hashed word or pair of words stands in it
    statistics     float32, shape (n, 27): STATISTIC_NAMES

A set of features has `statistics` and those of the others that its store was written with. Nothing here reads a file,
and only numpy is imported: a router that decides by words alone loads in the time of this module and scipy's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsd_bench.config import NGRAM_BUCKETS, NGRAM_ORDERS, NGRAM_TOKENS, NGRAM_VERSION
from rsd_bench.dataset.query_statistics import IMAGE_NUMBERS, QUESTION_TYPES, STATISTICS_VERSION, TEXT_NUMBERS
from rsd_bench.metrics.arrays import BoolArray, FloatArray, IntArray
from rsd_bench.types import InputError

Kind = Literal["image", "text"]

BLOCKS = ("image", "text", "statistics")  # the dense ones
NGRAMS = "ngrams"
ANSWER, ANSWER_STATISTICS = "answer", "answer_statistics"  # of a cascade alone (see answers.py)

STATISTIC_NAMES = (
    *TEXT_NUMBERS,
    *IMAGE_NUMBERS,
    "multiple_choice",
    *(f"question_type={name}" for name in QUESTION_TYPES),
)
#: Which of STATISTIC_NAMES speak of the image, shape (len(STATISTIC_NAMES),).
OF_IMAGE = np.isin(STATISTIC_NAMES, IMAGE_NUMBERS)

_LACKING = {
    "image": "no image vectors",
    "text": "no text vectors",
    NGRAMS: "no n-grams",
    ANSWER: "no answers, which a cascade reads",
}
_ENCODE = "encode the full edition: rsd-bench features encode DATA --out STORE, then --features STORE"


@dataclass(frozen=True)
class EncoderSpec:
    """What a vector is: enough to make it again, and to refuse one that was made otherwise."""

    kind: Kind
    name: str  # Hub id, or what a local folder is called
    revision: str  # sha256 of weights and config, from wherever they came
    preprocessing: str  # sha256 of the image processor's or tokenizer's settings
    pooling: str
    dimension: int
    device: str = "cpu"  # where the vectors were made: those of two devices agree within a tolerance (devices.py)

    @property
    def key(self) -> str:
        """Cache key: all but the device, and the name and the dimension, which follow from the rest."""
        parts = [self.kind, self.revision, self.preprocessing, self.pooling]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """A device that is the CPU has no entry."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("device", "cpu")}


@dataclass(frozen=True)
class NgramSpec:
    """What a count of `ngrams` is (see `features.ngrams`)."""

    version: int = NGRAM_VERSION
    tokens: str = NGRAM_TOKENS
    orders: tuple[int, ...] = NGRAM_ORDERS
    buckets: int = NGRAM_BUCKETS
    hash: str = "crc32"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"orders": list(self.orders)}


@dataclass(frozen=True)
class FeatureSpec:
    """What each block is; None: there is none. Numbers of another spec mean something else, whatever their shape."""

    image: EncoderSpec | None
    text: EncoderSpec | None
    statistics: tuple[str, ...] = STATISTIC_NAMES
    statistics_version: int = STATISTICS_VERSION
    ngrams: NgramSpec | None = None

    @property
    def dimensions(self) -> dict[str, int]:
        """Width of each dense block that there is."""
        encoders = {name: spec.dimension for name, spec in (("image", self.image), ("text", self.text)) if spec}
        return encoders | {"statistics": len(self.statistics)}

    @property
    def names(self) -> frozenset[str]:
        """The blocks that there are, dense or sparse."""
        return frozenset(self.dimensions) | ({NGRAMS} if self.ngrams else frozenset())

    @property
    def encoders(self) -> tuple[EncoderSpec, ...]:
        """Those there are."""
        return tuple(spec for spec in (self.image, self.text) if spec)

    @property
    def described(self) -> str:
        """The encoders and n-grams by name, for people; the statistics, where there is nothing else."""
        return " and ".join(
            [*(spec.name for spec in self.encoders), *(["n-grams"] if self.ngrams else [])] or ["statistics"]
        )

    def to_dict(self) -> dict[str, Any]:
        """A block that is not there has no entry."""
        return {
            **{spec.kind: spec.to_dict() for spec in self.encoders},
            "statistics": list(self.statistics),
            "statistics_version": self.statistics_version,
            **({NGRAMS: self.ngrams.to_dict()} if self.ngrams else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FeatureSpec:
        """ValueError where a field is missing or another."""
        try:
            image, text = (EncoderSpec(**data[kind]) if kind in data else None for kind in ("image", "text"))
            ngrams = NgramSpec(**data[NGRAMS] | {"orders": tuple(data[NGRAMS]["orders"])}) if NGRAMS in data else None
            return cls(image, text, tuple(data["statistics"]), int(data["statistics_version"]), ngrams)
        except (KeyError, TypeError) as error:
            raise ValueError(f"is no feature spec: {error}") from None

    def difference(self, other: FeatureSpec, blocks: tuple[str, ...] = BLOCKS) -> str | None:
        """What of `other` is not as here, in `blocks`, for people; None where both mean the same (names may differ)."""
        for kind in ("image", "text"):
            mine, theirs = (getattr(spec, kind) for spec in (self, other))
            if kind not in blocks or mine is None:
                continue
            if theirs is None:
                return _LACKING[kind]
            if mine.key != theirs.key:
                return f"{kind} features of {theirs.name} ({theirs.revision[:19]}), not {mine.name}"
        if NGRAMS in blocks and self.ngrams != other.ngrams:
            return f"n-grams version {other.ngrams.version}" if other.ngrams else _LACKING[NGRAMS]
        mine, theirs = ((spec.statistics, spec.statistics_version) for spec in (self, other))
        if "statistics" in blocks and mine != theirs:
            return f"statistics version {other.statistics_version}, not {self.statistics_version}"
        return None


@dataclass(frozen=True)
class Features:
    """What a router may see of n queries. InputError where a block is asked for that is not there.

    blocks: by name, `image`, `text`, `statistics` (float32, shape (n, d)) and `ngrams` (scipy CSR of counts); those
    that there are. domains, query_ids: what the dataset calls each query's domain and the query itself, (n,), "" where
    it is in none. spec: what each block is, its encoders and columns.
    present: by block, which queries have it, (n,); a block that is not named is there for all. What is not there is 0
    in its block: all of `image`, and in `statistics` the numbers of the image, where a query has none.
    """

    blocks: Mapping[str, Any]
    domains: NDArray[np.object_]
    spec: FeatureSpec
    present: Mapping[str, BoolArray] = field(default_factory=dict)
    query_ids: NDArray[np.object_] = field(default_factory=lambda: np.empty(0, object))

    def __post_init__(self) -> None:
        everywhere = np.ones(len(self.domains), np.bool_)
        named = {name: self.present.get(name, everywhere) for name in self.blocks}
        object.__setattr__(self, "present", {**self.present, **named})
        if not len(self.query_ids):
            object.__setattr__(self, "query_ids", np.full(len(self.domains), "", object))

    def __len__(self) -> int:
        return len(self.domains)

    @property
    def shape(self) -> tuple[int]:
        """(n,): with it scikit-learn takes rows of features as it does of an array."""
        return (len(self),)

    def __getitem__(self, rows: Any) -> Features:
        return self.take(np.arange(len(self))[rows])

    def take(self, rows: IntArray) -> Features:
        blocks = {name: block[rows] for name, block in self.blocks.items()}
        present = {name: there[rows] for name, there in self.present.items()}
        return Features(blocks, self.domains[rows], self.spec, present, self.query_ids[rows])

    def join(self, other: Features) -> Features:
        blocks = {name: _below(block, other.block(name)) for name, block in self.blocks.items()}
        present = {name: np.concatenate([mine, other.present[name]]) for name, mine in self.present.items()}
        domains, ids = (
            np.concatenate([getattr(of, name) for of in (self, other)]) for name in ("domains", "query_ids")
        )
        return Features(blocks, domains, self.spec, present, ids)

    def only(self, names: tuple[str, ...]) -> Features:
        """These blocks and no other. InputError where one of them is not there."""
        blocks = {name: self.block(name) for name in names}
        return Features(blocks, self.domains, self.spec, self.present, self.query_ids)

    def block(self, name: str) -> Any:
        """A block, shape (n, d). InputError where these features have none of that name."""
        if name in self.blocks:
            return self.blocks[name]
        raise InputError.at("features", f"have {_LACKING.get(name, f'no {name}')}", _ENCODE)

    @property
    def ngrams(self) -> Any:
        """The counts, CSR, shape (n, NGRAM_BUCKETS). InputError where these features have none."""
        return self.block(NGRAMS)

    def known(self, blocks: tuple[str, ...] = BLOCKS) -> BoolArray:
        """Which entries of `matrix(blocks)` speak of the query, and do not stand for what it lacks; of that shape."""
        parts = []
        for name in blocks:
            there = np.repeat(self.present[name][:, None], self._dense(name).shape[1], axis=1)
            if name == "statistics" and "image" in self.present:
                there[:, OF_IMAGE] &= self.present["image"][:, None]
            parts.append(there)
        return np.hstack(parts)

    def matrix(self, blocks: tuple[str, ...] = BLOCKS) -> FloatArray:
        """Chosen dense blocks side by side, shape (n, sum of d)."""
        return np.hstack([self._dense(name) for name in blocks]).astype(np.float64)

    def _dense(self, name: str) -> NDArray[np.float32]:
        if name == NGRAMS:
            raise ValueError("ngrams: are sparse and stand in no matrix of dense blocks; read features.ngrams")
        dense: NDArray[np.float32] = self.block(name)
        return dense


def _below(upper: Any, lower: Any) -> Any:
    """Two blocks of one kind, one below the other."""
    if isinstance(upper, np.ndarray):
        return np.concatenate([upper, lower])
    from scipy import sparse

    return sparse.vstack([upper, lower], format="csr")

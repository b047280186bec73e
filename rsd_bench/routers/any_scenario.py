"""The reference router's network with a head for every tier and MES: trained once, it serves any scenario.

For each tier k and each M of MES_LEVELS the head estimates P(s_k >= M), falling in M; between two levels it is
interpolated, below the first towards 1 at MES 0. A scenario enters when it decides, by expected gain (gain_rule.py):
no tau is searched for. Tokens and Transformer are those of the reference router; with words a fourth token joins them,
a learned projection of the weighted n-grams. Any number of tiers.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from rsd_bench.config import MES_LEVELS
from rsd_bench.features.blocks import BLOCKS, Features
from rsd_bench.features.devices import find_device
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.gain_rule import GainRule
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.network import RouterConfig, Tokens
from rsd_bench.routers.ngram_weights import NgramWeights
from rsd_bench.routers.reference_training import TEMPERATURES, Lesson, Settings, learn, one_thread
from rsd_bench.routers.saved_state import State, joined
from rsd_bench.types import Scenario

_SETTINGS = Settings(learning_rate=1e-4)  # of the reference router but the rate, which suits the words
_SIZES = RouterConfig(features={}, scenario={})
_GRID = np.array([0.0, *MES_LEVELS])
_CHUNK = 4_096  # rows predicted at once


class ScoreNetwork(Tokens):
    """Logits of P(s_k >= M), shape (n, K, len(MES_LEVELS)), falling along the last axis."""

    def __init__(self, dimensions: dict[str, int], tiers: int, words: NgramWeights | None) -> None:
        super().__init__(dimensions, BLOCKS, _SIZES)
        self.tiers, self.words = tiers, words
        if words is not None:
            self.ngrams = nn.EmbeddingBag(len(words.buckets) + 1, _SIZES.hidden, mode="sum")  # the last: padding
            self.ngrams_modality = nn.Parameter(torch.randn(_SIZES.hidden) * 0.02)
            nn.init.normal_(self.ngrams.weight, std=_SIZES.hidden**-0.5)
        self.head = nn.Linear(_SIZES.hidden, tiers * len(MES_LEVELS))

    def inputs(self, features: Features) -> dict[str, Tensor]:
        """What `forward` reads of n queries, where the weights lie; each tensor's first axis is n."""
        found = dict(zip(self.blocks, self.scale(features), strict=True))
        if (there := self.present(features)) is not None:
            if self.words is not None:
                there = torch.cat([there, torch.ones(len(features), 1, dtype=torch.bool, device=self.place)], dim=1)
            found["present"] = there
        if self.words is not None:
            columns, values = _padded(self.words(features.ngrams), len(self.words.buckets))
            found["columns"], found["values"] = columns.to(self.place), values.to(self.place)
        return found

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        more = []
        if self.words is not None:
            token = self.ngrams(inputs["columns"], per_sample_weights=inputs["values"])
            more = [self.dropout(token) + self.ngrams_modality]
        pooled = self.pooled([inputs[name] for name in self.blocks], inputs.get("present"), more)
        raw = self.head(pooled).unflatten(1, (self.tiers, len(MES_LEVELS)))
        falls = nn.functional.softplus(raw[..., 1:]).cumsum(dim=-1)
        logits: Tensor = raw[..., :1] - nn.functional.pad(falls, (1, 0))
        return logits


def _padded(rows: Any, padding: int) -> tuple[Tensor, Tensor]:
    """CSR rows as columns and values, shape (n, most), the rest `padding` with the value 0."""
    lengths = np.diff(rows.indptr)
    at = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
    columns, values = np.full(at.shape, padding), np.zeros(at.shape, np.float32)
    columns[at], values[at] = rows.indices, rows.data
    return torch.from_numpy(columns), torch.from_numpy(values)


class AnyScenario:
    """A router of the registry around a `ScoreNetwork`. words: whether n-grams are a fourth token."""

    def __init__(
        self, seed: int = 0, words: bool = False, settings: Settings = _SETTINGS, device: str = "auto"
    ) -> None:
        self._words, self._settings, self._device = words, replace(settings, seed=seed), device

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """The epoch and the temperature of lowest loss on the validation rows."""
        self._rule = GainRule.of(train.tiers, train.scenario)
        place = find_device(self._device).name
        cards = [torch.cuda.current_device()] if place == "cuda" else []
        with one_thread(), torch.random.fork_rng(devices=cards):
            torch.manual_seed(self._settings.seed)
            words = NgramWeights.fit(train.features.ngrams) if self._words else None
            self._network = ScoreNetwork(train.features.spec.dimensions, train.tiers.count, words)
            self._network.fit_scaler(train.features)
            self._network.to(place)
            learn(self._network, self._lesson(train), self._lesson(validation), self._settings)
            self._network.cpu().eval()
            self._temperature = self._fitted_temperature(validation)
        return self

    def _lesson(self, part: TrainingData) -> Lesson:
        inputs = self._network.inputs(part.features)

        def read(rows: Tensor) -> Tensor:
            logits: Tensor = self._network({name: tensor[rows] for name, tensor in inputs.items()})
            return logits

        return read, torch.from_numpy(_reached(part)).to(self._network.place)

    def _fitted_temperature(self, validation: TrainingData) -> float:
        logits, target = self._logits(validation.features), torch.from_numpy(_reached(validation)).double()

        def loss(log_temperature: float) -> float:
            scaled = logits / float(np.exp(log_temperature))
            return float(nn.functional.binary_cross_entropy_with_logits(scaled, target))

        return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded").x))

    def _logits(self, features: Features) -> Tensor:
        parts = np.array_split(np.arange(len(features)), max(1, -(-len(features) // _CHUNK)))
        with torch.inference_mode():
            return torch.cat([self._network(self._network.inputs(features.take(rows))).double() for rows in parts])

    def under(self, scenario: Scenario) -> Self:
        """The same network, which decides under another scenario."""
        other = copy(self)
        other._rule = replace(self._rule, scenario=scenario)
        return other

    @property
    def tiers(self) -> int:
        """K."""
        return self._network.tiers

    def solves(self, features: Features) -> FloatArray:
        """P(s_k >= MES) of the scenario's MES, shape (n, K)."""
        p = torch.sigmoid(self._logits(features) / self._temperature).numpy()
        p = np.concatenate([np.ones((*p.shape[:2], 1)), p], axis=2)  # every score is at least 0
        mes = self._rule.scenario.mes
        above = int(np.clip(np.searchsorted(_GRID, mes), 1, len(_GRID) - 1))
        share = (mes - _GRID[above - 1]) / (_GRID[above] - _GRID[above - 1])
        return np.asarray((1 - share) * p[..., above - 1] + share * p[..., above])

    def predict_p_edge(self, features: Features) -> FloatArray:
        """(1 + q_small - q_large) / 2: a decision value, shape (n,)."""
        return self._rule.p_edge(self.solves(features))

    def threshold(self, validation: TrainingData | None = None) -> float:
        """The constant at which the expected gain is 0, from the training rows' latencies."""
        return self._rule.tau

    def expected_gain(self, features: Features) -> FloatArray:
        """Points of RCS that the cheapest tier is expected to gain against the best of the others, shape (n,)."""
        return 100 * self._rule.gain(self.solves(features))

    def predict_p_tiers(self, features: Features) -> FloatArray:
        """p for `decide_tiers`, shape (n, K - 1)."""
        return self._rule.p_tiers(self.solves(features))

    def tier_thresholds(self, validation: TrainingData | None = None) -> FloatArray:
        """0.5 for each column of `predict_p_tiers`."""
        return np.full(self.tiers - 1, 0.5)

    def state(self) -> State:
        words = self._network.words
        dimensions = {name: self._network.project[name].in_features for name in BLOCKS}
        own = {"tiers": self.tiers, "dimensions": dimensions, "temperature": self._temperature}
        weights = State({}, {name: tensor.numpy() for name, tensor in self._network.state_dict().items()})
        parts = {"rule": self._rule.state(), "network": weights, **({"words": words.state()} if words else {})}
        return joined(own, **parts)

    def restore(self, state: State) -> Self:
        tiers, dimensions = state.settings.get("tiers"), state.settings.get("dimensions")
        self._temperature = _number(state.settings.get("temperature"), *TEMPERATURES)
        if type(tiers) is not int or not 2 <= tiers <= len(state.part("rule").arrays.get("advantage", ())):
            raise ValueError("says not how many tiers it has")
        if not isinstance(dimensions, dict) or dimensions.keys() != set(BLOCKS):
            raise ValueError("says not how wide its blocks are")
        self._rule = GainRule.of_state(state.part("rule"), tiers)
        words = NgramWeights.of(state.part("words")) if self._words else None
        weights = state.part("network")
        wide = {name: int(_number(width, 1, 1 << 20)) for name, width in dimensions.items()}
        for name, width in wide.items():
            weights.numbers(f"mean_{name}", width)  # before a network as wide as a stranger says is made
        self._network = ScoreNetwork(wide, tiers, words)
        self._network.load_state_dict(
            {name: _tensor(weights, name, of) for name, of in self._network.state_dict().items()}
        )
        self._network.eval()
        return self


def _reached(part: TrainingData) -> NDArray[np.float32]:
    """[s_k >= M], shape (n, K, len(MES_LEVELS))."""
    return (part.tiers.scores[:, :, None] >= np.array(MES_LEVELS)).astype(np.float32)


def _tensor(weights: State, name: str, like: Tensor) -> Tensor:
    found = weights.numbers(name, *like.shape, infinite=name.startswith("deviation_"))
    return torch.from_numpy(found.astype(np.float32))


def _number(value: Any, low: float, high: float) -> float:
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"holds {value!r:.40} where a number from {low:g} to {high:g} stands")
    return float(value)

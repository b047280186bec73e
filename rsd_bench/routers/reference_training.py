"""Train the reference router: BCE on the label, AdamW, early stopping, calibration and tau, all on validation rows.

An accelerator learns in float32 too: the network is too small to gain by half precision. Calibration and tau are found
on the CPU, where the trained router is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from tqdm import tqdm

from rsd_bench.features.devices import find_device
from rsd_bench.features.feature_table import BLOCKS, Features
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.interface import TrainingData
from rsd_bench.routers.network import DROPOUT, ReferenceRouter, RouterConfig, Tokens
from rsd_bench.routers.thresholds import bayes_tau, grid_tau
from rsd_bench.types import InputError

THRESHOLDS = {"grid": grid_tau, "bayes": bayes_tau}
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters; the defaults were chosen by validation loss on rsd-open lite (docs/results.md)."""

    seed: int = 0
    epochs: int = 50
    patience: int = 5  # epochs without a lower validation loss
    batch: int = 128
    learning_rate: float = 3e-5
    weight_decay: float = 0.05
    dropout: float = DROPOUT
    blocks: tuple[str, ...] = BLOCKS
    threshold: str = "grid"  # of THRESHOLDS


@dataclass(frozen=True)
class Epoch:
    """Mean BCE of one pass: over the training rows while learning, over the validation rows after it."""

    train_loss: float
    validation_loss: float


@dataclass(frozen=True)
class Trained:
    """A calibrated router with its tau, and how it came about."""

    router: ReferenceRouter
    history: tuple[Epoch, ...]
    best_epoch: int  # from 1


def train_reference(
    train: TrainingData,
    validation: TrainingData,
    settings: Settings | None = None,
    *,
    trained_on: Mapping[str, Any] | None = None,
    encoders: Mapping[str, str] | None = None,
    device: str = "auto",
    progress: bool = False,
) -> Trained:
    """Fit on the training rows; same seed and machine, same weights. InputError where a part has no rows, or the
    device is not there.

    encoders: kind -> the folder that the features' encoder was found at, for whoever loads the router. device: of
    `features.devices.DEVICES`.
    """
    settings = settings or Settings()
    for name, part in (("train", train), ("validation", validation)):
        if not len(part):
            raise InputError.at(name, "has no rows", "choose a track with rows in every part")
    config = RouterConfig(
        features=train.features.spec.to_dict(),
        scenario=asdict(train.scenario),
        blocks=list(settings.blocks),
        dropout=settings.dropout,
        trained_on={**(trained_on or {}), "settings": {**asdict(settings), "blocks": list(settings.blocks)}},
        encoders=dict(encoders) if encoders else None,
    )
    place = find_device(device).name
    cards = [torch.cuda.current_device()] if place == "cuda" else []
    with one_thread(), torch.random.fork_rng(devices=cards):
        torch.manual_seed(settings.seed)
        network = ReferenceRouter(config)
        network.fit_scaler(train.features)
        network.to(place)
        told, held_out = ((_reader(network, part), _label_tensor(network, part)) for part in (train, validation))
        history, best = learn(network, told, held_out, settings, progress)
        network.cpu()
    temperature = _temperature(network, validation)
    network.adjust(temperature, network.tau)
    tau = THRESHOLDS[settings.threshold](network.predict_p_edge(validation.features), validation)
    network.adjust(temperature, tau)
    return Trained(network.eval(), tuple(history), best)


@contextmanager
def one_thread() -> Iterator[None]:
    """Batches of so small a network gain nothing by more threads, and lose by the minute where a core is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


#: Logits of some rows, and what they should be, of all: shapes (n, ...), where the network lies.
Lesson = tuple[Callable[[Tensor], Tensor], Tensor]


def _reader(network: ReferenceRouter, part: TrainingData) -> Callable[[Tensor], Tensor]:
    inputs, present = network.scale(part.features), network.present(part.features)

    def read(rows: Tensor) -> Tensor:
        there = None if present is None else present[rows]
        logits: Tensor = network(*(block[rows] for block in inputs), present=there)
        return logits

    return read


def _label_tensor(network: ReferenceRouter, part: TrainingData) -> Tensor:
    return torch.from_numpy(part.labels.astype(np.float32)).to(network.place)


def learn(
    network: Tokens, train: Lesson, held_out: Lesson, settings: Settings, progress: bool = False
) -> tuple[list[Epoch], int]:
    """Train in place up to the epoch of lowest loss on the rows held out; (history, that epoch)."""
    (read, target), (read_held_out, held_out_target) = train, held_out
    whole = torch.arange(len(held_out_target), device=network.place)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    loss_of = nn.BCEWithLogitsLoss()
    history: list[Epoch] = []
    best, best_state = 0, deepcopy(network.state_dict())
    for epoch in tqdm(range(1, settings.epochs + 1), desc="epochs", unit="epoch", disable=None if progress else True):
        network.train()
        total = 0.0
        for rows in torch.split(torch.randperm(len(target)).to(network.place), settings.batch):
            optimizer.zero_grad(set_to_none=True)
            loss: Tensor = loss_of(read(rows), target[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(rows)
        network.eval()
        with torch.inference_mode():
            held_out_loss = float(loss_of(read_held_out(whole), held_out_target))
        history.append(Epoch(total / len(target), held_out_loss))
        if best == 0 or held_out_loss < history[best - 1].validation_loss:
            best, best_state = epoch, deepcopy(network.state_dict())
        elif epoch - best >= settings.patience:
            break
    network.load_state_dict(best_state)
    return history, best


def _temperature(network: ReferenceRouter, validation: TrainingData) -> float:
    """The temperature of lowest BCE on the validation rows (Guo et al. 2017)."""
    network.eval()
    with torch.inference_mode():
        logits = network.logits(validation.features).double()
    target = torch.from_numpy(validation.labels.astype(np.float64))

    def loss(log_temperature: float) -> float:
        scaled = logits / float(np.exp(log_temperature))
        return float(nn.functional.binary_cross_entropy_with_logits(scaled, target))

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


class ReferenceBaseline:
    """The reference router behind the interface of the baselines."""

    def __init__(self, settings: Settings | None = None, seed: int = 0) -> None:
        self._settings = replace(settings or Settings(), seed=seed)

    def fit(self, train: TrainingData, validation: TrainingData) -> Self:
        """See `train_reference`."""
        self.trained = train_reference(train, validation, self._settings)
        return self

    def predict_p_edge(self, features: Features) -> FloatArray:
        """Calibrated P(edge competent), shape (n,)."""
        return self.trained.router.predict_p_edge(features)

    def threshold(self, validation: TrainingData) -> float:
        """The tau that training chose on its validation rows."""
        return self.trained.router.tau

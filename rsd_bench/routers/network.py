"""The reference router's network: image, text and statistics as three tokens, a small Transformer, one probability.

Each block is z-scored with the training rows' mean and deviation (kept inside), projected to a 256-d token, given a
modality embedding, passed through 2 encoder layers of 4 heads, mean-pooled and mapped to a logit. The token of a block
that a query lacks is masked: no other attends to it, and the mean leaves it out. Architecture after ECVL-ROUTER (arXiv
2510.27256) as far as the paper states it; widths it does not state are our own (feed-forward 256).
"""

# no `from __future__ import annotations`: the mixin reads the class of `config` off the signature
import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from huggingface_hub.constants import CONFIG_NAME
from safetensors import SafetensorError
from torch import Tensor, nn

from rsd_bench.dataset.open import is_hub_id
from rsd_bench.features.feature_table import BLOCKS, Features, FeatureSpec
from rsd_bench.metrics.arrays import FloatArray
from rsd_bench.routers.interface import Scaler
from rsd_bench.types import InputError
from rsd_bench.version import ROUTER_SCHEMA_VERSION

HIDDEN, LAYERS, HEADS, FEED_FORWARD, DROPOUT = 256, 2, 4, 256, 0.1
_CHUNK = 4_096  # rows predicted at once


@dataclass(frozen=True)
class RouterConfig:
    """config.json of a checkpoint: what it takes to build the network, and what was chosen with its weights."""

    features: dict[str, Any]  # FeatureSpec as a dict
    scenario: dict[str, Any]  # name, mes, alpha, beta, gamma
    blocks: list[str] | None = None  # which of image, text, statistics it reads
    hidden: int = HIDDEN
    layers: int = LAYERS
    heads: int = HEADS
    feed_forward: int = FEED_FORWARD
    dropout: float = DROPOUT
    temperature: float = 1.0  # divides the logit (calibration)
    tau: float = 0.5  # the threshold chosen on validation rows
    trained_on: dict[str, Any] | None = None  # free notes: dataset, track, seed ...
    encoders: dict[str, str] | None = None  # image, text: the folder that one was found at, where it was one
    schema_version: int = ROUTER_SCHEMA_VERSION


class Tokens(nn.Module):
    """Scaled blocks as tokens, through the Transformer, to one vector a query: all of the network but its head."""

    def __init__(self, dimensions: Mapping[str, int], blocks: tuple[str, ...], sizes: RouterConfig) -> None:
        super().__init__()
        self.blocks, hidden = blocks, sizes.hidden
        self.project = nn.ModuleDict({name: nn.Linear(dimensions[name], hidden) for name in blocks})
        self.modality = nn.ParameterDict({name: nn.Parameter(torch.randn(hidden) * 0.02) for name in blocks})
        for name in blocks:
            self.register_buffer(f"mean_{name}", torch.zeros(dimensions[name]))
            self.register_buffer(f"deviation_{name}", torch.ones(dimensions[name]))
        layer = nn.TransformerEncoderLayer(
            hidden,
            sizes.heads,
            sizes.feed_forward,
            sizes.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, sizes.layers, norm=nn.LayerNorm(hidden), enable_nested_tensor=False)
        self.dropout = nn.Dropout(sizes.dropout)

    @property
    def place(self) -> torch.device:
        """Where its weights lie, and so where it computes."""
        return next(self.parameters()).device

    def fit_scaler(self, features: Features) -> None:
        """Take mean and deviation of the training rows; a constant column becomes 0."""
        for name in self.blocks:
            scaler = Scaler.fit(features.matrix((name,)), features.known((name,)))
            getattr(self, f"mean_{name}").copy_(torch.from_numpy(scaler.mean))
            getattr(self, f"deviation_{name}").copy_(torch.from_numpy(scaler.deviation))

    def scale(self, features: Features) -> list[Tensor]:
        """Scaled blocks where the weights lie, each (n, d), in the order of `blocks`; 0 what a query lacks."""
        scaled = []
        for name in self.blocks:
            block = torch.from_numpy(np.asarray(features.blocks[name], np.float32)).to(self.place)
            block = (block - getattr(self, f"mean_{name}")) / getattr(self, f"deviation_{name}")
            scaled.append(block.masked_fill(torch.from_numpy(~features.known((name,))).to(self.place), 0.0))
        return scaled

    def present(self, features: Features) -> Tensor | None:
        """Which tokens a query has, shape (n, blocks); None where all have all. One that has none keeps its zeros."""
        there = torch.from_numpy(np.stack([features.present[name] for name in self.blocks], axis=1))
        return None if there.all() else (there | ~there.any(dim=1, keepdim=True)).to(self.place)

    def pooled(self, scaled: Sequence[Tensor], present: Tensor | None, more: Sequence[Tensor] = ()) -> Tensor:
        """One vector a query, shape (n, hidden), of scaled blocks, and of tokens that are made already."""
        parts = [
            self.project[name](self.dropout(block)) + self.modality[name]
            for name, block in zip(self.blocks, scaled, strict=True)
        ]
        tokens = torch.stack([*parts, *more], dim=1)
        if present is None:
            mean: Tensor = self.encoder(tokens).mean(dim=1)
            return mean
        weights = present.unsqueeze(-1).to(tokens.dtype)
        pooled: Tensor = (self.encoder(tokens, src_key_padding_mask=~present) * weights).sum(dim=1) / weights.sum(dim=1)
        return pooled


class ReferenceRouter(
    Tokens,
    PyTorchModelHubMixin,
    library_name="rsd-bench",
    license="apache-2.0",
    tags=["model-routing", "vision-language-model"],
    paper_url="https://arxiv.org/abs/2510.27256",
):
    """P(edge competent) for one scenario. `config` is config.json; weights and scaler are safetensors."""

    def __init__(self, config: RouterConfig) -> None:
        if config.schema_version != ROUTER_SCHEMA_VERSION:
            raise ValueError(f"schema version {config.schema_version}, this package reads {ROUTER_SCHEMA_VERSION}")
        spec = FeatureSpec.from_dict(config.features)
        super().__init__(spec.dimensions, tuple(config.blocks or BLOCKS), config)
        self.spec = spec
        self.scenario, self.trained_on = dict(config.scenario), dict(config.trained_on or {})
        self.encoders = dict(config.encoders or {})
        self._adopt(config)
        self.head = nn.Linear(config.hidden, 1)

    def _adopt(self, config: RouterConfig) -> None:
        self.config = self._hub_mixin_config = config  # the mixin saves the latter
        self.temperature, self.tau = float(config.temperature), float(config.tau)

    def adjust(self, temperature: float, tau: float) -> None:
        """Set what is chosen after the weights, and saved with them."""
        self._adopt(replace(self.config, temperature=temperature, tau=tau))

    def forward(self, *scaled: Tensor, present: Tensor | None = None) -> Tensor:
        """Logits of shape (n,), before the temperature, of scaled blocks."""
        logits: Tensor = self.head(self.pooled(scaled, present)).squeeze(-1)
        return logits

    def logits(self, features: Features) -> Tensor:
        """Logits of queries, shape (n,), before the temperature."""
        found: Tensor = self(*self.scale(features), present=self.present(features))
        return found

    def predict_p_edge(self, features: Features) -> FloatArray:
        """P(edge competent) in [0, 1], shape (n,). InputError where the features are of another spec."""
        if difference := self.spec.difference(features.spec, self.blocks):
            fix = "encode with the encoders this router was trained on"
            raise InputError.at("features", f"do not fit this router: {difference}", fix)
        self.eval()
        with torch.inference_mode():
            parts = [
                torch.sigmoid(self.logits(features.take(rows)).cpu().double() / self.temperature)
                for rows in np.array_split(np.arange(len(features)), max(1, -(-len(features) // _CHUNK)))
            ]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Self:
        """Load a checkpoint folder or Hub id. InputError where a file is missing, damaged or of another version."""
        where = pretrained_model_name_or_path
        folder = Path(where)
        if folder.is_dir() and not (folder / CONFIG_NAME).is_file():
            raise InputError.at(where, f"has no {CONFIG_NAME}", "train it again: rsd-bench router train")
        if not folder.is_dir() and not is_hub_id(str(where)):
            raise InputError.at(where, "is neither a folder nor a Hub id", "name a checkpoint folder, or org/name")
        try:
            with redirect_stdout(io.StringIO()):  # the mixin prints
                router: Self = super().from_pretrained(where, strict=True, **options)
        except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            fix = "train it again: rsd-bench router train"
            raise InputError.at(where, f"is no reference router that can be loaded: {reason[:300]}", fix) from None
        broken = [name for name, tensor in router.state_dict().items() if torch.isnan(tensor).any()]
        if broken:
            raise InputError.at(where, f"holds NaN in {broken[0]}", "train it again: rsd-bench router train")
        return router.eval()

"""Frozen encoders: any `AutoModel` folder or Hub id that gives one vector an image or a question.

An encoder is what its weights, its preprocessing and its pooling are, not what it is called: `key` is a hash of those
and names its cache. Weights that a checkpoint lacks are an error; nothing is ever filled with random numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsd_bench.config import ENCODER_PIXELS
from rsd_bench.dataset.image_file import open_image
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.features.blocks import EncoderSpec as EncoderSpec
from rsd_bench.features.blocks import Kind as Kind
from rsd_bench.types import InputError

Half = NDArray[np.float16]

POOLING = {"image": "cls", "text": "mean"}
MAX_TOKENS = 256
_INSTALL = "install the encoders' libraries: pip install torch 'rsd-bench[router]'"


class Encoder:
    """A loaded encoder. `encode` gives float16 of shape (n, dimension)."""

    def __init__(self, spec: EncoderSpec, model: Any, preprocess: Any) -> None:
        self.spec, self._model, self._preprocess = spec, model, preprocess

    def encode(self, items: Sequence[Any]) -> Half:
        """Vectors of image bytes (kind image) or of questions (kind text). ValueError for bytes that are no image."""
        import torch

        with torch.inference_mode():
            inputs = self._images(items) if self.spec.kind == "image" else self._texts(items)
            hidden = self._model(**inputs).last_hidden_state
            pooled = _pool(hidden, inputs.get("attention_mask"), self.spec.pooling)
        vectors = pooled.numpy()
        if not np.isfinite(vectors).all() or np.abs(vectors).max() > np.finfo(np.float16).max:
            raise ValueError(f"encoder {self.spec.name}: gives numbers that float16 cannot hold")
        return np.asarray(vectors.astype(np.float16))

    def _images(self, items: Sequence[bytes]) -> Any:
        """Tensors of a batch, of which no more than ENCODER_PIXELS, or one image, wait decoded."""
        import torch

        parts, waiting, pixels = [], list[Image.Image](), 0
        for data in items:
            waiting.append(image := open_rgb(data))
            pixels += image.width * image.height
            if pixels > ENCODER_PIXELS:
                parts.append(self._preprocess(waiting, return_tensors="pt"))
                waiting, pixels = [], 0
        if waiting:
            parts.append(self._preprocess(waiting, return_tensors="pt"))
        return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _texts(self, items: Sequence[str]) -> Any:
        length = min(MAX_TOKENS, self._preprocess.model_max_length)
        return self._preprocess(list(items), padding=True, truncation=True, max_length=length, return_tensors="pt")


def open_rgb(data: bytes) -> Image.Image:
    """What a viewer shows of an image file, in RGB. ValueError where the bytes are none."""
    with open_image(data) as image:
        return image if image.mode == "RGB" else image.convert("RGB")


def _pool(hidden: Any, mask: Any, pooling: str) -> Any:
    """(n, tokens, d) -> (n, d): the first token, or the mean over tokens (those under the mask, where there is one)."""
    if pooling == "cls":
        return hidden[:, 0]
    if mask is None:
        return hidden[:, 1:].mean(dim=1)  # patches, without the class token
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)  # an empty question may have no token


def load_encoder(kind: Kind, source: str, *, name: str | None = None, pooling: str | None = None) -> Encoder:
    """Load an encoder from a Hub id (`org/name`, `org/name@revision`) or a folder.

    InputError where it is absent, where its checkpoint lacks weights that are used, or where a library is missing.
    """
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        from transformers.utils import logging
        from transformers.utils.hub import cached_file
    except ImportError as error:
        raise InputError.at(source, f"cannot be loaded: {error}", _INSTALL) from None
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    repo, _, revision = (source, "", "") if Path(source).is_dir() else source.partition("@")
    at = {"revision": revision} if revision else {}
    loader = AutoImageProcessor if kind == "image" else AutoTokenizer
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        preprocess = loader.from_pretrained(repo, **at)
        model, info = AutoModel.from_pretrained(repo, output_loading_info=True, **at)
        folder = Path(repo) if Path(repo).is_dir() else Path(str(cached_file(repo, "config.json", **at))).parent
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        fix = "name a local AutoModel folder, or fetch it first where there is a network: hf download " + repo
        raise InputError.at(source, f"cannot be loaded as {kind} encoder: {reason}", fix) from None
    finally:
        logging.set_verbosity(level)
    lacking = sorted(k for k in info["missing_keys"] if not k.startswith("pooler."))  # the pooler is never used
    lacking += sorted(str(k) for k in info["mismatched_keys"])
    if lacking:
        what = f"lacks {len(lacking)} weights, the first {lacking[0]}"
        raise InputError.at(source, what, "use a complete checkpoint; missing weights are never made up")
    model.eval()
    chosen = pooling or POOLING[kind]
    spec = EncoderSpec(
        kind=kind,
        name=name or (Path(repo).name if Path(repo).is_dir() else repo),
        revision=_revision(folder),
        preprocessing=_preprocessing(kind, repo, preprocess),
        pooling=chosen,
        dimension=int(model.config.hidden_size),
    )
    return Encoder(spec, model, preprocess)


def _revision(folder: Path) -> str:
    """sha256 over weights and config: a checkpoint of the Hub and its copy in a folder are the same encoder."""
    weights = [*folder.glob("*.safetensors")] or [*folder.glob("*.bin")]
    files = sorted([*weights, folder / "config.json"], key=lambda path: path.name)
    lines = "".join(f"{path.name} {file_sha256(path)}\n" for path in files)
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def _preprocessing(kind: Kind, repo: str, preprocess: Any) -> str:
    """sha256 of what turns an input into tensors."""
    if kind == "image":
        settings = preprocess.to_json_string()
    else:
        settings = preprocess.backend_tokenizer.to_str() + json.dumps([MAX_TOKENS, preprocess.model_max_length])
    return "sha256:" + hashlib.sha256(settings.encode()).hexdigest()

"""Frozen encoders: any `AutoModel` folder or Hub id that gives one vector an image or a question.

An encoder is what its weights, its preprocessing and its pooling are, not what it is called: `key` is a hash of those
and names its cache. Weights that a checkpoint lacks are an error; nothing is ever filled with random numbers.

Encoding has two steps, so that one batch is decoded while another is encoded: `prepare` makes tensors of contents on
the CPU, `forward` vectors of tensors where the encoder is. Threads may share an encoder.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsd_bench.config import ENCODER_PIXELS
from rsd_bench.dataset.image_file import open_image, pixels_of
from rsd_bench.dataset.manifest import file_sha256
from rsd_bench.dataset.open import is_hub_id
from rsd_bench.features.blocks import EncoderSpec as EncoderSpec
from rsd_bench.features.blocks import Kind as Kind
from rsd_bench.features.devices import CPU, Device, find_device, precision
from rsd_bench.types import InputError

Half = NDArray[np.float16]
Tensors = Mapping[str, Any]  # torch tensors by name, the first axis the contents of a batch

POOLING = {"image": "cls", "text": "mean"}
MAX_TOKENS = 256
_alone = threading.Lock()  # of an image larger than the share of a thread
_tokenizing = threading.Lock()  # a tokenizer of tokenizers refuses a second thread: "Already borrowed"
_PROBE_S = 5.0  # a Hub that answers at all does so sooner
_FETCH = "name a local AutoModel folder, or fetch it first where there is a network: hf download "
_INSTALL = "install the encoders' libraries: pip install torch 'rsd-bench[router]'"


class Encoder:
    """A loaded encoder. `encode` gives float16 of shape (n, dimension)."""

    def __init__(self, spec: EncoderSpec, model: Any, preprocess: Any, device: Device = CPU) -> None:
        self.spec, self.device, self._model, self._preprocess = spec, device, model.to(device.name), preprocess

    def encode(self, items: Sequence[Any]) -> Half:
        """Vectors of image bytes (kind image) or of questions (kind text). ValueError for bytes that are no image."""
        return self.forward(self.prepare(items))

    def prepare(self, items: Sequence[Any], sharers: int = 1) -> Tensors:
        """What `forward` takes, of contents. sharers: how many threads do so at once, within one bound of memory."""
        return self._images(items, sharers) if self.spec.kind == "image" else self._texts(items)

    def forward(self, inputs: Tensors) -> Half:
        """Vectors of prepared contents."""
        import torch

        with torch.inference_mode():
            moved = {name: tensor.to(self.device.name) for name, tensor in inputs.items()}
            vectors = self._vectors(moved)
            if self.device.half and not _fits(vectors):
                vectors = self._vectors(moved, whole=True)
        if not _fits(vectors):
            raise ValueError(f"encoder {self.spec.name}: gives numbers that float16 cannot hold")
        return np.asarray(vectors.astype(np.float16))

    def _vectors(self, inputs: Tensors, *, whole: bool = False) -> NDArray[np.float32]:
        with precision(self.device, whole=whole):
            hidden = self._model(**inputs).last_hidden_state
        pooled: NDArray[np.float32] = (
            _pool(hidden.float(), inputs.get("attention_mask"), self.spec.pooling).cpu().numpy()
        )
        return pooled

    def _images(self, items: Sequence[bytes], sharers: int) -> Tensors:
        """Tensors of a batch, of which no more than ENCODER_PIXELS, or one image, wait decoded in all threads."""
        import torch

        bound, waiting, parts = ENCODER_PIXELS // sharers, list[Image.Image](), list[Tensors]()

        def finish() -> None:
            parts.append(self._preprocess(waiting, return_tensors="pt"))
            waiting.clear()

        for data in items:
            large = sharers > 1 and pixels_of(data) > bound
            if large and waiting:
                finish()
            with _alone if large else nullcontext():
                waiting.append(open_rgb(data))
                if sum(image.width * image.height for image in waiting) > bound:
                    finish()
        if waiting:
            finish()
        return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _texts(self, items: Sequence[str]) -> Tensors:
        length = min(MAX_TOKENS, self._preprocess.model_max_length)
        with _tokenizing:
            found: Tensors = self._preprocess(
                list(items), padding=True, truncation=True, max_length=length, return_tensors="pt"
            )
        return found


def _fits(vectors: NDArray[np.float32]) -> bool:
    return bool(np.isfinite(vectors).all() and np.abs(vectors).max() <= np.finfo(np.float16).max)


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


def load_encoder(
    kind: Kind, source: str, *, name: str | None = None, pooling: str | None = None, device: str = "auto"
) -> Encoder:
    """Load an encoder from a Hub id (`org/name`, `org/name@revision`) or a folder, to compute on `device` (DEVICES).

    InputError where it is absent, where its checkpoint lacks weights that are used, or where a library or the device
    is missing.
    """
    local = Path(source).is_dir()
    repo, _, revision = (source, "", "") if local else source.partition("@")
    if not local:
        _require_reachable(kind, source, repo, revision)
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        from transformers.utils import logging
        from transformers.utils.hub import cached_file
    except ImportError as error:
        raise InputError.at(source, f"cannot be loaded: {error}", _INSTALL) from None
    place = find_device(device)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    at: dict[str, Any] = {"revision": revision} if revision else {}
    if local:
        at["local_files_only"] = True
    loader = AutoImageProcessor if kind == "image" else AutoTokenizer
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        preprocess = loader.from_pretrained(repo, **at)
        model, info = AutoModel.from_pretrained(repo, output_loading_info=True, **at)
        folder = Path(repo) if Path(repo).is_dir() else Path(str(cached_file(repo, "config.json", **at))).parent
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError.at(source, f"cannot be loaded as {kind} encoder: {reason}", _FETCH + repo) from None
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
        device=place.described,
    )
    return Encoder(spec, model, preprocess, place)


def _require_reachable(kind: Kind, source: str, repo: str, revision: str) -> None:
    """InputError where an encoder is no folder, is not in the Hub's cache, and no Hub answers: each try would take
    half a minute of retries."""
    from huggingface_hub import constants, try_to_load_from_cache

    cached = is_hub_id(repo) and try_to_load_from_cache(repo, "config.json", revision=revision or None)
    if constants.HF_HUB_OFFLINE or isinstance(cached, str):
        return
    if not is_hub_id(repo):
        what = f"cannot be loaded as {kind} encoder: it is neither a folder nor a Hub id"
        raise InputError.at(source, what, _FETCH + "org/name")
    endpoint = urlsplit(constants.ENDPOINT)
    if getproxies().get(endpoint.scheme):
        return  # whether the Hub answers is the proxy's to say
    try:
        port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
        socket.create_connection((endpoint.hostname or "", port), _PROBE_S).close()
    except OSError as error:
        what = f"cannot be loaded as {kind} encoder: {endpoint.hostname} cannot be reached ({error})"
        raise InputError.at(source, what, _FETCH + repo) from None


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

"""Guards against a machine whose card stays idle, vectors of two devices that cannot be told apart, and threads that
change a vector. No accelerator is needed: a device that is the CPU by another name takes the accelerator's way."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import png, run_cli
from mixed_media import mixed_dataset
from numpy.typing import NDArray

from rsd_bench.config import ENCODER_BATCH
from rsd_bench.dataset.benchmark import open_benchmark
from rsd_bench.features import batch_trial, devices, encoders
from rsd_bench.features.batch_trial import batch_by_trial
from rsd_bench.features.blocks import FeatureSpec
from rsd_bench.features.devices import CPU, HALF_TOLERANCE, Device, find_device
from rsd_bench.features.encode import EncoderChoice, encode_batch, encode_dataset, run_here
from rsd_bench.features.encoders import Encoder, load_encoder
from rsd_bench.features.feature_table import read_features
from rsd_bench.types import InputError


class Card(Device):
    """A CPU that is treated as an accelerator."""

    @property
    def ahead(self) -> bool:
        return True

    @property
    def described(self) -> str:
        return "cuda (Test Card 1), float16"


CARD = Card("cpu", "float16")


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def choices(folders: dict[str, Path]) -> list[EncoderChoice]:
    return [EncoderChoice(kind, str(folders[kind])) for kind in ("image", "text")]


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    card, apple = Device("cuda", "float16", "Some Card"), Device("mps", "float16")
    for cuda, mps, taken in ((card, apple, card), (None, apple, apple), (None, None, CPU)):
        monkeypatch.setattr(devices, "_cuda", lambda found=cuda: found)
        monkeypatch.setattr(devices, "_mps", lambda found=mps: found)
        assert find_device() == taken and find_device("cpu") == CPU
    for absent in ("cuda", "mps"):
        with pytest.raises(InputError, match=f"^device {absent}: is not there.* -> use auto"):
            find_device(absent)
    with pytest.raises(InputError, match="use auto, cpu, cuda, mps"):
        find_device("tpu")


def test_half_precision_is_taken_where_the_card_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Card")
    for capability, said in (((9, 0), "cuda (Card), float16"), ((6, 1), "cuda (Card)")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda found=capability: found)
        assert find_device("cuda").described == said


def test_a_device_that_is_absent_is_said_in_one_line(toy_dataset: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("has a card")
    for command in (("features", "encode", toy_dataset, "--device", "cuda"), ("router", "train", "--device", "cuda")):
        done = run_cli(*command, "--out", tmp_path / "out")
        assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert "device cuda: is not there" in done.stderr


def test_threads_change_no_bit_and_no_order(
    tiny_encoders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsd_bench.features import encode

    monkeypatch.setattr(encode, "ENCODER_THREADS", 3)
    shards = encode._shards(mixed_dataset(tmp_path))
    before = torch.get_num_threads()
    for choice in choices(tiny_encoders):
        encoder = choice.load()
        batches = encode.plan({shard: encode.keys_of(shard, choice.kind) for shard in shards}, [], choice.kind, 7)
        assert len(batches) > 20
        for threads in (1, 3, 7):
            torch.set_num_threads(threads)
            try:
                found = list(run_here(choice, encoder, batches))
                assert torch.get_num_threads() == threads
            finally:
                torch.set_num_threads(before)
            assert [batch for batch, _ in found] == batches
            for batch, vectors in found:
                assert vectors.tobytes() == encode_batch(encoder, batch).tobytes()


def test_batches_are_decoded_while_another_is_encoded(tiny_encoders: dict[str, Path], toy_dataset: Path) -> None:
    """On a card the encoder waited for every image: nothing was decoded until a batch was done."""
    from rsd_bench.features import encode

    shards = encode._shards(toy_dataset)
    batches = encode.plan({shard: encode.keys_of(shard, "image") for shard in shards}, [], "image", 10)
    encoder = load_encoder("image", str(tiny_encoders["image"]))
    encoder.device = CARD
    decoded, overlapped, prepare, forward = threading.Semaphore(0), list[bool](), encoder.prepare, encoder.forward

    def prepared(*given: object) -> object:
        found = prepare(*given)
        decoded.release()
        return found

    def encoded(inputs: object) -> object:
        if len(overlapped) < len(batches) - 1:  # its own batch, and one more
            overlapped.append(decoded.acquire(timeout=20) and (bool(overlapped) or decoded.acquire(timeout=20)))
        return forward(inputs)

    encoder.prepare, encoder.forward = prepared, encoded
    assert len(list(run_here(EncoderChoice("image", ""), encoder, batches))) == len(batches)
    assert all(overlapped)


def test_another_device_agrees_and_is_named(
    tiny_encoders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = mixed_dataset(tmp_path)
    here = encode_dataset(data, tmp_path / "store", *choices(tiny_encoders))
    assert "device" not in here.to_dict()["image"]
    monkeypatch.setattr(encoders, "find_device", lambda asked: CARD)
    one = read_features(open_benchmark(data), tmp_path / "store")
    there = encode_dataset(data, tmp_path / "store", *choices(tiny_encoders))
    two = read_features(open_benchmark(data), tmp_path / "store")
    for block in ("image", "text"):
        rows = one.present[block]
        assert np.array_equal(rows, two.present[block])
        assert (1 - cosine(one.blocks[block][rows], two.blocks[block][rows])).max() <= HALF_TOLERANCE
        assert not np.array_equal(one.blocks[block], two.blocks[block])  # half precision was taken
        assert there.to_dict()[block]["device"] == "cuda (Test Card 1), float16"
    assert FeatureSpec.from_dict(there.to_dict()) == two.spec == there
    assert here.difference(there) is None  # a router of one reads the other
    caches = sorted(folder.name for folder in (tmp_path / "store" / "cache").iterdir())
    assert len(caches) == 4 and sum(name.endswith("-cuda-test-card-1-float16") for name in caches) == 2


def test_what_half_precision_cannot_hold_is_encoded_whole(tiny_encoders: dict[str, Path]) -> None:
    encoder = load_encoder("image", str(tiny_encoders["image"]))
    images = [png(seed) for seed in range(3)]
    whole, seen = encoder.encode(images), list[bool]()
    encoder.device, vectors = CARD, encoder._vectors

    def overflowing(inputs: object, *, whole: bool = False) -> NDArray[np.float32]:
        seen.append(whole)
        found = vectors(inputs, whole=whole)
        return found if whole else found * np.inf

    encoder._vectors = overflowing
    assert encoder.encode(images).tobytes() == whole.tobytes() and seen == [False, True]


def test_the_batch_of_a_card_is_found_by_trial(tiny_encoders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder("image", str(tiny_encoders["image"]))
    images, tried = [png(seed) for seed in range(20)], list[int]()

    def timed(quick: int, holds: int = 10_000):
        def seconds(encoder: Encoder, inputs: dict[str, torch.Tensor]) -> float:
            tried.append(size := len(inputs["pixel_values"]))
            if size > holds:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return max(size, quick) / 1000

        return seconds

    for quick, holds, most, best in (
        (64, 10_000, 512, 64),
        (512, 100, 512, 64),
        (512, 10_000, 40, 32),
        (9, 10**6, 9, 9),
    ):
        monkeypatch.setattr(batch_trial, "_seconds", timed(quick, holds))
        tried.clear()
        assert batch_by_trial(encoder, images, most) == best
        assert tried[0] == min(ENCODER_BATCH, most)
    monkeypatch.setattr(batch_trial, "_seconds", timed(1, 0))
    with pytest.raises(InputError, match=r"cannot hold 16 contents.*--device cpu"):
        batch_by_trial(encoder, images, 64)


def test_images_of_all_threads_share_one_bound(tiny_encoders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, together = load_encoder("image", str(tiny_encoders["image"])), list[int]()
    images, preprocess = [png(seed) for seed in range(5)], encoder._preprocess
    whole = encoder.encode(images)
    monkeypatch.setattr(
        encoder, "_preprocess", lambda opened, **options: together.append(len(opened)) or preprocess(opened, **options)
    )
    monkeypatch.setattr(encoders, "ENCODER_PIXELS", 4 * 24 * 16)
    for sharers, expected in ((1, [5]), (2, [3, 2]), (5, [1] * 5)):
        together.clear()
        assert np.array_equal(encoder.forward(encoder.prepare(images, sharers)), whole)
        assert together == expected

"""Logs of public repositories as they are: images named in `input_media` and asked for by doc_id, measured seconds
thrown away, packed logs not found, a `submission` offered as a metric, and no way in without images.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import png
from lmms_logs import Read, sample, write_log

from rsd_bench import jsonl
from rsd_bench.sources import named_media
from rsd_bench.sources.lmms_eval.open_lmms_eval import open_lmms_eval
from rsd_bench.sources.source import SourceProblem
from rsd_bench.sources.store.import_sources import import_source
from rsd_bench.types import InputError, Problem


def put(folder: Path, *names: str) -> dict[str, bytes]:
    """Files of those names, each with bytes of its own."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(seed) if name.endswith(".png") else f"sound {seed}".encode())
    return {name: (folder / name).read_bytes() for name in names}


def shown(read: Read) -> dict[str, list[bytes]]:
    """The bytes of each query's media by doc_id."""
    return {q.query_id.rpartition("/")[2]: [media.read() for media in q.media] for q in read.queries}


@pytest.fixture(scope="module")
def real() -> Path:
    folder = Path(os.environ.get("RSD_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "files" / "lmms-eval"
    if not folder.is_dir():
        pytest.skip(f"real files are not at {folder} (set RSD_SHARED)")
    return folder


def test_the_orin_logs(real: Path) -> None:
    read = Read(real / "jetson-orin")
    assert not read.problems
    assert (len(read.queries), Counter(r.model for r in read.responses).most_common()) == (
        8,
        [("Qwen2.5-VL-3B-Instruct-hf-bf16_limit8", 8), ("Qwen2.5-VL-7B-Instruct-vllm-bf16_limit8", 8)],
    )
    assert all(r.latency_s and r.first_token_s and r.first_token_s < r.latency_s for r in read.responses)
    (log,) = real.glob("jetson-orin/*3B*/*.jsonl")
    counts = [json.loads(line)["token_counts"][0] for line in log.read_text().splitlines()]
    calls = sum(count["generation_seconds"] for count in counts)
    assert calls == pytest.approx(5.021072992123663)  # what the results of that run say of all calls of the model
    before = sum(count["preprocess_seconds"] for count in counts)
    assert sum(r.latency_s or 0 for r in read.responses[:8]) == pytest.approx(calls + before)
    assert [r.score for r in read.responses[:8]] == [10, 10, 10, 10, 0, 10, 10, 10]
    assert {q.modality for q in read.queries} == {"image"}
    assert len({q.group for q in read.queries}) == 4  # two questions an image


def test_the_orin_logs_with_images_in_the_store(real: Path, tmp_path: Path) -> None:
    put(tmp_path / "images", *(f"code_reasoning/00{n:02}.png" for n in (9, 13, 14, 20)))
    problems: list[Problem] = []
    (source,) = open_lmms_eval(real / "jetson-orin", problems.append, images=tmp_path / "images")
    info = import_source(source, tmp_path / "store", {}, problems)
    assert (info["queries"], sum(info["models"].values())) == (8, 16)


def test_the_llava_log(real: Path) -> None:
    read = Read(real / "liuhaotian__llava-v1.5-7b")
    assert not read.problems
    assert (len(read.queries), len(read.responses)) == (200, 200)
    assert Counter(r.score for r in read.responses) == {10.0: 136, 0.0: 64}


def test_media_are_found_by_the_names_in_the_log_and_in_their_order(tmp_path: Path) -> None:
    data = put(tmp_path / "images", "a/0.png", "b/0.png", "1.png", "2.wav", "clip.mp4")
    rows = [
        sample(0, input_media=["b/0.png", "a/0.png", "1.png"]),
        sample(1),
        sample(2, input_media="2.wav"),
        sample(3, input_media=["a/0.png", "clip.mp4"]),
    ]
    write_log(tmp_path / "logs", rows)
    read = Read(tmp_path / "logs", images=tmp_path / "images")
    assert not read.problems
    assert shown(read) == {
        "0": [data["b/0.png"], data["a/0.png"], data["1.png"]],
        "1": [data["1.png"]],
        "2": [data["2.wav"]],
        "3": [data["a/0.png"], data["clip.mp4"]],
    }
    assert [q.modality for q in read.queries] == ["image", "image", "audio", "image+video"]
    assert [media.name for media in read.queries[0].media] == ["b/0.png", "a/0.png", "1.png"]


def test_names_of_another_machine_are_found_by_their_last_parts(tmp_path: Path) -> None:
    data = put(tmp_path / "images", "x/1.png", "y/1.png")
    names = ["/mnt/cache/x/1.png", "https://host/set/y/1.png?download=true"]
    write_log(tmp_path / "logs", [sample(i, input_media=[name]) for i, name in enumerate(names)])
    read = Read(tmp_path / "logs", images=tmp_path / "images")
    assert shown(read) == {"0": [data["x/1.png"]], "1": [data["y/1.png"]]}
    (tmp_path / "images" / "1.png").write_bytes(png(7))
    (tmp_path / "images" / "y" / "1.png").unlink()
    (tmp_path / "images" / "x" / "1.png").unlink()
    read = Read(tmp_path / "logs", images=tmp_path / "images")  # one file for two images
    assert isinstance(read.problems[0], SourceProblem)
    assert "1.png would be /mnt/cache/x/1.png and https://host/set/y/1.png" in read.told


def test_a_path_of_the_document_is_one_of_several_ways_to_its_image(tmp_path: Path) -> None:
    data = put(tmp_path / "images", "1.png")
    write_log(tmp_path / "logs", [sample(0, doc={"image_path": "/a/x/1.png", "image": "/b/1.png"})])
    assert shown(Read(tmp_path / "logs", images=tmp_path / "images")) == {"0": [data["1.png"]]}


def test_a_log_that_names_media_speaks_for_one_that_does_not(tmp_path: Path) -> None:
    data = put(tmp_path / "images", "x.png")
    write_log(tmp_path / "logs", [sample(0)], "a")
    write_log(tmp_path / "logs", [sample(0, input_media=["x.png"])], "b")
    assert shown(Read(tmp_path / "logs", images=tmp_path / "images")) == {"0": [data["x.png"]]}


def test_files_named_by_doc_id_are_not_taken_for_those_the_log_names(tmp_path: Path) -> None:
    """Image 1.png of the dataset is asked about in doc_id 0: in a folder named by doc_id, 1.png is another image."""
    write_log(tmp_path / "logs", [sample(i, input_media=[f"{i + 1}.png"]) for i in range(4)])
    data = put(tmp_path / "by doc_id", *(f"{i}.png" for i in range(4)))
    assert shown(Read(tmp_path / "logs", images=tmp_path / "by doc_id"))["1"] == [data["1.png"]]
    data = put(tmp_path / "by name", *(f"{i}.png" for i in range(1, 5)))
    assert shown(Read(tmp_path / "logs", images=tmp_path / "by name"))["1"] == [data["2.png"]]
    (tmp_path / "by name" / "3.png").unlink()
    read = Read(tmp_path / "logs", images=tmp_path / "by name")
    assert [type(problem) for problem in read.problems] == [SourceProblem]
    assert "of doc_id 1 is 2.png by the name in the log, 1.png by doc_id" in read.told


def test_missing_media_are_told_by_name(tmp_path: Path) -> None:
    put(tmp_path / "images", "a.png", "0.png")
    (tmp_path / "images" / "out.png").symlink_to(tmp_path / "logs")
    put(tmp_path, "secret.png")
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    names = [["a.png", "b.png"], ["none.mp4"], ["../secret.png"], ["link.png"], ["x\0.png"], ["n" * 5000]]
    path = write_log(tmp_path / "logs", [sample(i, input_media=name) for i, name in enumerate(names)])
    read = Read(tmp_path / "logs", images=tmp_path / "images")
    told = read.told.splitlines()
    assert f"{path}:1: query pets/0: no image in {tmp_path / 'images'}: 'a.png', 'b.png' -> put" in told[0]
    assert "no video in" in told[1]
    assert "'../secret.png' lies outside the folder" in told[2]
    assert f"'{tmp_path / 'images/link.png'}' is a symbolic link to '{tmp_path / 'secret.png'}', outside of" in told[3]
    assert len(told) == 6
    assert not read.queries
    assert not read.responses


def test_one_image_named_by_doc_id_is_not_several(tmp_path: Path) -> None:
    put(tmp_path / "images", "0.png")
    write_log(tmp_path / "logs", [sample(0, input_media=["a.png", "b.png"])])
    assert "no image in" in Read(tmp_path / "logs", images=tmp_path / "images").told


def test_images_that_stand_in_the_log_are_named_by_their_digest(tmp_path: Path) -> None:
    put(tmp_path / "images", "0.png", "1.png")
    inline = ["data:image/png;base64,AAAA", {"bytes": "AAAA", "path": None}]
    write_log(tmp_path / "logs", [sample(i, input_media=[value]) for i, value in enumerate(inline)], "a")
    read = Read(tmp_path / "logs", images=tmp_path / "images")
    assert not read.problems
    assert len(read.queries) == 2
    write_log(tmp_path / "logs", [sample(i, input_media=[value]) for i, value in enumerate(inline[::-1])], "b")
    assert "names other media" in Read(tmp_path / "logs").told


def test_media_that_are_not_to_be_had_are_stated(tmp_path: Path) -> None:
    names: list[Any] = [
        ["a.png", "b.png"],
        ["v.MP4", "s.flac"],
        None,
        [],
        [{"path": "x.webm"}],
        ["data:audio/wav;base64,A"],
    ]
    write_log(tmp_path, [sample(i, input_media=name) for i, name in enumerate(names)])
    read = Read(tmp_path)
    assert [q.modality for q in read.queries] == ["image", "audio+video", "image", "image", "video", "audio"]
    assert not any(q.media or q.media_available for q in read.queries)
    assert [q.group for q in read.queries[:3]] == ["pets/a.png+b.png", "pets/v.MP4+s.flac", "pets/2"]


def test_a_sound_or_a_video_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_media, "MAX_MEDIA_BYTES", 5)
    put(tmp_path / "images", "a.wav")
    (tmp_path / "images" / "d.mp4").mkdir()
    write_log(tmp_path / "logs", [sample(0, input_media=["a.wav"])])
    (query,) = Read(tmp_path / "logs", images=tmp_path / "images").queries
    with pytest.raises(OSError, match=r"'a.wav': has more than 5 bytes"):
        query.media[0].read()


def test_without_images_both_ways_are_named_once(tmp_path: Path) -> None:
    write_log(tmp_path, [sample(0)])
    write_log(tmp_path, [sample(0)], task="birds")
    problems: list[Problem] = []
    sources = open_lmms_eval(tmp_path, problems.append)
    (problem,) = problems
    assert isinstance(problem, SourceProblem)
    assert "--images" in problem.fix
    assert "--no-images" in problem.fix
    assert not any([*source.queries, *source.responses] for source in sources)
    with pytest.raises(InputError, match="is given with --no-images"):
        open_lmms_eval(tmp_path, problems.append, images=tmp_path, no_images=True)
    with pytest.raises(InputError, match="is no folder"):
        open_lmms_eval(tmp_path, problems.append, images=tmp_path / "gone")


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: [a], lambda a: [[a]], lambda a: [[[a]]]])
@pytest.mark.parametrize("name", ["resps", "filtered_resps"])
def test_an_answer_is_read_at_any_nesting(tmp_path: Path, wrap: Any, name: str) -> None:
    row = sample(0)
    del row["filtered_resps"]
    write_log(tmp_path, [row | {name: wrap("a cat")}, row | {"doc_id": 1, name: wrap("")}])
    read = Read(tmp_path)
    assert [(r.status, r.response) for r in read.responses] == [("ok", "a cat"), ("error", None)]


def test_a_row_without_any_answer_is_told(tmp_path: Path) -> None:
    row = sample(0)
    del row["filtered_resps"]
    path = write_log(tmp_path, [row, sample(1)])
    read = Read(tmp_path)
    assert read.told.startswith(f"{path}:1: ")
    assert len(read.problems) == 1
    assert [r.query_id for r in read.responses] == ["pets/1"]


def test_a_packed_log_is_read(tmp_path: Path) -> None:
    path = write_log(tmp_path, [sample(0), sample(1)], name="1_samples_{task}.jsonl.gz", results={"model_name": "m"})
    (tmp_path / "small" / "flops_samples.jsonl.gz").write_bytes(gzip.compress(b'{"doc_id": 0}\n'))
    read = Read(tmp_path)
    assert not read.problems
    assert [(r.where, r.model) for r in read.responses] == [(f"{path}:1", "m"), (f"{path}:2", "m")]
    assert len(Read(path).responses) == 2  # the log alone


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-12], lambda b: b[:40], lambda b: b[:2] + b[5:], lambda _: b"{}", lambda _: b""]
)
def test_a_damaged_packed_log_is_a_fault_of_the_source(tmp_path: Path, damage: Any) -> None:
    path = write_log(tmp_path, [sample(i) for i in range(50)], name="1_samples_{task}.jsonl.gz")
    path.write_bytes(damage(path.read_bytes()))
    read = Read(tmp_path)
    assert any(isinstance(problem, SourceProblem) for problem in read.problems)
    assert str(path) in read.told


def test_what_a_packed_log_unpacks_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl._Unpacked, "_left", 1_000_000)
    path = write_log(tmp_path, [sample(0)], name="1_samples_{task}.jsonl.gz")
    path.write_bytes(path.read_bytes() + gzip.compress(b"\n" * 1_000_000))
    assert "unpacks to more than" in Read(tmp_path).told


def test_a_submission_is_no_score(tmp_path: Path) -> None:
    write_log(tmp_path, [sample(0, submission={"score": 1.0}), sample(1, acc={}, test_submission=0.5)])
    read = Read(tmp_path)
    assert not read.problems
    assert [(r.status, r.score) for r in read.responses] == [("ok", 10.0), ("unscored", None)]
    rule = "lmms-eval acc (0-1) x 10; submission, test_submission holds answers to be sent in, no scores"
    assert read.infos[0].score_rule == rule
    told = Read(tmp_path, metric="submission").told
    assert "submission holds answers to be sent in, no scores -> choose with --metric: acc" in told


def test_a_log_of_submissions_alone_is_unscored(tmp_path: Path) -> None:
    row = sample(0, submission="B")
    del row["acc"]
    write_log(tmp_path, [row])
    read = Read(tmp_path)
    assert not read.problems
    assert read.infos[0].score_rule.startswith("unscored; submission")
    assert [r.status for r in read.responses] == ["unscored"]


def test_the_choices_of_a_metric_are_listed(tmp_path: Path) -> None:
    results = {"higher_is_better": {"pets": {"wer": False}}}
    write_log(tmp_path, [sample(0, f1=0.5, wer=0.3, submission="x"), sample(1)], results=results)
    told = Read(tmp_path).told
    assert "samples have several metrics: acc, f1 -> choose with --metric: acc, f1" in told
    assert "choose with --metric: acc, f1" in Read(tmp_path, metric="wrong").told
    assert (
        "wer is better when lower: it is no score -> choose with --metric: acc, f1" in Read(tmp_path, metric="wer").told
    )
    assert [r.score for r in Read(tmp_path, metric="f1").responses] == [5.0, None]
    write_log(tmp_path, [sample(0, wer=0.3), sample(1)], results=results)
    assert [r.score for r in Read(tmp_path).responses] == [10.0, 10.0]  # acc is the only one that is a score


@pytest.mark.parametrize("metric", ["acc/0", "acc/0.0"])
def test_full_marks_of_nothing_are_refused(tmp_path: Path, metric: str) -> None:
    write_log(tmp_path, [sample(0)])
    assert "gives no full marks" in Read(tmp_path, metric=metric).told


def test_a_number_too_large_for_a_score_is_told(tmp_path: Path) -> None:
    write_log(tmp_path, [sample(0, acc=10**400)])
    assert "acc is inf, outside 0-1" in Read(tmp_path).told


def test_a_model_of_the_hubs_cache_has_its_name_on_the_hub(tmp_path: Path) -> None:
    for name, model in {
        "/opt/hf-cache/hub/models--Qwen--Qwen2.5-VL-3B-Instruct/snapshots/66285": "Qwen/Qwen2.5-VL-3B-Instruct",
        "/x/models--gpt2/snapshots/1/": "gpt2",
        "/home/ann/checkpoints/7b": "/home/ann/checkpoints/7b",
        "half \ud800": "half ?",
    }.items():
        write_log(tmp_path, [sample(0)], results={"model_name": name})
        assert [r.model for r in Read(tmp_path).responses] == [model]


def test_older_rows_without_doc_or_arguments_or_with_null_in_their_place(tmp_path: Path) -> None:
    rows = [
        sample(0, doc=None, arguments=None, resps=None, token_counts=None, input_media=None, doc_hash=None),
        {"doc_id": 1.0, "target": None, "filtered_resps": ["x"], "arguments": [["What?", {"until": []}]], "acc": True},
    ]
    write_log(tmp_path, rows)
    read = Read(tmp_path)
    assert not read.problems
    assert [(q.query_id, q.question) for q in read.queries] == [
        ("pets/0", "What is in picture 0?"),
        ("pets/1", "What?"),
    ]
    assert json.dumps([r.score for r in read.responses]) == "[10.0, 10.0]"

"""Seconds and power that somebody measured were thrown away; the 0 of a backend without a clock is no latency."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from lmms_logs import Read, sample, write_log


def clocked(doc_id: int, **counts: Any) -> dict[str, Any]:
    return sample(doc_id, token_counts=[counts])


def test_seconds_are_what_a_client_waits(tmp_path: Path) -> None:
    whole = {"preprocess_seconds": 0.5, "time_to_first_token_seconds": 1.0, "generation_seconds": 2.0}
    rows = [
        clocked(0, input_tokens=9, output_tokens=2, **whole),
        clocked(1, generation_seconds=2),
        clocked(2, preprocess_seconds=0.5, generation_seconds=0.0, time_to_first_token_seconds=None),
        sample(3, token_counts=whole),
        sample(4, token_counts=[whole, whole]),  # of several answers
        sample(5, token_counts=[None]),
    ]
    write_log(tmp_path, rows)
    read = Read(tmp_path)
    assert not read.problems
    seconds = [(r.latency_s, r.first_token_s) for r in read.responses]
    assert seconds == [(2.5, 1.5), (2.0, None), (None, None), (2.5, 1.5), (None, None), (None, None)]
    assert (read.responses[0].input_tokens, read.responses[0].output_tokens) == (9, 2)
    assert (read.infos[0].latency_basis, read.responses[0].latency_basis) == ("reported", None)
    assert "preprocess_seconds + generation_seconds" in read.infos[0].notes


@pytest.mark.parametrize("seconds", [-0.5, "0.4", True, 1e10, [1.0]])
@pytest.mark.parametrize("name", ["preprocess_seconds", "time_to_first_token_seconds", "generation_seconds"])
def test_seconds_that_are_none_cost_their_row(tmp_path: Path, name: str, seconds: Any) -> None:
    path = write_log(tmp_path, [clocked(0, **{name: seconds}), sample(1)])
    read = Read(tmp_path)
    assert f"{path}:1: token_counts.{name} is " in read.told
    assert [r.query_id for r in read.responses] == ["pets/1"]


def test_seconds_that_add_up_to_none_cost_their_row(tmp_path: Path) -> None:
    path = write_log(tmp_path, [clocked(0, preprocess_seconds=9e8, generation_seconds=9e8), sample(1)])
    read = Read(tmp_path)
    assert f"{path}:1: token_counts add up to 1.8e+09 seconds" in read.told
    assert len(read.responses) == 1


def test_counts_that_are_none_are_left_out(tmp_path: Path) -> None:
    write_log(tmp_path, [clocked(0, input_tokens=-1, output_tokens=10**30), clocked(1, input_tokens="9")])
    assert [(r.input_tokens, r.output_tokens) for r in Read(tmp_path).responses] == [(None, None)] * 2


ORIN = "RAM 1/2MB GR3D_FREQ {load}% VDD_GPU_SOC {mw}mW/9mW VDD_CPU_CV 1000mW/9mW VIN_SYS_5V0 2000mW/9mW\n"
THOR = "VDD_GPU {mw}mW/9mW VDD_CPU_SOC_MSS 500mW/9mW VIN_SYS_5V0 500mW/9mW VIN 90000mW/9mW\n"


@pytest.mark.parametrize(
    ("lines", "watts"),
    [
        ([(ORIN, 0, 3000), (ORIN, 100, 17000), (ORIN, 50, 14000)], 19.0),
        ([(ORIN, 0, 3000), (ORIN, 0, 5000)], 7.0),
        ([(THOR, 0, 29000), (THOR, 0, 9000)], 20.0),
        ([("VDD_IN 4000mW/4000mW VDD_SOC 1mW/1mW\n", 0, 0)], None),  # another board: which rails add up?
    ],
)
@pytest.mark.parametrize("name", ["tegrastats.log", "tegrastats.log.gz"])
def test_energy_is_power_while_the_gpu_worked_times_latency(
    tmp_path: Path, lines: list[tuple[str, int, int]], watts: float | None, name: str
) -> None:
    path = write_log(tmp_path, [clocked(0, generation_seconds=2.0), sample(1)], "run/lmms_eval")
    text = "".join(line.format(load=load, mw=mw) for line, load, mw in lines).encode()
    (path.parent.parent / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    first, second = Read(tmp_path).responses
    assert first.energy_j == (watts and pytest.approx(2 * watts))
    assert (first.energy_basis or "").startswith("tegrastats: " if watts else "")
    assert second.energy_j is None


def test_a_power_log_of_several_runs_is_nobodys(tmp_path: Path) -> None:
    rows = [clocked(0, generation_seconds=2.0)]
    path = write_log(tmp_path, rows)
    path.with_name("tegrastats.log").write_text(ORIN.format(load=9, mw=9))
    assert Read(tmp_path).responses[0].energy_j
    write_log(tmp_path, rows, task="birds", name="20261102_120000_samples_{task}.jsonl")
    assert not any(r.energy_j for r in Read(tmp_path).responses)


def test_a_damaged_power_log_is_told(tmp_path: Path) -> None:
    path = write_log(tmp_path, [clocked(0, generation_seconds=2.0)])
    path.with_name("tegrastats.log.gz").write_bytes(gzip.compress(ORIN.encode() * 99)[:-20])
    assert "tegrastats.log.gz: is a damaged .gz file" in Read(tmp_path).told

"""The benchmark drives a real build on its CPU backend, and its check can tell right from wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.attention.error import MAX_ROW_NMSE
from llamaproof.attention.grid import heads_of
from llamaproof.bench import record
from llamaproof.bench.points import Selection, select
from llamaproof.bench.worker import MeasuringWorker, Setup
from llamaproof.errors import HOLDS, NOT_CHECKED, LlamaproofError
from llamaproof.ggml import GgmlType
from llamaproof.process import run
from llamaproof.target import Target, open_target
from tests.support.installed.spoilt_mask import DEFECTS

SMALL = ("--on", "cpu", "--n-kv", "512", "--kv", "f16", "--time-limit", "60")


@pytest.fixture(scope="module")
def target(wheel: Path) -> Iterator[Target]:
    with open_target(str(wheel)) as opened:
        yield opened


@pytest.fixture
def worker(target: Target) -> Iterator[MeasuringWorker]:
    started = MeasuringWorker(Setup(target=target, where="cpu", n_threads=2))
    yield started
    started.end()


@pytest.mark.parametrize("kv_type", ["f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("n_kv_heads", [1, 2])
def test_the_cpu_backend_agrees_with_float64(
    worker: MeasuringWorker, kv_type: str, n_kv_heads: int
) -> None:
    points = select(
        Selection(
            head_sizes=heads_of("576/512", "128"), gqa_ratios=[5, 16], tokens=[1, 7],
            n_kv=[256, 768], kv_types=[GgmlType.parse(kv_type)], n_kv_heads=n_kv_heads,
        )
    )  # fmt: skip
    for point in points:
        result = worker.check(point)
        assert result is not None and result.finite, str(point)
        # The CPU backend quantises queries like K: that costs it precision, not correctness.
        assert result.device_exact < (1e-5 if kv_type == "f16" else 5e-3), str(point)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_result_with_a_cell_too_many_or_too_few_is_wrong(wheel: Path, defect: str) -> None:
    for n_kv in (256, 2048):
        module = ("-m", "tests.support.installed.spoilt_mask", wheel, defect, str(n_kv))
        honest, spoilt = json.loads(run((sys.executable, *module)).lines[-1])
        assert honest["holds"], honest
        assert not spoilt["holds"] and spoilt["worst_row"] > MAX_ROW_NMSE, spoilt


def test_small_cells_are_timed_and_recorded_and_host_time_is_not_judged(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    arguments = ["bench", str(wheel), *SMALL, "--gqa", "20,5", "--tokens", "1", "--json", str(path)]
    assert cli.main(arguments) == NOT_CHECKED
    assert "host time of the CPU backend says nothing" in capsys.readouterr().out
    kept = record.load(path)
    assert kept.unit == "host seconds" and kept.complete
    assert {r.status for r in kept.results} == {"measured"} and len(kept.results) == 2
    assert all(min(r.samples) > 0 for r in kept.results)

    # A second run resumes: nothing is left to measure, and no sample changes.
    before = json.loads(path.read_text())["results"]
    assert cli.main([*arguments[:-2], "--resume", str(path), "--no-gate"]) == HOLDS
    assert json.loads(path.read_text())["results"] == before


def test_two_targets_are_compared(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", str(wheel), "--against", f"0.3.16={wheel}", *SMALL, "--no-gate"]
    assert cli.main([*arguments, "--gqa", "5", "--tokens", "1", "--report", str(tmp_path)]) == HOLDS
    text = capsys.readouterr().out
    assert "against" in text and "128@5 x8 f16 tokens=1" in text
    assert (tmp_path / "bench.html").is_file()


def test_checking_prints_every_cell(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", str(wheel), "--check", *SMALL, "--gqa", "20", "--tokens", "1,4"]
    assert cli.main(arguments) == HOLDS
    text = capsys.readouterr().out
    assert text.count("right  576/512@20") == 2 and "2 of 2 cells right" in text


def test_without_a_gpu_the_error_says_what_can_be_done(target: Target) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("there is a GPU here")
    with pytest.raises(LlamaproofError) as caught:
        MeasuringWorker(Setup(target=target, where="gpu", n_threads=2))
    assert caught.value.hint


def test_counted_work_is_exactly_repeatable_and_judged(wheel: Path, tmp_path: Path) -> None:
    points = ("--head-sizes", "576/512", "--gqa", "16,32", "--tokens", "1", "--n-kv", "1K-2K")
    rules = ("--judge", "on-gpu,near-linear-doubling")
    paths = [tmp_path / name for name in ("first.json", "second.json")]
    for path in paths:
        arguments = ["bench", str(wheel), "--on", "emulator", *points, *rules, "--json", str(path)]
        assert cli.main(arguments) == HOLDS
    first, second = (json.loads(path.read_text())["results"] for path in paths)
    assert first == second and len(first) == 4
    for result in first:
        assert result["counts"]["mma_operations"] > 0
        assert any("flash_attn" in name for name in result["launches"])
        assert result["counts"]["unique_global_bytes"] >= result["cell"]["n_kv"] * 576 * 2


def test_the_emulated_gpu_agrees_with_float64(
    wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = ("--head-sizes", "576/512", "--gqa", "16", "--tokens", "1,3", "--n-kv", "512")
    arguments = ["bench", str(wheel), "--on", "emulator", "--check", *points, "--kv", "f16,q8_0"]
    assert cli.main(arguments) == HOLDS
    assert "4 of 4 cells right" in capsys.readouterr().out

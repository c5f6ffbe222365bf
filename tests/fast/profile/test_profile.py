"""The emulated card against a real one: what the profiler says is read, and judged."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llamaproof import shadow
from llamaproof.attention import rows
from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.attention.inputs import CacheRows, Inputs
from llamaproof.errors import BadInput, CommandFailed, LlamaproofError
from llamaproof.executor.counts import Counts
from llamaproof.executor.launches import ExecutedLaunch
from llamaproof.files import sha256_of
from llamaproof.ggml import GgmlType
from llamaproof.profile import ncu, recording
from llamaproof.profile.cells import PROFILE_CELLS
from llamaproof.profile.comparison import (
    OUTPUT_NMSE_LIMIT,
    CardComparison,
    compare_launches,
    compare_outputs,
    take_registers,
)
from llamaproof.profile.figures import FIGURES, FigureOutcome, compare, figures_for
from llamaproof.profile.ncu import Profiled
from llamaproof.profile.recording import Recording
from llamaproof.profile.terminal import print_comparison
from llamaproof.profile.worker import digest
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer

CELL = make_cell(HeadSizes(k=576, v=512), GgmlType.F16, GgmlType.F16, 20, 1, 1024)
MANGLED = (
    "_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi4ELi2ELi2ELb0ELb1EEvPKcS1_S1_S1_S1_PKiPfP6float2"
)
DEMANGLED = (
    "void flash_attn_ext_f16<(int)576, (int)512, (int)4, (int)4, (int)2, (int)2, (bool)0, "
    "(bool)1>(const char *, const char *)"
)
SECTORS = "memory_l2_theoretical_sectors_global"

HEADER = (
    "ID", "Process ID", "Kernel Name", "Block Size", "Grid Size", "smsp__inst_executed.sum",
    "dram__sectors_read.sum", "memory_l2_theoretical_sectors_global", ncu.OPCODES, ncu.LANES,
)  # fmt: skip
ROWS = (
    ("", "", "", "", "", "inst", "sector", "", "inst", "inst"),
    ("0", "7", "void scan<(int)4>(int *)", "(32, 2, 1)", "(528, 1, 1)", "1,234,567", "nan", "64",
     "1,500 (HMMA: 1,000; LDSM: 480; BAR: 20)", "640 (BAR.SYNC.DEFER_BLOCKING: 640)"),
    ("1", "7", "fixup", "(512,1,1)", "(528,1,16)", "12", "3.5", "7", "0", "0"),
)  # fmt: skip


def page(*lines: tuple[str, ...]) -> str:
    """A raw page as the profiler prints it, after what it says of itself."""
    out = io.StringIO()
    out.write("==PROF== Connected to process 7\n")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([HEADER, *lines])
    return out.getvalue()


PAGE = page(*ROWS)


def counts(**changes: Any) -> Counts:
    figures: dict[str, Any] = dict.fromkeys(Counts.__dataclass_fields__, 0)
    figures |= {
        "warp_instructions": 1000, "mma_ops": 100, "barriers": 8,
        "sectors_read_requested": 640, "sectors_read_per_block": 600, "sectors_read_unique": 500,
        "sectors_written_requested": 64, "global_bytes_read": 640 * 16 + 64 * 8 + 32 * 2 + 32 * 4,
        "global_bytes_written": 64 * 8,
        "by_class": {"matrix_load": 50, "async_copy": 22, "load_global": 4, "store_global": 2},
    }  # fmt: skip
    return Counts(**{**figures, **changes})


def executed(**changes: Any) -> ExecutedLaunch:
    launch = ExecutedLaunch(
        kernel=MANGLED, grid=(528, 1, 1), block=(32, 2, 1), dynamic_shared_bytes=1024, registers=0,
        ptx_sm=89, seconds=0.1, counts=counts(), findings=(),
    )  # fmt: skip
    return replace(launch, **changes)


def profiled() -> Profiled:
    return Profiled(
        kernel=DEMANGLED,
        grid=(528, 1, 1),
        block=(32, 2, 1),
        metrics={
            "smsp__inst_executed.sum": 900.0,
            "launch__shared_mem_per_block_dynamic": 1024.0,
            SECTORS: 704.0,
            "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum": 64.0,
            "lts__t_sectors_srcunit_tex_op_read.sum": 610.0,
        },
        opcodes={
            # One more load and one more barrier than warps carry out: issued with no lane.
            "HMMA": 100, "LDSM": 50, "LDGSTS": 20, "LDGDEPBAR": 2, "BAR": 9, "LDG": 5, "STG": 2,
        },
        lanes={
            "BAR.SYNC.DEFER_BLOCKING": 256, "LDGSTS.E.BYPASS.LTC64B.128": 640,
            "LDG.E.64.CONSTANT": 64, "LDG.E.U16.CONSTANT": 32, "LDG.E": 32, "STG.E.64": 64,
        },
    )  # fmt: skip


def comparison(real: Profiled) -> CardComparison:
    compared, mismatches = compare_launches([CELL], [[executed()]], [real])
    return CardComparison(
        target="libraries", device="NVIDIA H200", gpu="H200", outputs=(), launches=compared,
        mismatches=mismatches,
    )  # fmt: skip


def outcomes(found: CardComparison) -> dict[str, FigureOutcome]:
    return {f.figure.name: f.outcome for f in found.launches[0].figures}


def test_a_raw_page_is_read_whole() -> None:
    first, second = ncu.read(PAGE, where="counters.csv")
    assert (first.grid, first.block) == ((528, 1, 1), (32, 2, 1))
    assert first.metrics["smsp__inst_executed.sum"] == 1234567
    assert first.metrics["memory_l2_theoretical_sectors_global"] == 64
    assert "Process ID" not in first.metrics
    assert "dram__sectors_read.sum" not in first.metrics
    assert first.opcodes == {"HMMA": 1000, "LDSM": 480, "BAR": 20}
    assert first.lanes == {"BAR.SYNC.DEFER_BLOCKING": 640}
    assert (second.kernel, second.opcodes) == ("fixup", {})
    assert second.metrics["dram__sectors_read.sum"] == 3.5


@pytest.mark.parametrize(
    "text",
    ["", "==ERROR== no permission\n", page(), PAGE[:100], PAGE.replace('"(32, 2, 1)"', '"?"')],
)
def test_what_is_no_raw_page_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        ncu.read(text, where="counters.csv")


def test_a_launch_that_does_the_same_holds() -> None:
    found = comparison(profiled())
    assert found.outcome is Outcome.HOLDS
    told = outcomes(found)
    assert told["matrix products (HMMA)"] is FigureOutcome.SAME
    assert told["barriers (BAR)"] is FigureOutcome.SAME
    assert told["bytes read, as lanes ask"] is FigureOutcome.SAME
    assert told["sectors, as warps ask for them"] is FigureOutcome.SAME
    assert told["global loads (LDG)"] is FigureOutcome.WITHIN
    assert told["sectors read from L2"] is FigureOutcome.WITHIN
    assert told["sectors read from memory"] is FigureOutcome.NOT_MEASURED


@pytest.mark.parametrize(
    ("changed", "figure"),
    [
        ({"opcodes": {"HMMA": 101}}, "matrix products (HMMA)"),
        (
            {"metrics": {"sm__inst_executed_pipe_tensor_op_hmma.sum": 99.0}},
            "tensor pipe, its own counter",
        ),
        ({"opcodes": {"LDSM": 25}}, "matrix loads (LDSM)"),
        ({"lanes": {"BAR.SYNC.DEFER_BLOCKING": 288}}, "barriers (BAR)"),
        ({"lanes": {"LDG.E": 64}}, "bytes read, as lanes ask"),
        ({"lanes": {"STG.E": 32}}, "bytes written, as lanes ask"),
        ({"opcodes": {"LDGSTS": 100}}, "copies to shared memory (LDGSTS)"),
        ({"opcodes": {"LDG": 3}}, "global loads (LDG)"),
        ({"grid": (264, 1, 1)}, "blocks launched"),
        ({"metrics": {SECTORS: 703.0}}, "sectors, as warps ask for them"),
        ({"metrics": {"smsp__inst_executed.sum": 3001.0}}, "warp instructions"),
        (
            {"metrics": {"lts__t_sectors_srcunit_tex_op_read.sum": 499.0}},
            "sectors read from L2",
        ),
    ],
)
def test_a_figure_that_differs_is_named(changed: dict[str, Any], figure: str) -> None:
    sound = profiled()
    merged: dict[str, Any] = {
        key: {**getattr(sound, key), **value} if isinstance(value, dict) else value
        for key, value in changed.items()
    }
    found = comparison(replace(sound, **merged))
    assert found.outcome is Outcome.DEFECT
    assert [n for n, o in outcomes(found).items() if o is FigureOutcome.DIFFERS] == [figure]
    out = io.StringIO()
    print_comparison(found, Printer(out))
    assert f"{CELL}: {figure}: emulated" in out.getvalue()
    json.dumps(found.json(), allow_nan=False)


def test_another_order_of_launches_is_a_defect() -> None:
    other = replace(profiled(), kernel="void other<(int)4>(int)")
    found = comparison(other)
    assert found.outcome is Outcome.DEFECT
    assert "the card launches void other" in found.mismatches[0]
    _, mismatches = compare_launches([CELL], [[executed(), executed()]], [profiled()])
    assert mismatches == ("the card makes 1 launches, the emulated one 2",)


def test_every_figure_has_a_reason_and_bounds_where_it_needs_them() -> None:
    for figure in FIGURES:
        assert figure.reason
        judged = compare(figure, executed(), profiled())
        assert judged.outcome is not FigureOutcome.DIFFERS


def test_the_emulated_card_takes_registers_that_were_measured_for_those_estimated(
    tmp_path: Path,
) -> None:
    index = tmp_path / "kernels.txt"
    other = MANGLED.replace("Li4ELi4E", "Li8ELi4E")
    index.write_text(
        f"fatbin 0x40\ncode 90 ptx 89\nkernel {MANGLED} 200 0 16 64 3 1 0:8 8:4\n"
        f"kernel {other} 200 0 16 64 3 1 0:8\nkernel measured 200 0 16 64 3 0 0:8\nend\n"
    )
    session = tmp_path / "session.txt"
    session.write_text(f"llamaproof-shadow-session 1\nlibrary /x.so\nindex {index}\n")
    seen = replace(profiled(), metrics={"launch__registers_per_thread": 255.0})
    take_registers(session, [seen])
    name = session.read_text().splitlines()[-1].removeprefix("index ")
    assert name != str(index)
    changed = Path(name).read_text()
    assert f"kernel {MANGLED} 255 0 16 64 3 1 0:8 8:4\n" in changed
    assert changed.replace(" 255 ", " 200 ") == index.read_text()


def test_time_below_the_models_bound_is_a_defect_of_the_model() -> None:
    gpu = shadow.find_gpu("H200")
    (_, *_, time) = figures_for(gpu)
    least = time.emulated(executed())
    assert least > 0
    for nanoseconds, outcome in (
        (0.9 * least, FigureOutcome.DIFFERS),
        (9 * least, FigureOutcome.WITHIN),
    ):
        real = replace(profiled(), metrics={"gpu__time_duration.sum": nanoseconds})
        assert compare(time, executed(), real).outcome is outcome


def recorded(output: Any) -> Recording:
    return Recording(
        device="NVIDIA H200", ggml_version="0", libraries={}, cells=(CELL,), inputs=("",),
        outputs=(output,), repeatable=True, launches=(profiled(),),
    )  # fmt: skip


def test_results_may_differ_by_rounding_and_no_more() -> None:
    rng = np.random.default_rng(1)
    real = rng.standard_normal((1, 20, 512)).astype(np.float32)
    near = (real * (1 + 2.0**-12 * rng.standard_normal(real.shape))).astype(np.float32)
    (close,) = compare_outputs(recorded(real), [near])
    assert close.holds
    assert 0 < close.nmse < OUTPUT_NMSE_LIMIT
    far = near.copy()
    far[0, 3, :] = real[0, 4, :]
    for wrong in (far, np.where(real > 3, np.nan, near)):
        (result,) = compare_outputs(recorded(real), [wrong.astype(np.float32)])
        assert not result.holds
    (same,) = compare_outputs(recorded(real), [real])
    assert (same.nmse, same.identical) == (0.0, 1.0)


def write_recording(folder: Path, **changes: Any) -> None:
    made = recording.SCHEMA.document(
        target="x", device="NVIDIA H200", ggml_version="0", libraries={"libggml.so": "00"},
        cells=[rows.to_row(CELL)], inputs=["11"], repeatable=True,
    )  # fmt: skip
    document.write(folder / "recording.json", {**made, **changes})
    (folder / "counters.csv").write_text(PAGE)
    np.savez(folder / "outputs.npz", cell0=np.zeros((1, 20, 512), np.float32))


def test_a_recording_is_read_back(tmp_path: Path) -> None:
    write_recording(tmp_path)
    read = recording.load(tmp_path)
    assert (read.cells, read.inputs, len(read.launches)) == ((CELL,), ("11",), 2)


@pytest.mark.parametrize("damage", ["version", "cut short", "no outputs", "too few outputs"])
def test_a_damaged_recording_is_refused(tmp_path: Path, damage: str) -> None:
    write_recording(tmp_path, **({"version": 99} if damage == "version" else {}))
    if damage == "cut short":
        text = (tmp_path / "recording.json").read_text()
        (tmp_path / "recording.json").write_text(text[: len(text) // 2])
    elif damage == "no outputs":
        (tmp_path / "outputs.npz").unlink()
    elif damage == "too few outputs":
        np.savez(tmp_path / "outputs.npz")
    with pytest.raises(BadInput):
        recording.load(tmp_path)


def test_data_is_told_apart_to_the_last_bit() -> None:
    q = np.ones((1, 20, 576), np.float32)
    key, nothing = np.ones((1, 1), np.uint8), np.zeros((0, 1), np.uint8)
    one = Inputs(q=q, cache=CacheRows(k=key, v=None), mask=None, sinks=None)
    assert digest(one) == digest(replace(one, q=q.copy()))
    assert digest(one) != digest(replace(one, cache=CacheRows(k=nothing, v=key)))
    other = q.copy()
    other[0, 0, 0] = np.nextafter(np.float32(1), np.float32(2))
    assert digest(one) != digest(replace(one, q=other))


FAKE_NCU = """#!/usr/bin/env python3
import subprocess, sys
arguments = sys.argv[1:]
if "--import" in arguments:
    print({page!r})
    sys.exit()
at = arguments.index("--metrics")
if "dram__sectors_read.sum" in arguments[at + 1] and {refuses!r} == "one":
    print("==ERROR== Failed to find metric dram__sectors_read.sum")
    sys.exit(1)
if {refuses!r} == "all":
    print("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission")
    sys.exit(1)
open(arguments[arguments.index("--export") + 1], "w").write(arguments[at + 1])
sys.exit(subprocess.call(arguments[at + 2:]))
"""


def fake_ncu(folder: Path, monkeypatch: pytest.MonkeyPatch, refuses: str) -> None:
    program = folder / "ncu"
    program.write_text(FAKE_NCU.format(refuses=refuses, page=PAGE))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_metric_this_chip_lacks_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ncu(tmp_path, monkeypatch, "one")
    report = tmp_path / "report.ncu-rep"
    ncu.profile(["true"], env={"PATH": "/usr/bin:/bin"}, report=report)
    asked = report.read_text().split(",")
    assert set(ncu.METRICS) - set(asked) == {"dram__sectors_read.sum"}


def test_a_profiler_that_may_not_count_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ncu(tmp_path, monkeypatch, "all")
    with pytest.raises(CommandFailed, match="no report"):
        ncu.profile(["true"], env={"PATH": "/usr/bin:/bin"}, report=tmp_path / "report.ncu-rep")


def recorded_by(folder: Path, monkeypatch: pytest.MonkeyPatch, worker: str = "") -> Recording:
    tools = folder / "tools"
    tools.mkdir()
    fake_ncu(tools, monkeypatch, "one")
    target = folder / "target"
    target.mkdir()
    (target / "libggml.so").write_bytes(b"library")
    fake = replace(recording.WORKER, module="tests.support.profile.fake_worker")
    monkeypatch.setattr(recording, "WORKER", fake)
    monkeypatch.setenv("FAKE_WORKER", worker)
    return recording.record(str(target), [CELL], folder / "out")


def test_a_recording_holds_results_counts_and_what_they_are_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recorded_by(tmp_path, monkeypatch)
    assert made.repeatable
    assert (made.device, made.cells, made.inputs) == ("Fake GPU", (CELL,), ("11",))
    assert [x.kernel for x in made.launches] == ["void scan<(int)4>(int *)", "fixup"]
    assert made.libraries["libggml.so"] == sha256_of(tmp_path / "target" / "libggml.so")
    assert np.array_equal(made.outputs[0], np.ones(3))
    assert (tmp_path / "out" / "report.ncu-rep").is_file()


def test_results_that_do_not_repeat_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not recorded_by(tmp_path, monkeypatch, "unsteady").repeatable


def test_a_machine_without_a_gpu_makes_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LlamaproofError, match="no CUDA device"):
        recorded_by(tmp_path, monkeypatch, "refused")
    assert not (tmp_path / "out").exists()


def test_the_cells_cover_what_they_should() -> None:
    assert {c.ratio for c in PROFILE_CELLS if c.heads.latent} == {16, 20}
    assert {1, 8, 35, 64} <= {c.n_tokens for c in PROFILE_CELLS}
    assert {c.types for c in PROFILE_CELLS} == {"f16", "q8_0"}

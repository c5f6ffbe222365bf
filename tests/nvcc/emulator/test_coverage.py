"""Every kernel of a library is decoded, and what is not known is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.emulator.coverage import coverage_of
from llamaproof.errors import HOLDS, NOT_CHECKED
from tests.support.toolkit import compile_library

KNOWN = 'extern "C" __global__ void known(int * p) { p[threadIdx.x] += 1; }\n'
# The clock of a multiprocessor: nothing here keeps one.
UNKNOWN = """
extern "C" __global__ void first(unsigned * p) { asm volatile("mov.u32 %0, %%pm0;" : "=r"(*p)); }
extern "C" __global__ void second(unsigned * p) { asm volatile("mov.u32 %0, %%pm0;" : "=r"(*p)); }
"""


def test_what_is_not_known_is_named_once_for_all_its_kernels(tmp_path: Path) -> None:
    library = compile_library(tmp_path, KNOWN + UNKNOWN, archs=["80", "90"])
    coverage = coverage_of([library])
    assert not coverage
    assert (coverage.modules, coverage.kernels, coverage.refused) == (2, 6, 4)
    assert [refusal.arch for refusal in coverage.refusals] == ["compute_80", "compute_90"]
    for refusal in coverage.refusals:
        assert "%pm0" in refusal.reason
        assert set(refusal.kernels) == {"first", "second"}


def test_the_command_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_library(tmp_path, KNOWN, archs=["80"]).rename(tmp_path / "libggml-cuda.so")
    assert cli.main(["emulate", str(tmp_path), "--coverage"]) == HOLDS
    assert "1 of 1 kernels can be executed" in capsys.readouterr().out
    compile_library(tmp_path, KNOWN + UNKNOWN, archs=["80"]).rename(tmp_path / "libggml-cuda.so")
    assert cli.main(["emulate", str(tmp_path), "--coverage"]) == NOT_CHECKED
    assert "2 of compute_80" in capsys.readouterr().out


def test_a_library_without_ptx_is_not_called_covered(tmp_path: Path) -> None:
    source = "static int unused __attribute__((used));\n"
    assert not coverage_of([compile_library(tmp_path, source, archs=["80"])])

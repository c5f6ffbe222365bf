"""What a package says when it is loaded: settings read wrongly, a CPU that is too old."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from llamaproof.doctor.loading import (
    CPU_FLAGS,
    DEFAULTS,
    Probe,
    examine_probe,
    missing_cpu_flags,
    probe,
    read_cpu_flags,
)

# as llama.cpp prints it
SYSTEM_INFO = "CUDA : ARCHS = 890 | CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | AVX512 = 1 | FMA = 0 | "
OLD_CPU = frozenset({"pni", "ssse3", "avx", "avx2"})


def _probe(**changes: object) -> Probe:
    values: dict[str, object] = {
        "failure": "",
        "devices": ("CUDA0: NVIDIA L40S", "CPU: a CPU"),
        "system_info": "",
        "defaults": dict(DEFAULTS),
        "printed": (),
    }
    return Probe(**{**values, **changes})  # type: ignore[arg-type]


def _codes(loaded: Probe, flags: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in examine_probe(loaded, flags)]


def test_right_bindings_are_fine() -> None:
    assert _codes(_probe()) == [("fine", "bindings")]


@pytest.mark.parametrize(
    "wrong",
    [
        # 0.3.16's bindings on the llama.cpp right after #15434, where the size is still the same
        {"rope_freq_scale": -1.0, "op_offload": False},
        {"n_batch": 512},
        {"type_k": 16256},
        {"rope_freq_base": float("nan")},
    ],
)
def test_settings_that_read_as_others_stop(wrong: Mapping[str, float]) -> None:
    loaded = _probe(defaults={**DEFAULTS, **wrong})
    assert _codes(loaded) == [("stops", "bindings")]
    assert all(name in examine_probe(loaded, ())[0].what for name in wrong)


def test_a_setting_that_is_not_bound_is_not_missed() -> None:
    without = {name: value for name, value in DEFAULTS.items() if name != "swa_full"}
    assert _codes(_probe(defaults=without)) == [("fine", "bindings")]


def test_a_build_for_a_newer_cpu_stops() -> None:
    assert missing_cpu_flags(SYSTEM_INFO, OLD_CPU) == ("AVX512",)
    found = _codes(_probe(system_info=SYSTEM_INFO), OLD_CPU)
    assert ("stops", "illegal-instruction") in found


def test_without_cpu_flags_nothing_is_claimed() -> None:
    assert missing_cpu_flags(SYSTEM_INFO, ()) == ()


def test_flags_are_read_as_linux_lists_them(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx avx2\n\nprocessor\t: 1\n")
    assert read_cpu_flags(cpuinfo) == {"fpu", "avx", "avx2"}
    assert read_cpu_flags(tmp_path / "none") == frozenset()


def test_this_cpu_lists_flags_that_are_asked_for() -> None:
    flags = read_cpu_flags()
    assert not flags or flags & set(CPU_FLAGS.values())


def _package(folder: Path, source: str) -> Path:
    package = folder / "llama_cpp"
    package.mkdir()
    (package / "__init__.py").write_text("from .llama_cpp import *\n")
    (package / "llama_cpp.py").write_text(source)
    return package


@pytest.mark.parametrize("whole", [True, False])
def test_the_loaders_own_words_are_kept(whole: bool, tmp_path: Path) -> None:
    package = _package(tmp_path, "import ctypes\nctypes.CDLL('libcudart.so.99')\n")
    loaded = probe(package, os.environ, whole=whole)
    assert "libcudart.so.99" in loaded.failure
    assert _codes(loaded) == [("stops", "no-cuda-library")]


def test_a_missing_dependency_is_found_only_by_importing_the_whole(tmp_path: Path) -> None:
    package = _package(tmp_path, "raise OSError('reached')\n")
    (package / "__init__.py").write_text("import no_such_module_anywhere\n")
    assert _codes(probe(package, os.environ, whole=True)) == [("stops", "no-dependency")]
    assert "reached" in probe(package, os.environ, whole=False).failure


def test_an_illegal_instruction_is_recognised(tmp_path: Path) -> None:
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"
    loaded = probe(_package(tmp_path, source), os.environ, whole=False)
    assert _codes(loaded) == [("stops", "illegal-instruction")]


def test_bindings_are_loaded_without_their_python_dependencies(tmp_path: Path) -> None:
    source = (
        "import sys\nfrom typing_extensions import TypeAlias\n"
        "assert 'llama_cpp.chat' not in sys.modules\nraise OSError(f'{TypeAlias} came')\n"
    )
    package = _package(tmp_path, source)
    (package / "__init__.py").write_text("import llama_cpp.chat\n")
    assert "TypeAlias came" in probe(package, os.environ, whole=False).failure

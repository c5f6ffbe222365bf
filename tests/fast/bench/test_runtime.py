"""CUDA's libraries are found where pip and toolkits put them, and only when nothing leads there."""

from __future__ import annotations

import sys
from pathlib import Path

from llamaproof.process import run

PROGRAM = """
import ctypes, sys
from pathlib import Path
from llamaproof.bench.runtime import load_installed
sys.path.append(sys.argv[2])
load_installed([Path(sys.argv[1])])
print("loaded", ctypes.CDLL(sys.argv[1]).answer())
"""


def compile_library(path: Path, source: str, *options: str | Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_suffix(".c")
    code.write_text(source)
    run(["gcc", "-shared", "-fPIC", "-o", path, code, f"-Wl,-soname,{path.name}", *options])
    return path


def backend(folder: Path, *options: str | Path) -> Path:
    """A libggml-cuda that needs a libcudart, which lies as pip lays it."""
    site = folder / "site"
    cudart = compile_library(
        site / "nvidia/cu99/lib/libcudart.so.99", "int runtime(void) { return 42; }"
    )
    source = "int runtime(void); int answer(void) { return runtime(); }"
    path = folder / "libggml-cuda.so"
    return compile_library(path, source, cudart, *options)


def test_cudart_is_found_among_the_packages(tmp_path: Path) -> None:
    library = backend(tmp_path)
    done = run([sys.executable, "-c", PROGRAM, library, tmp_path / "site"])
    assert done.lines[-1] == "loaded 42"


def test_without_it_the_loader_says_what_is_missing(tmp_path: Path) -> None:
    library = backend(tmp_path)
    done = run([sys.executable, "-c", PROGRAM, library, tmp_path / "elsewhere"], check=False)
    assert done.returncode != 0 and "libcudart.so.99" in done.output


def test_the_librarys_own_search_path_comes_first(tmp_path: Path) -> None:
    library = backend(tmp_path, "-Wl,-rpath,$ORIGIN/own")
    compile_library(tmp_path / "own/libcudart.so.99", "int runtime(void) { return 7; }")
    done = run([sys.executable, "-c", PROGRAM, library, tmp_path / "site"])
    assert done.lines[-1] == "loaded 7"

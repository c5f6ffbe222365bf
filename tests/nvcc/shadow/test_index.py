"""The index of a library's kernels, as nvcc compiles them."""

from __future__ import annotations

from pathlib import Path

from llamaproof.shadow.index import write_index
from tests.support.toolkit import compile_library

_SOURCE = """
__global__ void __launch_bounds__(128, 4) narrow(float * x) { x[threadIdx.x] = 1.0f; }
__global__ void open(float * x) { x[threadIdx.x] = 1.0f; }
void run(float * x) { narrow<<<1, 32>>>(x); open<<<1, 32>>>(x); }
"""


def _registers(index: Path) -> dict[int, dict[str, tuple[int, bool]]]:
    """By sm and kernel: registers, and whether they are an estimate."""
    found: dict[int, dict[str, tuple[int, bool]]] = {}
    for line in index.read_text().splitlines():
        words = line.split()
        if words[0] == "code":
            here = found.setdefault(int(words[1]), {})
        elif words[0] == "kernel":
            here[words[1]] = (int(words[2]), words[7] == "1")
    return found


def test_registers_of_ptx_are_those_of_the_nearest_machine_code_and_marked(tmp_path: Path) -> None:
    library = compile_library(tmp_path, _SOURCE, archs=("80",))
    found = _registers(write_index(library, [75, 80, 86, 90], cache=tmp_path / "cache"))
    assert sorted(found) == [80, 86, 90]
    assert found[86] == found[80]
    assert found[90] == {name: (count, True) for name, (count, _) in found[80].items()}
    assert not any(estimated for _, estimated in found[80].values())


def test_without_machine_code_launch_bounds_set_the_estimate(tmp_path: Path) -> None:
    only_ptx = ("-gencode=arch=compute_80,code=compute_80",)
    library = compile_library(tmp_path, _SOURCE, archs=(), options=only_ptx)
    found = _registers(write_index(library, [90], cache=tmp_path / "cache"))
    # 65536 registers for 4 blocks of 128 threads, or for one of 1024.
    assert found == {90: {"_Z6narrowPf": (128, True), "_Z4openPf": (64, True)}}


def test_an_index_is_made_once_for_a_librarys_content(tmp_path: Path) -> None:
    library = compile_library(tmp_path, _SOURCE, archs=("80",))
    cache = tmp_path / "cache"
    first = write_index(library, [80], cache=cache)
    copy = tmp_path / "copy.so"
    copy.write_bytes(library.read_bytes())
    before = first.stat().st_mtime_ns
    assert write_index(copy, [80], cache=cache) == first
    assert first.stat().st_mtime_ns == before
    copy.write_bytes(library.read_bytes() + b"\0")
    assert write_index(copy, [80], cache=cache) != first


def test_ptx_is_written_out_where_kernels_will_be_executed(tmp_path: Path) -> None:
    library = compile_library(tmp_path, _SOURCE, archs=("80",))
    index = write_index(library, [90], cache=tmp_path / "cache", keep_ptx=True)
    (line,) = (x for x in index.read_text().splitlines() if x.startswith("ptx "))
    _, sm, path = line.split(" ", 2)
    assert sm == "80"
    assert ".entry _Z6narrowPf" in Path(path).read_text()

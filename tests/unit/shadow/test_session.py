"""Sessions: what a target asks for, and a process that plays a GPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.process import Completed, run
from llamaproof.shadow.index import write_index
from tests.unit.shadow import elf_writer as write
from tests.unit.shadow.native import NATIVE, needs_native
from tests.unit.shadow.toolkit import compile_library, needs_toolkit

_CODE = """
__attribute__((section(".nv_fatbin"))) const char code[16] = {0};
extern "C" int cudaGetDeviceCount(int *);
extern "C" int cudaMallocPitch();
extern "C" int ncclAllReduce();
extern "C" int devices() { int count = -1; int error = CALL; return error ? -error : count; }
"""


def _library(folder: Path, name: str, *links: str | Path, call: str = "(count = 0)") -> Path:
    source = folder / f"{name}.cpp"
    source.write_text(_CODE)
    library = folder / f"lib{name}.so"
    run(["g++", "-shared", "-fPIC", f"-DCALL={call}", source, *links, "-o", library])
    return library


def _stub_runtime(folder: Path, soname: str) -> Path:
    """A runtime to link to: one function, under CUDA 12's version node."""
    source = folder / "runtime.cpp"
    source.write_text('extern "C" int cudaGetDeviceCount(int *) { return 0; }')
    versions = folder / "runtime.map"
    versions.write_text("libcudart.so.12 { global: *; };")
    library = folder / soname
    options = [f"-Wl,-soname,{soname}", f"-Wl,--version-script={versions}"]
    run(["g++", "-shared", "-fPIC", source, *options, "-o", library])
    return library


def _worker(script: str, *arguments: object, check: bool = True) -> Completed:
    return run([sys.executable, "-c", script, *map(str, arguments)], check=check)


_COUNT_DEVICES = """
import ctypes, sys
from pathlib import Path
from llamaproof import shadow
library, folder, cards = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
gpus = [shadow.find_gpu(card) for card in cards]
runtime = shadow.load(shadow.prepare([library], gpus, folder=folder, cache=folder))
print(ctypes.CDLL(str(library)).devices())
print([type(record).__name__ for record in runtime.records()])
"""


@needs_native
@pytest.mark.parametrize("major", [12, 13])
def test_a_library_finds_the_stand_ins_and_the_cards_they_play(tmp_path: Path, major: int) -> None:
    runtime = NATIVE / f"cuda{major}" / f"libcudart.so.{major}"
    library = _library(
        tmp_path, "target", runtime, f"-Wl,-rpath-link,{NATIVE}", call="cudaGetDeviceCount(&count)"
    )
    assert _worker(_COUNT_DEVICES, library, tmp_path, "L40S", "T4").lines == ("2", "[]")
    # A machine without a GPU: cudaErrorNoDevice, and the refusal stands in the records.
    assert _worker(_COUNT_DEVICES, library, tmp_path).lines == ("-100", "['Refusal']")


@needs_native
def test_a_runtime_that_was_renamed_when_it_was_bundled_is_found(tmp_path: Path) -> None:
    name = "libcudart-9f3b1c2d.so.12.8.90"
    bundled = _stub_runtime(tmp_path, name)
    library = _library(tmp_path, "target", bundled, call="cudaGetDeviceCount(&count)")
    bundled.unlink()
    assert _worker(_COUNT_DEVICES, library, tmp_path, "H200").lines == ("1", "[]")


@needs_native
def test_a_library_linked_to_nccl_loads_and_a_collective_ends_with_its_name(tmp_path: Path) -> None:
    links: list[str | Path] = [
        "-Wl,--no-as-needed",
        NATIVE / "cuda13" / "libcudart.so.13",
        NATIVE / "cuda13" / "libnccl.so.2",
        f"-Wl,-rpath-link,{NATIVE}",
    ]
    count = _library(tmp_path, "count", *links, call="cudaGetDeviceCount(&count)")
    assert _worker(_COUNT_DEVICES, count, tmp_path, "L40S", "L40S").lines == ("2", "[]")
    reduce = _library(tmp_path, "reduce", *links, call="ncclAllReduce()")
    ended = _worker(_COUNT_DEVICES, reduce, tmp_path, "L40S", check=False)
    assert ended.returncode == -6
    assert "ncclAllReduce was called" in ended.output


@needs_native
def test_a_call_nobody_wrote_ends_the_process_with_its_name(tmp_path: Path) -> None:
    runtime = NATIVE / "cuda13" / "libcudart.so.13"
    library = _library(
        tmp_path, "target", runtime, f"-Wl,-rpath-link,{NATIVE}", call="cudaMallocPitch()"
    )
    ended = _worker(_COUNT_DEVICES, library, tmp_path, "L40S", check=False)
    assert ended.returncode == -6
    assert "cudaMallocPitch was called" in ended.output


def test_a_cpu_only_build_is_said_to_be_one(tmp_path: Path) -> None:
    source = tmp_path / "host.cpp"
    source.write_text("int f() { return 1; }")
    library = tmp_path / "libggml-cpu.so"
    run(["g++", "-shared", "-fPIC", source, "-o", library])
    with pytest.raises(BadInput, match="CPU-only"):
        shadow.cuda_needs([library])


def test_a_static_runtime_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="static CUDA runtime"):
        shadow.cuda_needs([_library(tmp_path, "static")])


def test_a_library_for_another_machine_is_refused(tmp_path: Path) -> None:
    library = _library(tmp_path, "foreign")
    data = bytearray(library.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    library.write_bytes(data)
    with pytest.raises(BadInput, match="another machine"):
        shadow.cuda_needs([library])


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "libggml-cuda.so"
    library.write_text("not a library")
    with pytest.raises(BadInput, match="not a readable ELF"):
        shadow.cuda_needs([library])
    library.write_bytes(write.elf([write.Section(name=".text", content=b"\x90")]))
    with pytest.raises(BadInput, match="no dynamic section"):
        shadow.cuda_needs([library])


@needs_native
def test_libraries_for_two_cuda_versions_at_once_are_refused(tmp_path: Path) -> None:
    both = [NATIVE / "cuda13" / "libcudart.so.13", NATIVE / "cuda12" / "libcublas.so.12"]
    library = _library(tmp_path, "mixed", "-Wl,--no-as-needed", *both, f"-Wl,-rpath-link,{NATIVE}")
    with pytest.raises(BadInput, match="several CUDA versions"):
        shadow.cuda_needs([library])


def test_native_libraries_that_are_not_built_are_asked_for(tmp_path: Path) -> None:
    runtime = _stub_runtime(tmp_path, "libcudart.so.12")
    library = _library(tmp_path, "target", runtime, call="cudaGetDeviceCount(&count)")
    with pytest.raises(BadInput, match="not built"):
        shadow.prepare(
            [library], [shadow.find_gpu("T4")], folder=tmp_path, cache=tmp_path, native=tmp_path
        )


@needs_native
def test_a_process_has_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMAPROOF_SHADOW_SESSION", "/another/session")
    session = shadow.Session(
        file=tmp_path / "session.txt", gpus=(), mode="record", cuda_major=13, preload=()
    )
    with pytest.raises(LlamaproofError, match="already runs a session"):
        shadow.load(session)


@needs_native
@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text[10:], "should begin with"),
        (lambda text: text + "colour blue\n", '"colour" is not known'),
        (lambda text: text.replace("sm 89", "sm many"), '"many" is no number'),
        (lambda text: text.replace("mode record", "mode guess"), "mode is record or execute"),
    ],
)
def test_a_damaged_session_file_is_named_with_its_line(
    tmp_path: Path, damage: object, complaint: str
) -> None:
    runtime = NATIVE / "cuda13" / "libcudart.so.13"
    library = _library(
        tmp_path, "target", runtime, f"-Wl,-rpath-link,{NATIVE}", call="cudaGetDeviceCount(&count)"
    )
    session = shadow.prepare(
        [library], [shadow.find_gpu("L40S")], folder=tmp_path, cache=tmp_path / "cache"
    )
    session.file.write_text(damage(session.file.read_text()))  # type: ignore[operator]
    script = f"import ctypes\nctypes.CDLL({str(library)!r}).devices()"
    environment = {**os.environ, **session.environment, "LD_LIBRARY_PATH": str(runtime.parent)}
    ended = run([sys.executable, "-c", script], env=environment, check=False)
    assert ended.returncode == -6
    assert complaint in ended.output
    assert "session.txt, line" in ended.output


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


@needs_toolkit
def test_registers_of_ptx_are_those_of_the_nearest_machine_code_and_marked(tmp_path: Path) -> None:
    library = compile_library(tmp_path, _SOURCE, archs=("80",))
    found = _registers(write_index(library, [75, 80, 86, 90], cache=tmp_path / "cache"))
    assert sorted(found) == [80, 86, 90]
    assert found[86] == found[80]
    assert found[90] == {name: (count, True) for name, (count, _) in found[80].items()}
    assert not any(estimated for _, estimated in found[80].values())


@needs_toolkit
def test_without_machine_code_launch_bounds_set_the_estimate(tmp_path: Path) -> None:
    only_ptx = ("-gencode=arch=compute_80,code=compute_80",)
    library = compile_library(tmp_path, _SOURCE, archs=(), options=only_ptx)
    found = _registers(write_index(library, [90], cache=tmp_path / "cache"))
    # 65536 registers for 4 blocks of 128 threads, or for one of 1024.
    assert found == {90: {"_Z6narrowPf": (128, True), "_Z4openPf": (64, True)}}


def test_a_cache_that_cannot_be_made_is_said_with_what_to_set(tmp_path: Path) -> None:
    library = tmp_path / "libdevice.so"
    library.write_bytes(write.elf([write.Section(name=".nv_fatbin", content=bytes(16))]))
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(LlamaproofError, match="XDG_CACHE_HOME"):
        write_index(library, [89], cache=tmp_path / "cache")


@needs_toolkit
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


@needs_toolkit
def test_ptx_is_written_out_where_kernels_will_be_executed(tmp_path: Path) -> None:
    library = compile_library(tmp_path, _SOURCE, archs=("80",))
    index = write_index(library, [90], cache=tmp_path / "cache", keep_ptx=True)
    (line,) = (x for x in index.read_text().splitlines() if x.startswith("ptx "))
    _, sm, path = line.split(" ", 2)
    assert sm == "80"
    assert ".entry _Z6narrowPf" in Path(path).read_text()

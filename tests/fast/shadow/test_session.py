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
from tests.support.binary import elf_writer as write
from tests.support.needs import NATIVE

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


@pytest.mark.parametrize("major", [12, 13])
def test_a_library_finds_the_stand_ins_and_the_cards_they_play(tmp_path: Path, major: int) -> None:
    runtime = NATIVE / f"cuda{major}" / f"libcudart.so.{major}"
    library = _library(
        tmp_path, "target", runtime, f"-Wl,-rpath-link,{NATIVE}", call="cudaGetDeviceCount(&count)"
    )
    assert _worker(_COUNT_DEVICES, library, tmp_path, "L40S", "T4").lines == ("2", "[]")
    # A machine without a GPU: cudaErrorNoDevice, and the refusal stands in the records.
    assert _worker(_COUNT_DEVICES, library, tmp_path).lines == ("-100", "['Refusal']")


def test_a_runtime_that_was_renamed_when_it_was_bundled_is_found(tmp_path: Path) -> None:
    name = "libcudart-9f3b1c2d.so.12.8.90"
    bundled = _stub_runtime(tmp_path, name)
    library = _library(tmp_path, "target", bundled, call="cudaGetDeviceCount(&count)")
    bundled.unlink()
    assert _worker(_COUNT_DEVICES, library, tmp_path, "H200").lines == ("1", "[]")


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


def test_a_process_has_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMAPROOF_SHADOW_SESSION", "/another/session")
    session = shadow.Session(
        file=tmp_path / "session.txt", gpus=(), mode="record", cuda_major=13, preload=()
    )
    with pytest.raises(LlamaproofError, match="already runs a session"):
        shadow.load(session)


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


def test_a_cache_that_cannot_be_made_is_said_with_what_to_set(tmp_path: Path) -> None:
    library = tmp_path / "libdevice.so"
    library.write_bytes(write.elf([write.Section(name=".nv_fatbin", content=bytes(16))]))
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(LlamaproofError, match="XDG_CACHE_HOME"):
        write_index(library, [89], cache=tmp_path / "cache")

"""What the files of a llama_cpp package say, before anything of it is loaded."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof.binary.code_on_card import Arch
from llamaproof.binary.cuda_libraries import CudaLibrary, cuda_libraries
from llamaproof.binary.elf import Elf, read_elf
from llamaproof.binary.fatbin import read_fatbins
from llamaproof.binary.loaded_code import loaded_code
from llamaproof.binary.manylinux import newest
from llamaproof.binary.ptx_release import cuda_for_loaded_ptx
from llamaproof.doctor.findings import DoctorFinding, fine, note, stops, unclear
from llamaproof.errors import BadInput
from llamaproof.target import Target

CUDA_BACKEND = re.compile(r"libggml-cuda\.so(\.\d+)*$")
_OTHER_BACKENDS = re.compile(r"libggml-(hip|vulkan|sycl|metal|cann|musa|opencl)\.so(\.\d+)*$")

REINSTALL = (
    "install a wheel that was built with CUDA, and see that pip does not build one without: "
    "pip install --force-reinstall --no-cache-dir --only-binary :all: WHEEL"
)
# The oldest sm that nvcc of CUDA 13 compiles for; that of CUDA 12 compiles for older ones too.
_OLDEST_OF_CUDA_13 = 75
_OLDER_BUILD = "install a wheel built on an older Linux, or build one here"


@dataclass(frozen=True, kw_only=True)
class Host:
    """What a library may ask of this machine; None where it could not be found out."""

    machine: str
    glibc: tuple[int, ...] | None
    glibcxx: tuple[int, ...] | None

    @classmethod
    def here(cls) -> Host:
        name, version = platform.libc_ver()
        glibc = _numbers(version) if name == "glibc" and version else None
        return cls(machine=platform.machine(), glibc=glibc, glibcxx=_newest_glibcxx())


def cuda_backend(target: Target) -> Path | None:
    """The target's libggml-cuda; None for a build without CUDA."""
    if not target.lib_dir.is_dir():
        return None
    return next((p for p in target.libraries if CUDA_BACKEND.match(p.name)), None)


def linked_cuda(target: Target) -> int | None:
    """The CUDA major version of the runtime that libggml-cuda is linked to, where it says one."""
    backend = cuda_backend(target)
    if backend is None:
        return None
    return next((x.cuda_major for x in _of_cuda(read_elf(backend).needed)), None)


def examine_package(target: Target, host: Host, environ: Mapping[str, str]) -> list[DoctorFinding]:
    """What can be told from the files alone."""
    if not target.lib_dir.is_dir() or not target.libraries:
        return [
            stops(
                "no-libraries", f"there are no llama.cpp libraries in {target.lib_dir}", REINSTALL
            )
        ]
    try:
        elves = [read_elf(path) for path in target.libraries]
    except BadInput as error:
        return [stops("damaged", f"{error.what} ({error.where})", REINSTALL)]
    return [
        *_override(environ),
        *_machine(elves, host),
        *_backend(target, elves),
        *_system_libraries(elves, host),
    ]


def examine_code(
    backend: Path, sm: int, gpu: str, driver_cuda: tuple[int, int] | None = None
) -> DoctorFinding:
    """Whether libggml-cuda has code for a GPU.

    Args:
        sm: its compute capability as one number: 89 is 8.9.
        driver_cuda: the CUDA of the driver that is to compile PTX, where there is one.
    """
    try:
        there = {entry.arch for fatbin in read_fatbins(backend) for entry in fatbin.entries}
        loaded = loaded_code([backend], sm)
        ptx_cuda = cuda_for_loaded_ptx(backend, sm)
    except BadInput as error:
        return unclear("code-unread", f"its GPU code cannot be read: {error.what}", "reinstall it")
    if not there:
        return unclear("code-unread", f"{backend.name} holds no GPU code that is known here", "")
    has = ", ".join(map(str, sorted(there, key=_arch_order)))
    if not loaded:
        return stops(
            "no-code",
            f"{backend.name} has no code for {gpu} (sm_{sm}): it has {has}",
            f"install a wheel for sm_{sm}, or build one with {_how_to_build_for(sm)}",
        )
    if ptx_cuda is not None and driver_cuda is not None and driver_cuda < ptx_cuda:
        return stops(
            "old-driver-for-ptx",
            f"{backend.name} has only PTX of CUDA {_words(ptx_cuda)} for sm_{sm}, and the driver "
            f"compiles that of CUDA {_words(driver_cuda)} and older",
            f"update the driver, or take a wheel with machine code for sm_{sm}, built with "
            f"{_how_to_build_for(sm)}",
        )
    compiled = ", ".join(str(arch) for arch in loaded if arch.kind == "ptx")
    if compiled:
        return note(
            "from-ptx",
            f"{backend.name} has no machine code for sm_{sm}: the driver compiles {compiled} "
            "at the first start, which takes minutes",
            f"a wheel built with {_how_to_build_for(sm)} starts at once",
        )
    chosen = ", ".join(map(str, loaded))
    return fine("code", f"{backend.name} has code for {gpu}: {chosen} (of {has})")


def _how_to_build_for(sm: int) -> str:
    cuda = "" if sm >= _OLDEST_OF_CUDA_13 else "CUDA=12 "
    return f"{cuda}CUDA_ARCH={sm}"


def _words(cuda: tuple[int, int]) -> str:
    return ".".join(map(str, cuda))


def _override(environ: Mapping[str, str]) -> Iterable[DoctorFinding]:
    path = environ.get("LLAMA_CPP_LIB_PATH")
    if path:
        yield note(
            "override",
            f"LLAMA_CPP_LIB_PATH makes the bindings load other libraries, from {path}",
            "unset LLAMA_CPP_LIB_PATH unless those are of the same release",
        )


def _machine(elves: Sequence[Elf], host: Host) -> Iterable[DoctorFinding]:
    built_for = {elf.machine for elf in elves}
    if built_for != {host.machine}:
        yield stops(
            "other-machine",
            f"the libraries are for {', '.join(sorted(built_for))}, this machine is {host.machine}",
            "install the wheel for this machine",
        )


def _backend(target: Target, elves: Sequence[Elf]) -> Iterable[DoctorFinding]:
    if cuda_backend(target) is None:
        other = [e.path.name for e in elves if _OTHER_BACKENDS.match(e.path.name)]
        if other:
            yield unclear(
                "other-backend",
                f"it is built for another kind of GPU code ({', '.join(other)}), not for CUDA",
                "llamaproof knows CUDA only",
            )
            return
        yield stops("cpu-only", "it is built without CUDA: everything runs on the CPU", REINSTALL)
        return
    needed = _of_cuda(name for elf in elves for name in elf.needed)
    if not needed:
        yield note("static-cudart", "its CUDA runtime is linked in statically")
        return
    words = ", ".join(sorted({library.plain_soname for library in needed}))
    if len({library.cuda_major for library in needed}) > 1:
        yield stops("mixed-cuda", f"it needs libraries of two CUDA versions: {words}", REINSTALL)
    else:
        yield fine("cuda", f"it is built with CUDA: it needs {words}")


def _of_cuda(sonames: Iterable[str]) -> list[CudaLibrary]:
    return [x for x in cuda_libraries(sonames) if x.cuda_major is not None]


def _system_libraries(elves: Sequence[Elf], host: Host) -> Iterable[DoctorFinding]:
    names = [name for elf in elves for name in elf.needed_versions]
    for family, has in (("GLIBC", host.glibc), ("GLIBCXX", host.glibcxx)):
        needs = newest(names, family)
        if needs is None or has is None:
            continue
        if needs > has:
            yield stops(
                f"{family.lower()}-too-new",
                f"it needs {family}_{_dotted(needs)}, this system has {_dotted(has)}",
                _OLDER_BUILD,
            )
        else:
            yield fine(
                family.lower(), f"it needs {family} {_dotted(needs)}, here is {_dotted(has)}"
            )


def _newest_glibcxx() -> tuple[int, ...] | None:
    """The newest GLIBCXX that this system's libstdc++ has; None where it is not found."""
    for path in _loaded_libstdcxx():
        found = re.findall(rb"GLIBCXX_(\d+(?:\.\d+)+)\0", path.read_bytes())
        if found:
            return max(_numbers(version.decode()) for version in found)
    return None


def _loaded_libstdcxx() -> Iterable[Path]:
    folders = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64")
    for folder in folders:
        path = Path(folder, "libstdc++.so.6")
        if path.is_file():
            yield path


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _arch_order(arch: Arch) -> tuple[str, int, str]:
    return arch.kind, arch.sm, arch.suffix

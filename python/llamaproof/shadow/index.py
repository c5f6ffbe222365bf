"""What the kernels of a library need on each sm, written down for the shadow runtime.

The runtime answers occupancy and launch checks from the machine code's own figures. They are read
once for a library's content and kept in a cache folder, under the library's SHA-256.

Where a card has no machine code and the driver would compile PTX, registers are not known. They
are then those of the same kernel's machine code for the nearest sm in the same library, or, where
there is none, the most that the kernel's launch bounds allow. Both are marked as estimates, in the
index and in every record of a launch.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from llamaproof.binary.cubin import read_kernels
from llamaproof.binary.fatbin import Entry, Fatbin, read_code, read_fatbins, read_ptx
from llamaproof.binary.kernel_figures import Kernel
from llamaproof.binary.loaded_code import select
from llamaproof.binary.ptx_header import read_ptx_kernels
from llamaproof.errors import LlamaproofError
from llamaproof.files import sha256_of, write_whole

_FORMAT = 1
_REGISTERS_PER_BLOCK = 65536
_MOST_REGISTERS = 255
_LARGEST_BLOCK = 1024


def default_cache() -> Path:
    """The folder indexes are kept in: `$XDG_CACHE_HOME/llamaproof/shadow` or below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(base) / "llamaproof" / "shadow"


def write_index(library: Path, sms: Iterable[int], *, cache: Path, keep_ptx: bool = False) -> Path:
    """Make the index of a library for devices of these sms; returns the file's path.

    A file of the same content is taken from the cache.

    Args:
        library: an ELF library with device code.
        sms: of the devices that will be played.
        cache: folder for indexes.
        keep_ptx: also write out the PTX each sm would take, for executing kernels.

    Raises:
        BadInput: the library's device code is damaged.
        LlamaproofError: the cache folder cannot be made.
    """
    wanted = sorted(set(sms))
    folder = cache / sha256_of(library)
    name = f"kernels-{_FORMAT}-{'-'.join(map(str, wanted))}{'-ptx' if keep_ptx else ''}.txt"
    path = folder / name
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LlamaproofError(
            f"cannot keep what the kernels need: {error.strerror or error}",
            where=folder,
            hint="set XDG_CACHE_HOME to a folder that can be written",
        ) from error
    ptx = _PtxFolder(folder=folder, library=library) if keep_ptx else None
    lines = _index_lines(library, wanted, ptx)
    write_whole(path, "\n".join(lines) + "\n")
    return path


@dataclasses.dataclass(frozen=True, kw_only=True)
class _PtxFolder:
    folder: Path
    library: Path

    def write(self, entry: Entry) -> Path:
        path = self.folder / f"{entry.offset:x}.ptx"
        if not path.is_file():
            write_whole(path, read_ptx(self.library, entry))
        return path


def _index_lines(library: Path, sms: list[int], ptx: _PtxFolder | None) -> Iterator[str]:
    yield f"llamaproof-kernel-index {_FORMAT}"
    for found in read_fatbins(library):
        yield f"fatbin {found.address:#x}"
        codes = _Codes(library=library, found=found)
        for sm in sms:
            chosen = select(found.entries, sm)
            if chosen is None:
                continue
            yield f"code {sm} {chosen.kind} {chosen.arch.sm}"
            text = select((e for e in found.entries if e.kind == "ptx"), sm)
            if ptx is not None and text is not None:
                yield f"ptx {text.arch.sm} {ptx.write(text)}"
            estimates = codes.nearest_kernels(sm) if chosen.kind == "ptx" else {}
            for kernel in codes.kernels(chosen):
                yield _kernel_line(kernel, estimates.get(kernel.name))
    yield "end"


class _Codes:
    """The kernels of a fatbin's entries, each read at most once."""

    def __init__(self, *, library: Path, found: Fatbin) -> None:
        self._library = library
        self._found = found
        self._read: dict[Entry, tuple[Kernel, ...]] = {}

    def kernels(self, entry: Entry) -> tuple[Kernel, ...]:
        if entry not in self._read:
            if entry.kind == "cubin":
                code = read_code(self._library, entry)
                self._read[entry] = read_kernels(code, where=self._library)
            else:
                text = read_ptx(self._library, entry)
                self._read[entry] = read_ptx_kernels(text)
        return self._read[entry]

    def nearest_kernels(self, sm: int) -> Mapping[str, Kernel]:
        cubins = [e for e in self._found.entries if e.kind == "cubin"]
        if not cubins:
            return {}
        nearest = min(cubins, key=lambda e: abs(e.arch.sm - sm))
        return {kernel.name: kernel for kernel in self.kernels(nearest)}


def _kernel_line(kernel: Kernel, similar: Kernel | None) -> str:
    registers, local, estimated = kernel.registers, kernel.local_bytes, 0
    if registers is None:
        estimated = 1
        registers = similar.registers if similar is not None else None
        local = similar.local_bytes if similar is not None else 0
    if registers is None:
        registers = _bounded_registers(kernel)
    figures = (
        registers,
        kernel.shared_bytes,
        local or 0,
        kernel.max_threads or 0,
        kernel.constant_bytes,
        estimated,
    )
    parameters = (f"{p.offset}:{p.size}" for p in kernel.parameters)
    return " ".join(("kernel", kernel.name, *map(str, figures), *parameters))


def _bounded_registers(kernel: Kernel) -> int:
    threads = (kernel.max_threads or _LARGEST_BLOCK) * (kernel.min_blocks or 1)
    # The assembler hands registers out in steps of 8.
    return min(_MOST_REGISTERS, _REGISTERS_PER_BLOCK // threads // 8 * 8)

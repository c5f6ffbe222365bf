"""What PTX text says of its kernels before any of their instructions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llamaproof.binary.kernel_figures import Kernel, Parameter

# Patterns begin with what is rare: a library's PTX has hundreds of megabytes of text.
_PTX_ENTRY = re.compile(r"\.entry\s+([\w$]+)")
_PTX_PARAM = re.compile(
    r"\.param\s+(?:\.align\s+(\d+)\s+)?\.([a-z]+)(\d+)((?:\s+\.\w+(?:\s+\d+)?)*)\s+[\w$]+"
    r"(?:\[(\d+)\])?"
)
_PTX_SHARED = re.compile(r"\.shared\s+(?:\.align\s+\d+\s+)?\.[a-z]+(\d+)\s+([\w$]+)(?:\[(\d+)\])?;")
_PTX_MAXNTID = re.compile(r"\.(?:max|req)ntid\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?")
_PTX_MINBLOCKS = re.compile(r"\.minnctapersm\s+(\d+)")


def read_ptx_kernels(text: str) -> tuple[Kernel, ...]:
    """The kernels of PTX text, by name. What only the assembler decides is None."""
    first = _PTX_ENTRY.search(text)
    module_shared = _declared_shared(text[: first.start()]) if first else {}
    kernels = (_kernel(name, code, module_shared) for name, code in split_kernels(text))
    return tuple(sorted(kernels, key=lambda kernel: kernel.name))


def split_kernels(text: str) -> Iterator[tuple[str, str]]:
    """The name of each kernel of PTX text, and the text from behind it to the next kernel."""
    entries = list(_PTX_ENTRY.finditer(text))
    places = [*(entry.start() for entry in entries), len(text)]
    for entry, end in zip(entries, places[1:], strict=True):
        yield entry.group(1), text[entry.end() : end]


def _kernel(name: str, code: str, module_shared: dict[str, int]) -> Kernel:
    head, _, body = code.partition("{")
    used = sum(size for symbol, size in module_shared.items() if symbol in body)
    threads = _PTX_MAXNTID.search(head)
    blocks = _PTX_MINBLOCKS.search(head)
    return Kernel(
        name=name,
        registers=None,
        shared_bytes=used + sum(_declared_shared(body).values()),
        reserved_shared_bytes=0,
        local_bytes=None,
        max_threads=_product(threads.groups()) if threads else None,
        min_blocks=int(blocks.group(1)) if blocks else None,
        constant_bytes=0,
        parameters=_ptx_parameters(head),
    )


def _ptx_parameters(head: str) -> tuple[Parameter, ...]:
    parameters = []
    offset = 0
    for match in _PTX_PARAM.finditer(head):
        align, _, bits, _, count = match.groups()
        element = int(bits) // 8
        size = element * int(count) if count else element
        alignment = int(align) if align else element
        offset = -(-offset // alignment) * alignment
        parameters.append(Parameter(offset=offset, size=size))
        offset += size
    return tuple(parameters)


def _declared_shared(text: str) -> dict[str, int]:
    return {
        name: int(bits) // 8 * int(count or 1) for bits, name, count in _PTX_SHARED.findall(text)
    }


def _product(parts: Iterable[str | None]) -> int:
    product = 1
    for part in parts:
        product *= int(part) if part else 1
    return product

"""Hold the bindings against the headers, part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llamaproof.abi.aliases import compare_aliases
from llamaproof.abi.constants import compare_constants
from llamaproof.abi.findings import AbiFinding, defect, note
from llamaproof.abi.functions import Exports, by_symbol, compare_functions, unbound
from llamaproof.abi.interface import Interface
from llamaproof.abi.sides import Sides
from llamaproof.abi.structs import compare_structs

_COUNTED = ("structs", "fields", "functions", "arguments", "constants", "types")


@dataclass(frozen=True, kw_only=True)
class BindingsComparison:
    """Findings, what was compared, and the C functions nobody binds."""

    findings: tuple[AbiFinding, ...]
    counts: Mapping[str, int]
    unbound: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Absent:
    """A module whose library is not there; `known` when the headers declare what it binds."""

    module: str
    libraries: tuple[str, ...]
    functions: int
    known: bool


def compare(c: Interface, python: Interface, *, exports: Exports | None) -> BindingsComparison:
    """Compare the two sides.

    Args:
        c: what the headers declare.
        python: what the binding modules say.
        exports: of the binary; None without one.
    """
    sides = Sides(c=c, python=python)
    counts = Counter(dict.fromkeys(_COUNTED, 0))
    absent = tuple(_absent_modules(sides, exports))
    skip = frozenset(module.module for module in absent if not module.known)
    findings = [
        *(_absence(module, exports) for module in absent),
        *compare_structs(sides, skip=skip, counts=counts),
        *compare_functions(sides, exports, skip=skip, counts=counts),
        *compare_constants(sides, skip=skip, counts=counts),
        *compare_aliases(sides, counts=counts),
    ]
    return BindingsComparison(findings=tuple(findings), counts=counts, unbound=unbound(sides))


def _absent_modules(sides: Sides, exports: Exports | None) -> Iterator[_Absent]:
    declared = by_symbol(sides)
    for module, libraries in sides.python.modules.items():
        bound = [f for f in sides.python.functions.values() if f.module == module]
        known = any(f.symbol in declared for f in bound)
        if exports is None:
            there = known or any(h.startswith(libraries) for h in sides.c.headers)
        else:
            there = any(library in exports for library in libraries)
        if libraries and not there:
            yield _Absent(module=module, libraries=libraries, functions=len(bound), known=known)


def _absence(absent: _Absent, exports: Exports | None) -> AbiFinding:
    names = ", ".join(f"lib{name}" for name in absent.libraries)
    if absent.known:
        return defect(
            "module.no-library",
            absent.module,
            expected=f"headers that declare what {names} has",
            found=f"no {names} in the target",
            consequence="the module cannot be imported",
        )
    return note(
        "module.no-library",
        absent.module,
        expected=f"no {names}, and no header of it"
        if exports is not None
        else f"no header of {names}",
        found=f"{absent.functions} functions bound to {names}",
        consequence="the module cannot be imported; what it binds was not checked",
    )

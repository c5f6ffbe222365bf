"""Names the bindings give to plain types and callbacks, against the typedefs they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from llamaproof.abi.findings import AbiFinding
from llamaproof.abi.interface import POINTER_SIZE, Type
from llamaproof.abi.sides import Sides, named

# Ends of Python's names for a ctypes type, and whether they stand for a pointer to the C name.
_ENDS = (("_p_ctypes", True), ("_ctypes", False), ("_p", True), ("", False))


def compare_aliases(sides: Sides, *, counts: Counter[str]) -> Iterator[AbiFinding]:
    """Compare all that have a counterpart in C: `llama_token`, `llama_model_p_ctypes`, ...

    Args:
        sides: both sides.
        counts: `types` is added to.
    """
    for name, mine in sides.python.typedefs.items():
        theirs = _counterpart(sides, name)
        if theirs is None or mine.kind == "record":
            continue
        counts["types"] += 1
        difference = sides.differ(theirs, mine, "field")
        if difference is not None:
            yield difference.finding("type", name, expected=named(theirs), found=named(mine))


def _counterpart(sides: Sides, name: str) -> Type | None:
    for end, is_pointer in _ENDS:
        found = _c_type(sides, name[: len(name) - len(end)]) if name.endswith(end) else None
        if found is not None and is_pointer:
            return Type(kind="pointer", size=POINTER_SIZE, name=f"{found.name} *", target=found)
        if found is not None:
            return found
    return None


def _c_type(sides: Sides, name: str) -> Type | None:
    if name in sides.c.typedefs:
        return sides.c.typedefs[name]
    record = sides.c.records.get(name)
    if record is None:
        return None
    return Type(kind="record", size=record.size, name=name, record=name)

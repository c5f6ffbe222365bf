"""Every enumerator and macro that the bindings repeat, against its value in C."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from llamaproof.abi.findings import AbiFinding, defect, note
from llamaproof.abi.interface import Constant, Interface
from llamaproof.abi.sides import Sides

# Members that count the others: they grow with every release that adds one.
_COUNTING_MEMBER = re.compile(r"_(COUNT|MAX_VALUE)$")


def compare_constants(
    sides: Sides, *, skip: frozenset[str], counts: Counter[str]
) -> Iterator[AbiFinding]:
    """Compare all of them.

    Args:
        sides: both sides.
        skip: modules to leave out.
        counts: `constants` is added to.
    """
    families = _families(sides.c.constants.values())
    unknown: list[str] = []
    for mine in sides.python.constants.values():
        if mine.module in skip:
            continue
        theirs = sides.c.constants.get(mine.name)
        if theirs is not None:
            counts["constants"] += 1
            yield from _compare(sides.c, theirs, mine)
        elif family := _family(mine.name, families):
            yield _removed(sides.c, mine, family)
        else:
            unknown.append(mine.name)
    if unknown:
        yield note(
            "constant.not-in-headers",
            f"{len(unknown)} constants",
            expected="no header has them",
            found=", ".join(unknown),
            consequence="there is nothing to compare them with",
        )


def counts_members(theirs: Constant, mine: Constant) -> bool:
    """Whether the difference is that C's enum has grown since its members were last counted."""
    if not theirs.enum or not _COUNTING_MEMBER.search(mine.name):
        return False
    both = isinstance(mine.value, int) and isinstance(theirs.value, int)
    return both and float(mine.value) < float(theirs.value)


def _compare(c: Interface, theirs: Constant, mine: Constant) -> Iterator[AbiFinding]:
    if _same_value(theirs.value, mine.value):
        return
    if counts_members(theirs, mine):
        yield note(
            "constant.count",
            mine.name,
            expected=str(theirs.value),
            found=str(mine.value),
            consequence="the enum has members the bindings do not list; only a loop up to "
            f"{mine.name} would miss them",
        )
        return
    yield defect(
        "constant.value",
        mine.name,
        expected=f"{theirs.value}" + (f" in enum {theirs.enum}" if theirs.enum else ""),
        found=str(mine.value),
        consequence=f"the library takes {mine.value} for {_meaning(c, theirs, mine.value)}",
    )


def _removed(c: Interface, mine: Constant, family: str) -> AbiFinding:
    taken = _members(c, family, mine.value)
    return defect(
        "constant.removed",
        mine.name,
        expected=f"enum {family} has no such member",
        found=str(mine.value),
        consequence=f"the library takes {mine.value} for {taken[0]}"
        if taken
        else f"{mine.value} means nothing in {family}",
    )


def _meaning(c: Interface, theirs: Constant, value: object) -> str:
    if not theirs.enum:
        return "another value"
    same = _members(c, theirs.enum, value)
    return same[0] if same else f"a value {theirs.enum} does not have"


def _members(c: Interface, enum: str, value: object) -> list[str]:
    """Names of the members of an enum that have this value."""
    return [k.name for k in c.constants.values() if k.enum == enum and k.value == value]


def _same_value(theirs: object, mine: object) -> bool:
    if isinstance(theirs, int) and isinstance(mine, int):
        # 0xFFFFFFFF and -1 are one value in 32 bits.
        return theirs == mine or (theirs - mine) % 2**32 == 0
    return theirs == mine


def _family(name: str, families: dict[str, str]) -> str:
    """The C enum all of whose members share a prefix with this name; the longest one wins."""
    matching = [(len(prefix), enum) for enum, prefix in families.items() if name.startswith(prefix)]
    return max(matching)[1] if matching else ""


def _families(constants: Iterable[Constant]) -> dict[str, str]:
    """The common prefix, up to an underscore, of each named enum with several members."""
    members: dict[str, list[str]] = {}
    for constant in constants:
        if constant.enum:
            members.setdefault(constant.enum, []).append(constant.name)
    prefixes = {enum: _common_prefix(names) for enum, names in members.items() if len(names) > 1}
    # A prefix of one word (`GGML_`) would claim every constant of the library.
    return {enum: prefix for enum, prefix in prefixes.items() if prefix.count("_") > 1}


def _common_prefix(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )
    return first[: first.rfind("_", 0, length) + 1]

"""Every function the bindings take from a library, against its C prototype."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from llamaproof.abi.findings import AbiFinding, defect, note, unchecked
from llamaproof.abi.interface import Function, Type
from llamaproof.abi.sides import Sides, named

Exports = Mapping[str, frozenset[str]]
"""By library base name, the symbols a lookup in it finds."""

_DEFAULT_RESULT = Type(kind="int", size=4, signed=True, name="c_int (ctypes' default)")
_NOT_FOUND = "the lookup fails with AttributeError: importing the module fails"


def compare_functions(
    sides: Sides, exports: Exports | None, *, skip: frozenset[str], counts: Counter[str]
) -> Iterator[AbiFinding]:
    """Compare all of them.

    Args:
        sides: both sides.
        exports: of the binary; None without one.
        skip: modules to leave out.
        counts: `functions` and `arguments` are added to.
    """
    prototypes = by_symbol(sides)
    for mine in sides.python.functions.values():
        if mine.module in skip:
            continue
        theirs = prototypes.get(mine.symbol)
        yield from _check_bound_name(sides, mine, theirs)
        if theirs is None:
            yield _undeclared(mine, exports)
            continue
        counts["functions"] += 1
        yield from _check_exported(theirs, mine, exports)
        yield from _compare_result(sides, theirs, mine)
        yield from _compare_arguments(sides, theirs, mine, counts)


def by_symbol(sides: Sides) -> dict[str, Function]:
    """C functions by the name a lookup asks for: the linker's, or C's own."""
    functions = sides.c.functions
    return {f.symbol: f for f in functions.values()} | dict(functions)


def unbound(sides: Sides) -> tuple[str, ...]:
    """Functions in the headers of the bound libraries that no module takes."""
    functions = sides.python.functions.values()
    binding = {f.module for f in functions}
    libraries = tuple(
        name
        for module, names in sides.python.modules.items()
        for name in names
        if module in binding
    )
    bound = {f.symbol for f in functions}
    return tuple(
        sorted(
            f.name
            for f in sides.c.functions.values()
            if f.module.startswith(libraries) and not {f.name, f.symbol} & bound
        )
    )


def _exported(mine: Function, exports: Exports) -> bool:
    return any(mine.symbol in exports.get(library, ()) for library in mine.libraries)


def _check_exported(
    theirs: Function, mine: Function, exports: Exports | None
) -> Iterator[AbiFinding]:
    # A library that is missing as a whole is reported once, not for each of its functions.
    if exports is None or not any(library in exports for library in mine.libraries):
        return
    if not _exported(mine, exports):
        yield defect(
            "function.not-exported",
            mine.name,
            expected=f"declared in {theirs.module}",
            found=f"not exported by {_library_names(mine)}",
            consequence=_NOT_FOUND,
        )


def _undeclared(mine: Function, exports: Exports | None) -> AbiFinding:
    if exports is not None and _exported(mine, exports):
        return unchecked(
            "function.undeclared",
            mine.name,
            expected="exported, but declared in none of the headers",
            found=f"bound in {mine.module}",
            consequence="its arguments were not compared; give the header that declares it",
        )
    gone = "" if exports is None else f", not exported by {_library_names(mine)}"
    return defect(
        "function.removed",
        mine.name,
        expected=f"not in the headers{gone}",
        found=f"bound in {mine.module}",
        consequence=_NOT_FOUND,
    )


def _check_bound_name(
    sides: Sides, mine: Function, theirs: Function | None
) -> Iterator[AbiFinding]:
    own = {mine.symbol, theirs.name if theirs is not None else mine.symbol}
    for name in mine.bound_as:
        if name in sides.c.functions and name not in own:
            yield defect(
                "function.wrong-name",
                name,
                expected=f"a function called {name}",
                found=f"{name} is bound to {mine.symbol}",
                consequence=f"calling {name} calls {mine.symbol}",
            )


def _compare_result(sides: Sides, theirs: Function, mine: Function) -> Iterator[AbiFinding]:
    assert theirs.result is not None
    if mine.result is None:
        yield _undeclared_result(sides, theirs.result, mine)
        return
    difference = sides.differ(theirs.result, mine.result, "result")
    if difference is not None:
        yield difference.finding(
            "function.result-type",
            mine.name,
            expected=f"returns {named(theirs.result)}",
            found=f"restype {named(mine.result)}",
        )


def _undeclared_result(sides: Sides, theirs: Type, mine: Function) -> AbiFinding:
    difference = sides.differ(theirs, _DEFAULT_RESULT, "result")
    if difference is None:
        return note(
            "function.result-undeclared",
            mine.name,
            expected=f"returns {theirs.name}",
            found="no restype: ctypes takes int",
            consequence="int is what C returns, by luck",
        )
    return defect(
        "function.result-undeclared",
        mine.name,
        expected=f"returns {theirs.name}",
        found="no restype: ctypes takes int",
        consequence=difference.consequence,
    )


def _compare_arguments(
    sides: Sides, theirs: Function, mine: Function, counts: Counter[str]
) -> Iterator[AbiFinding]:
    expected = theirs.args or ()
    if mine.args is None:
        if expected:
            yield _undeclared_arguments(theirs, mine)
        return
    enough = len(mine.args) >= len(expected) if theirs.variadic else False
    if len(mine.args) != len(expected) and not enough:
        yield defect(
            "function.arity",
            mine.name,
            expected=f"{len(expected)} arguments: {_signature(theirs)}",
            found=f"{len(mine.args)} arguments",
            consequence=_arity_consequence(expected, len(mine.args)),
        )
        return
    pairs = zip(expected, mine.args[: len(expected)], strict=True)
    for number, (c_type, my_type) in enumerate(pairs, 1):
        counts["arguments"] += 1
        difference = sides.differ(c_type, my_type, "argument")
        if difference is not None:
            yield difference.finding(
                "function.argument-type",
                f"{mine.name}, argument {number}",
                expected=named(c_type),
                found=named(my_type),
            )


def _undeclared_arguments(theirs: Function, mine: Function) -> AbiFinding:
    return defect(
        "function.arguments-undeclared",
        mine.name,
        expected=_signature(theirs),
        found="no argtypes",
        consequence="ctypes guesses: a number goes as a 32-bit int, an address is cut, any number "
        "of arguments is taken",
    )


def _arity_consequence(expected: Sequence[Type], given: int) -> str:
    if given > len(expected):
        return "C ignores the last ones, and may take the others for something else"
    missing = ", ".join(arg.name for arg in expected[given:])
    return f"C reads {missing} out of registers or stack that Python never set"


def _signature(function: Function) -> str:
    args = ", ".join(arg.name for arg in function.args or ()) or "void"
    return f"{function.name}({args})"


def _library_names(function: Function) -> str:
    return ", ".join(f"lib{name}" for name in function.libraries) or "any library"

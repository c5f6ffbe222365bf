"""The C++ compiler, asked for what only a compiler knows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof import process
from llamaproof.errors import BadInput, CommandFailed, LlamaproofError

_HINT = "give headers that compile by themselves, all from one release; CXX names another compiler"
_NAMES = ("g++", "c++", "clang++")
_LANGUAGE = ("-x", "c++", "-std=c++17", "-w")
_SEARCH_START = "#include <...> search starts here:"
_SEARCH_END = "End of search list."


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """A C++ compiler that works.

    Attributes:
        command: the program, and arguments that always go with it.
        version: the first line it prints with --version.
        system_includes: the folders it searches for system headers, in order.
    """

    command: tuple[str, ...]
    version: str
    system_includes: tuple[Path, ...]


def find_compiler() -> Compiler:
    """The compiler named by CXX, else g++, c++ or clang++ from PATH.

    Raises:
        LlamaproofError: there is none, or it does not say where its headers are.
    """
    asked = shlex.split(os.environ.get("CXX", ""))
    names = tuple(asked[:1]) or _NAMES
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        raise LlamaproofError(
            f"no C++ compiler: {', '.join(names)} not found on PATH",
            hint="install g++ (Debian, Ubuntu: apt install g++), or set CXX to one; the compiler "
            "decides sizes and offsets, so nothing can be checked without it",
        )
    command = (path, *asked[1:])
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        empty = Path(scratch) / "empty.cpp"
        empty.write_text("", encoding="utf-8")
        said = _run(
            [*command, *_LANGUAGE, "-E", "-v", str(empty)], "the C++ compiler does not work"
        )
    lines = [line.strip() for line in said.lines]
    if _SEARCH_START not in lines or _SEARCH_END not in lines:
        raise LlamaproofError(
            "the compiler does not print its include folders with -E -v",
            where=path,
            hint="set CXX to g++ or clang++",
        )
    listed = lines[lines.index(_SEARCH_START) + 1 : lines.index(_SEARCH_END)]
    version = _run([*command, "--version"], "the C++ compiler does not work").lines[:1]
    return Compiler(
        command=command,
        version="".join(version),
        system_includes=tuple(Path(line) for line in listed),
    )


def macros(compiler: Compiler, source: Path, includes: Sequence[Path]) -> Mapping[str, str]:
    """Object-like macros with a body, as the preprocessor holds them at the end of `source`."""
    argv = [*compiler.command, *_LANGUAGE, *_include_flags(includes), "-E", "-dM", str(source)]
    said = _run(argv, "the headers do not preprocess")
    found = (re.match(r"#define (\w+) (\S.*)$", line) for line in said.lines)
    return {match.group(1): match.group(2) for match in found if match}


def compile_and_run(compiler: Compiler, source: Path, includes: Sequence[Path]) -> tuple[str, ...]:
    """Compile one source file, run the program, and return the lines it prints.

    Raises:
        BadInput: it does not compile; the message holds what the compiler said.
    """
    program = str(source.with_suffix(".probe"))
    flags = [*_LANGUAGE, "-O0", *_include_flags(includes)]
    argv = [*compiler.command, *flags, str(source), "-o", program]
    _run(argv, "the probe generated from the headers does not compile")
    return process.run([program]).lines


def _run(argv: Sequence[str], what: str) -> process.Completed:
    try:
        return process.run(argv, env=_environment())
    except CommandFailed as error:
        raise BadInput(
            "\n".join([what, *error.output[:12]]),
            where=error.where,
            hint=_HINT,
        ) from error


def _include_flags(includes: Sequence[Path]) -> list[str]:
    return [flag for folder in includes for flag in ("-I", str(folder))]


def _environment() -> dict[str, str]:
    # The include list is parsed from the compiler's messages: they have to be in English.
    # Variables that add include folders would let headers of another release in.
    dropped = {"CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "CPPFLAGS"}
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return {**kept, "LC_ALL": "C"}

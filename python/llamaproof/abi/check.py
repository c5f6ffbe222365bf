"""The whole ABI check of a target, or of a pair of trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from llamaproof.abi.bindings import find_package, read_bindings
from llamaproof.abi.compare import Comparison, compare
from llamaproof.abi.compiler import find_compiler
from llamaproof.abi.findings import Result, sort_findings
from llamaproof.abi.headers import locate_headers, parse
from llamaproof.abi.probe import ask_compiler
from llamaproof.errors import BadInput
from llamaproof.target import Target

# A check in which one of these is zero has shown nothing.
REQUIRED = ("structs", "functions")


def check_pair(bindings: Path, headers: Sequence[Path]) -> Result:
    """Compare the bindings of one tree with the headers of another, without a binary."""
    comparison = _compare_sides(find_package(bindings), headers, exports=None)
    return Result(
        target=str(bindings),
        sha256="",
        findings=sort_findings(comparison.findings),
        counts=dict(comparison.counts),
        facts={
            "headers": [str(folder) for folder in headers],
            "unbound_functions": list(comparison.unbound),
        },
        required=REQUIRED,
    )


def check_target(target: Target, *, headers: Sequence[Path]) -> Result:
    """Check the bindings of a target against headers; its own where none are given."""
    package, folders = _package(target), headers or (_shipped_headers(target),)
    comparison = _compare_sides(package, folders, exports=None)
    return Result(
        target=target.name,
        sha256=target.sha256 or "",
        findings=sort_findings(comparison.findings),
        counts=dict(comparison.counts),
        facts={"unbound_functions": list(comparison.unbound)},
        required=REQUIRED,
    )


def _compare_sides(
    package: Path, headers: Sequence[Path], *, exports: Mapping[str, frozenset[str]] | None
) -> Comparison:
    compiler = find_compiler()
    declared = parse(locate_headers(headers), compiler)
    symbols = declared.symbols if exports is None else frozenset().union(*exports.values())
    python = read_bindings(package, symbols=symbols)
    c = ask_compiler(declared, compiler, wanted_constants=python.constants)
    return compare(c, python, exports=exports)


def _package(target: Target) -> Path:
    if target.package is None:
        raise BadInput(
            f"{target.name} has no Python bindings",
            hint="give a wheel or the folder of an installed llama_cpp",
        )
    return target.package


def _shipped_headers(target: Target) -> Path:
    folder = _package(target) / "include"
    if not (folder / "llama.h").is_file():
        raise BadInput(
            f"{target.name} does not carry the headers it was built from",
            where=folder,
            hint="give them with --headers DIR: the unpacked sdist of exactly this release",
        )
    return folder

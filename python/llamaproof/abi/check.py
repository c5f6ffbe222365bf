"""The whole ABI check of a target, or of a pair of trees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import wheel_contents
from llamaproof.abi.baseline import compare_exports, compare_headers, export_facts
from llamaproof.abi.bindings import find_package, read_bindings
from llamaproof.abi.c_headers import locate_headers, parse
from llamaproof.abi.claims import check_claims, making_facts, read_claims
from llamaproof.abi.compare import compare
from llamaproof.abi.compiler import find_compiler
from llamaproof.abi.cuda_runtime import check_cuda_runtime
from llamaproof.abi.device import check_device_code, read_device_code
from llamaproof.abi.findings import AbiFinding, Result, sort_findings, unchecked
from llamaproof.abi.libraries import check_libraries, library_facts, lookups, read_libraries
from llamaproof.abi.platform_tag import check_symbol_versions
from llamaproof.abi.probe import ask_compiler
from llamaproof.abi.search_paths import check_search_paths
from llamaproof.binary.elf import Elf
from llamaproof.errors import BadInput
from llamaproof.target import Target

# A check in which one of these is zero has shown nothing.
REQUIRED = ("structs", "functions")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one part of the check found, how much it compared, and what it saw."""

    findings: Sequence[AbiFinding]
    counts: Mapping[str, int]
    facts: Mapping[str, Any]


def check_pair(bindings: Path, headers: Sequence[Path]) -> Result:
    """Compare the bindings of one tree with the headers of another, without a binary."""
    compared = _compare_sides(find_package(bindings), headers, exports=None)
    return _result(str(bindings), "", [compared])


def check_target(
    target: Target,
    *,
    headers: Sequence[Path],
    cuda_arch: Sequence[str] | None = None,
    baseline: Target | None = None,
    baseline_headers: Sequence[Path] = (),
) -> Result:
    """Check the bindings, the libraries and the claims of a target.

    Args:
        target: a wheel, an installed or unpacked package, or a folder of libraries.
        headers: what to hold the bindings against; the target's own where none are given.
        cuda_arch: the GPU architectures that were asked for; the target's own word without.
        baseline: an unpatched build whose symbols and layouts must still be there.
        baseline_headers: of the baseline; its own where none are given.
    """
    libraries = read_libraries(target.lib_dir)
    parts = [_check_binary(target, libraries, cuda_arch)]
    if target.package is not None:
        folders = tuple(headers) or (_shipped_headers(target.package, target.name),)
        exports = lookups(libraries) or None
        parts.append(_compare_sides(target.package, folders, exports=exports))
        if not libraries:
            parts.append(_Part(findings=[_no_libraries(target)], counts={}, facts={}))
    if baseline is not None:
        before = tuple(baseline_headers) or _own_headers(baseline)
        after = tuple(headers) or _own_headers(target)
        parts.append(_check_baseline(libraries, baseline, before, after))
    return _result(target.name, target.sha256 or "", parts)


def _result(target: str, sha256: str, parts: Sequence[_Part]) -> Result:
    counts = {name: number for part in parts for name, number in part.counts.items()}
    facts = {name: fact for part in parts for name, fact in part.facts.items()}
    return Result(
        target=target,
        sha256=sha256,
        findings=sort_findings(finding for part in parts for finding in part.findings),
        counts=counts,
        facts=facts,
        required=REQUIRED,
    )


def _check_binary(
    target: Target, libraries: Sequence[Elf], cuda_arch: Sequence[str] | None
) -> _Part:
    """The libraries and their GPU code, held against what the target says of itself."""
    claims = read_claims(target)
    code = read_device_code([elf.path for elf in libraries])
    asked = cuda_arch if cuda_arch is not None else claims.cuda_arch
    source = wheel_contents.FILE_NAME if cuda_arch is None else "--cuda-arch"
    return _Part(
        findings=[
            *check_claims(claims, target),
            *check_libraries(libraries, claims),
            *check_cuda_runtime(libraries, claims),
            *check_search_paths(libraries, claims, depth=_depth(target)),
            *check_symbol_versions(libraries, claims),
            *check_device_code(code, asked, source),
        ],
        counts={
            "libraries": len(libraries),
            "symbols": sum(len(elf.exports) for elf in libraries),
            "kernels": code.kernels,
        },
        facts={
            "version": claims.version or target.version,
            **making_facts(claims),
            **library_facts(libraries),
            "device_code": code.json(),
        },
    )


def _check_baseline(
    libraries: Sequence[Elf], baseline: Target, before: Sequence[Path], after: Sequence[Path]
) -> _Part:
    """What an unpatched build exports and declares is still there.

    Args:
        before: headers of the baseline.
        after: headers of the target.
    """
    old = read_libraries(baseline.lib_dir)
    return _Part(
        findings=[
            *compare_exports(old, libraries),
            *_compare_layouts(before, after, baseline),
        ],
        counts={"baseline symbols": sum(len(elf.exports) for elf in old)},
        facts={"baseline": {"name": baseline.name, "libraries": export_facts(old, libraries)}},
    )


def _depth(target: Target) -> int:
    """Folders between site-packages and the libraries."""
    if target.package is None:
        return 0
    return len(target.lib_dir.relative_to(target.package.parent).parts)


def _no_libraries(target: Target) -> AbiFinding:
    return unchecked(
        "library.none",
        target.name,
        expected="libllama.so and its companions",
        found=f"none in {target.lib_dir}",
        consequence="whether the functions are exported is not known; for a source tree give "
        "--bindings and --headers",
    )


def _own_headers(target: Target) -> tuple[Path, ...]:
    folder = target.package / "include" if target.package is not None else None
    return (folder,) if folder is not None and (folder / "llama.h").is_file() else ()


def _compare_layouts(
    before: Sequence[Path], after: Sequence[Path], baseline: Target
) -> Iterator[AbiFinding]:
    if not before or not after:
        yield unchecked(
            "baseline.headers",
            baseline.name,
            expected="headers of both builds",
            found="none beside the baseline" if not before else "none beside the target",
            consequence="layouts were not compared; give --baseline-headers DIR and --headers DIR",
        )
        return
    compiler = find_compiler()
    old, new = (parse(locate_headers(folders), compiler) for folders in (before, after))
    yield from compare_headers(
        ask_compiler(old, compiler, wanted_constants=()),
        ask_compiler(new, compiler, wanted_constants=()),
    )


def _compare_sides(
    package: Path, headers: Sequence[Path], *, exports: Mapping[str, frozenset[str]] | None
) -> _Part:
    compiler = find_compiler()
    declared = parse(locate_headers(headers), compiler)
    symbols = declared.symbols if exports is None else frozenset().union(*exports.values())
    python = read_bindings(package, symbols=symbols)
    c = ask_compiler(declared, compiler, wanted_constants=python.constants)
    comparison = compare(c, python, exports=exports)
    return _Part(
        findings=comparison.findings,
        counts=comparison.counts,
        facts={
            "compiler": compiler.version,
            "headers": list(c.headers),
            "modules": {name: list(libraries) for name, libraries in python.modules.items()},
            "unbound_functions": list(comparison.unbound),
        },
    )


def _shipped_headers(package: Path, name: str) -> Path:
    folder = package / "include"
    if not (folder / "llama.h").is_file():
        raise BadInput(
            f"{name} does not carry the headers it was built from",
            where=folder,
            hint="give them with --headers DIR: the unpacked sdist of exactly this release",
        )
    return folder

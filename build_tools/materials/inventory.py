"""All parts of a wheel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_tools.materials.cuda import own_toolkit_part, toolkit_parts
from build_tools.materials.gcc import openmp_part
from build_tools.materials.part import Part
from build_tools.materials.vendored import LLAMA_CPP, vendored_parts
from llamaproof.errors import LlamaproofError
from llamaproof.wheel_contents import Patch, WheelFacts

_OWN_LICENCE = Path(__file__).parents[2] / "LICENSE"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The patched source that a wheel was compiled from.

    Attributes:
        tree: its folder.
        version: of the release, `0.3.16`.
        compiled: paths below it of what the compilers read.
        patched: the paths that each patch changes, by the patch's name.
    """

    tree: Path
    version: str
    compiled: Collection[str]
    patched: dict[str, Sequence[str]]


def parts_of(
    source: Source, facts: WheelFacts, *, openmp_version: str, toolkit: Path | None
) -> tuple[Part, ...]:
    """What a wheel is made of, the source first.

    Args:
        facts: what the wheel says of its making.
        openmp_version: the GCC that its libgomp is of.
        toolkit: where the toolkit's packages were installed, or the user's own toolkit; None for
            a wheel without CUDA.

    Raises:
        LlamaproofError: something that is compiled in is not known, or its licence is not there.
    """
    parts = [*_source_parts(source, facts), *vendored_parts(source.tree, source.compiled)]
    parts.append(openmp_part(openmp_version))
    if toolkit is None or facts.making is None:
        return tuple(parts)
    parts.append(_driver_stand_in(facts))
    if facts.making.toolkit:
        parts += toolkit_parts(facts.making.toolkit, toolkit)
    else:
        parts.append(own_toolkit_part(facts.cuda or "", toolkit))
    return tuple(parts)


def _source_parts(source: Source, facts: WheelFacts) -> tuple[Part, ...]:
    """The bindings, llama.cpp and ggml, each with the patches that change it."""
    of_llama_cpp = tuple(p for p in facts.patches if _touches(source, p, (LLAMA_CPP,)))
    others = tuple(p for p in facts.patches if not _touches_only(source, p, LLAMA_CPP))
    of_ggml = tuple(p for p in facts.patches if _touches(source, p, (f"{LLAMA_CPP}ggml/",)))
    commit = facts.llama_cpp_commit
    licence = _text(source.tree / LLAMA_CPP / "LICENSE")
    return (
        Part(
            name="llama-cpp-python",
            version=source.version,
            purl=f"pkg:pypi/llama-cpp-python@{source.version}",
            licence="MIT",
            use="inside",
            description="the Python bindings, from the sdist of this hash",
            sha256=facts.making.sdist.sha256 if facts.making is not None else None,
            texts={"LICENSE.md": _text(source.tree / "LICENSE.md")},
            patches=others,
        ),
        Part(
            name="llama.cpp",
            version=commit,
            purl=f"pkg:github/ggml-org/llama.cpp@{commit}",
            licence="MIT",
            use="inside",
            description="as the sdist of llama-cpp-python carries it",
            texts={"LICENSE": licence},
            libraries=r"llama_cpp/lib/lib(llama|mtmd)\.so",
            patches=tuple(patch for patch in of_llama_cpp if patch not in of_ggml),
        ),
        Part(
            name="ggml",
            version=commit,
            purl=f"pkg:github/ggml-org/llama.cpp@{commit}#ggml",
            licence="MIT",
            use="inside",
            description="as llama.cpp carries it at this commit of llama.cpp",
            texts={"LICENSE": licence},
            libraries=r"llama_cpp/lib/libggml[a-z0-9-]*\.so",
            patches=of_ggml,
        ),
    )


def _driver_stand_in(facts: WheelFacts) -> Part:
    return Part(
        name="llamaproof-driver-stand-in",
        version=facts.tool,
        purl="",
        licence="MIT",
        use="inside",
        description="takes the place of NVIDIA's driver library where there is none; says that "
        "there is no device",
        texts={"LICENSE": _text(_OWN_LICENCE)},
        libraries=r"llama_cpp/lib/no-driver/libcuda\.so\.1",
    )


def _touches(source: Source, patch: Patch, below: tuple[str, ...]) -> bool:
    return any(path.startswith(below) for path in source.patched[patch.name])


def _touches_only(source: Source, patch: Patch, below: str) -> bool:
    return all(path.startswith(below) for path in source.patched[patch.name])


def _text(path: Path) -> str:
    if not path.is_file():
        raise LlamaproofError("a licence is not where it was", where=path)
    return path.read_text(encoding="utf-8")

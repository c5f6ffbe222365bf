"""What a wheel tells of its parts: an SBOM, one licence expression, each licence's text."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from build_tools.materials.inventory import Source, parts_of
from build_tools.materials.licences import licence_expression
from build_tools.materials.part import Part, distinct_texts
from build_tools.materials.sbom import FILE_NAME, libraries_of, sbom_of
from build_tools.wheel.compiler import openmp_version
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.email_file import read_headers, write_headers
from build_tools.wheel.unpacked import UnpackedWheel
from llamaproof.errors import LlamaproofError
from llamaproof.files import sha256_of, write_whole

# The first version that has License-Expression and License-File (PEP 639).
_METADATA_VERSION = "2.4"
_PATCHED = re.compile(rb"^diff --git a/(.+) b/\1$", re.MULTILINE)


def add_parts(wheel: UnpackedWheel, contents: WheelContents) -> None:
    """Write the SBOM and the licences of everything that is in the wheel.

    Raises:
        LlamaproofError: the wheel holds something that is not known, or a licence is missing.
    """
    parts = parts_of(
        _source(contents),
        contents.facts,
        openmp_version=openmp_version(),
        toolkit=None if contents.toolkit is None else contents.toolkit.installed,
    )
    _write_licences(wheel, parts)
    sboms = wheel.info / "sboms"
    sboms.mkdir()
    write_whole(sboms / FILE_NAME, sbom_of(contents.facts, parts, _libraries(wheel)))


def require_sbom(wheel: UnpackedWheel, _contents: WheelContents) -> None:
    """See that the SBOM names each library that the wheel holds in the end, as it is.

    Raises:
        LlamaproofError: one came or changed since, or is gone.
    """
    named = libraries_of((wheel.info / "sboms" / FILE_NAME).read_text(encoding="utf-8"))
    held = _libraries(wheel)
    differing = sorted(p for p in named.keys() | held.keys() if named.get(p) != held.get(p))
    if differing:
        raise LlamaproofError(
            f"the SBOM does not name {', '.join(differing)} as the wheel holds it",
            where=FILE_NAME,
            hint="change libraries before the SBOM is written",
        )


def _source(contents: WheelContents) -> Source:
    if contents.compiled is None:
        raise LlamaproofError("what was compiled is not known, so neither is what is inside")
    return Source(
        tree=contents.source,
        version=contents.version,
        compiled=contents.compiled,
        patched={
            patch.name: tuple(path.decode() for path in _PATCHED.findall(patch.diff))
            for patch in contents.tree.patches
        },
    )


def _write_licences(wheel: UnpackedWheel, parts: tuple[Part, ...]) -> None:
    folder = wheel.info / "licenses"
    shutil.rmtree(folder, ignore_errors=True)
    texts = distinct_texts(parts)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, text)
    path = wheel.info / "METADATA"
    headers = read_headers(path)
    classifiers = [c for c in headers.get_all("Classifier", []) if not c.startswith("License ::")]
    for name in ("License", "License-File", "Classifier"):
        del headers[name]
    for classifier in classifiers:
        headers["Classifier"] = classifier
    headers.replace_header("Metadata-Version", _METADATA_VERSION)
    headers["License-Expression"] = licence_expression(parts)
    for name in texts:
        headers["License-File"] = name
    write_headers(path, headers)


def _libraries(wheel: UnpackedWheel) -> dict[str, str]:
    """SHA-256 of each ELF file, by its path in the wheel."""
    return {
        path.relative_to(wheel.folder).as_posix(): sha256_of(path)
        for path in wheel.files()
        if _is_elf(path)
    }


def _is_elf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"

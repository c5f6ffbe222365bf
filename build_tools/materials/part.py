"""One thing that a wheel holds, or that was used to make it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from llamaproof.wheel_contents import Patch

# Licence texts of what no source at hand carries; a fresh machine need not have them.
_TEXTS = Path(__file__).with_name("texts")


Use = Literal["inside", "made with"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a wheel.

    Attributes:
        name: as its authors call it.
        version: a release, a commit, or empty where it states none.
        purl: its package URL; empty where there is no such name for it.
        licence: an SPDX expression.
        use: whether it, or what was compiled from it, is in the wheel, or it only made the wheel.
        description: what the wheel has or had of it.
        sha256: of the archive that it came in; None where that was no archive.
        cpe: its name in lists of vulnerabilities; empty where it has none.
        texts: its licence files, by name.
        libraries: the shared libraries that are it: paths in the wheel, matched as regular
            expressions; none for what other libraries were compiled from.
        patches: what was changed of it, in order.
    """

    name: str
    version: str
    purl: str
    licence: str
    use: Use
    description: str
    sha256: str | None = None
    cpe: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    libraries: str | None = None
    patches: tuple[Patch, ...] = ()

    @property
    def ref(self) -> str:
        """What an SBOM calls it by."""
        return self.purl or f"{self.name}@{self.version}"


def standard_text(name: str) -> str:
    """A licence by its file name below texts/."""
    return (_TEXTS / name).read_text(encoding="utf-8")


def distinct_texts(parts: Iterable[Part]) -> dict[str, str]:
    """The licence files of what is inside, by path below `licenses/`; the same text once."""
    seen: set[str] = set()
    found: dict[str, str] = {}
    for part in parts:
        for name, text in part.texts.items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            if part.use == "inside" and digest not in seen:
                seen.add(digest)
                found[f"{part.name}/{name}"] = text
    return found

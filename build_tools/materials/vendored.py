"""Code of others that llama.cpp carries, and that is in the libraries where it was compiled."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from build_tools.materials.part import Part
from llamaproof.errors import LlamaproofError

LLAMA_CPP = "vendor/llama.cpp/"

# Everything below it is somebody else's: what is compiled of it must be known here.
_ALL_FOREIGN = f"{LLAMA_CPP}vendor/"


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A licence within llama.cpp's source.

    Attributes:
        file: below vendor/llama.cpp.
        start: a regular expression; the line that has it is the first one.
        end: the line that has it is the last one; None goes on to the end of the file.
    """

    file: str
    start: str = ""
    end: str | None = None

    def text(self, tree: Path) -> str:
        """The passage.

        Raises:
            LlamaproofError: the file is not there, or has no such passage.
        """
        path = tree / LLAMA_CPP / self.file
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        starts = (number for number, line in enumerate(lines) if re.search(self.start, line))
        first = next(starts, None)
        if first is None:
            raise LlamaproofError(
                "a licence of code that is compiled in does not stand where it did",
                where=path,
                hint=f"look for it, and mend the table in {Path(__file__).name}",
            )
        rest = lines[first:]
        end = re.compile(self.end or r"\Z.")
        ends = (number for number, line in enumerate(rest) if end.search(line))
        passage = "\n".join(rest[: next(ends, len(rest)) + 1])
        return passage.rstrip().removesuffix("*/").rstrip() + "\n"


@dataclass(frozen=True, kw_only=True)
class Vendored:
    """A piece of foreign code.

    Attributes:
        below: its files below vendor/llama.cpp: a folder with a slash at its end, or one file.
        version: a file and the regular expression that finds it there; None where it states none.
    """

    name: str
    below: str
    purl: str
    licence: str
    licence_text: Passage
    version: tuple[str, str] | None = None

    def part(self, tree: Path) -> Part:
        version = self._version(tree)
        return Part(
            name=self.name,
            version=version,
            purl=f"{self.purl}@{version}" if version else self.purl,
            licence=self.licence,
            use="inside",
            description=f"compiled in from {LLAMA_CPP}{self.below}",
            texts={"LICENSE.txt": self.licence_text.text(tree)},
        )

    def _version(self, tree: Path) -> str:
        if self.version is None:
            return ""
        file, pattern = self.version
        path = tree / LLAMA_CPP / file
        found = re.search(pattern, path.read_text(encoding="utf-8"))
        if found is None:
            raise LlamaproofError(f"{self.name} does not say its version", where=path)
        return found.group(1)


# Licences as the files themselves state them.
VENDORED = (
    Vendored(
        name="stb_image",
        below="vendor/stb/",
        purl="pkg:github/nothings/stb",
        licence="MIT OR Unlicense",
        licence_text=Passage(file="vendor/stb/stb_image.h", start="available under 2 licenses"),
        version=("vendor/stb/stb_image.h", r"stb_image - v([\d.]+)"),
    ),
    Vendored(
        name="miniaudio",
        below="vendor/miniaudio/",
        purl="pkg:github/mackron/miniaudio",
        licence="Unlicense OR MIT-0",
        licence_text=Passage(
            file="vendor/miniaudio/miniaudio.h", start="as a choice of the following licenses"
        ),
        version=("vendor/miniaudio/miniaudio.h", r"miniaudio - v([\d.]+)"),
    ),
    Vendored(
        name="json-for-modern-cpp",
        below="vendor/nlohmann/",
        purl="pkg:github/nlohmann/json",
        licence="MIT",
        licence_text=Passage(file="licenses/LICENSE-jsonhpp"),
        version=("vendor/nlohmann/json.hpp", r"version (\d[\d.]+)"),
    ),
    Vendored(
        name="subprocess.h",
        below="vendor/sheredom/",
        purl="pkg:github/sheredom/subprocess.h",
        licence="Unlicense",
        licence_text=Passage(
            file="vendor/sheredom/subprocess.h", start="free and unencumbered", end=r"\*/"
        ),
    ),
    Vendored(
        name="xxHash",
        below="vendor/hash/xxhash/",
        purl="pkg:github/Cyan4973/xxHash",
        licence="BSD-2-Clause",
        licence_text=Passage(file="vendor/hash/xxhash/LICENSE"),
    ),
    Vendored(
        name="rotate-bits.h",
        below="vendor/hash/rotate-bits/",
        purl="pkg:github/jb55/rotate-bits.h",
        licence="MIT",
        licence_text=Passage(file="vendor/hash/rotate-bits/LICENSE.md"),
    ),
    Vendored(
        name="sha256.c",
        below="vendor/hash/sha256/",
        purl="",
        licence="LicenseRef-public-domain",
        licence_text=Passage(file="vendor/hash/sha256/LICENSE"),
    ),
    Vendored(
        name="sha1.c",
        below="vendor/hash/sha1/",
        purl="",
        licence="LicenseRef-public-domain",
        licence_text=Passage(file="vendor/hash/sha1/sha1.c", end=r"\*/"),
    ),
    Vendored(
        name="llamafile-sgemm",
        below="ggml/src/ggml-cpu/llamafile/",
        purl="pkg:github/Mozilla-Ocho/llamafile",
        licence="MIT",
        licence_text=Passage(
            file="ggml/src/ggml-cpu/llamafile/sgemm.cpp", start="Copyright .* Mozilla", end="^$"
        ),
    ),
    Vendored(
        name="YaRN",
        below="ggml/src/ggml-cpu/ops.cpp",
        purl="pkg:github/jquesnelle/yarn",
        licence="MIT",
        licence_text=Passage(
            file="ggml/src/ggml-cpu/ops.cpp", start="^// YaRN algorithm based on", end="Copyright"
        ),
    ),
)

# llama.cpp's own, in a folder of others' code.
_NOT_FOREIGN = ("vendor/hash/hash.cpp", "vendor/hash/hash.h")


def vendored_parts(tree: Path, compiled: Collection[str]) -> Iterator[Part]:
    """The foreign code that was compiled.

    Args:
        compiled: paths below the tree.

    Raises:
        LlamaproofError: some of it is not known here, or its licence is not where it was.
    """
    unknown = {path for path in compiled if path.startswith(_ALL_FOREIGN)}
    unknown -= {LLAMA_CPP + path for path in _NOT_FOREIGN}
    for each in VENDORED:
        of_it = {path for path in compiled if path.startswith(LLAMA_CPP + each.below)}
        unknown -= of_it
        if of_it:
            yield each.part(tree)
    if unknown:
        raise LlamaproofError(
            "code of others was compiled in, and its licence is not known here",
            where=", ".join(sorted(unknown)),
            hint=f"say what it is in {Path(__file__).parent.name}/{Path(__file__).name}",
        )

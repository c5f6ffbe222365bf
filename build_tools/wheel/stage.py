"""A wheel's files laid out in a folder: its sources and the headers they repeat."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

# The headers whose layouts the bindings repeat, shipped so that the wheel can be checked alone.
_HEADER_FOLDERS = ("include", "ggml/include", "tools/mtmd")
_HEADERS = re.compile(r"(llama|llama-cpp|ggml[\w-]*|gguf|mtmd|mtmd-helper)\.h$")


def stage_sources(tree: Path, stage: Path) -> None:
    """Lay out the Python package of a source tree."""
    for source in sorted((tree / "llama_cpp").rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            put(source, stage / source.relative_to(tree))


def stage_headers(source: Path, include: Path) -> None:
    """Lay out llama.cpp's headers that the bindings were written from."""
    for folder in _HEADER_FOLDERS:
        for header in sorted((source / folder).glob("*.h")):
            if _HEADERS.fullmatch(header.name):
                put(header, include / header.name)


def put(source: Path, target: Path) -> None:
    """Copy one file to its place, without its mode and times."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)

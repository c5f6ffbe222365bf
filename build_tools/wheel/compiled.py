"""Which files of the source the compilers read: as ninja wrote it down while it built."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from build_tools.wheel.environment import tool
from llamaproof.errors import LlamaproofError
from llamaproof.process import run

_OBJECT = re.compile(r"^(\S.*): #deps \d+, deps mtime \d+ \((VALID|STALE)\)$")


def compiled_files(build: Path, tree: Path) -> frozenset[str]:
    """Paths below the source of everything that the objects of a build were compiled from.

    Args:
        build: the build folder.
        tree: the source, as the compilers saw it.

    Raises:
        LlamaproofError: ninja has nothing written down.
    """
    found: set[str] = set()
    valid = False
    for line in run((tool("ninja"), "-C", build, "-t", "deps")).lines:
        if head := _OBJECT.match(line):
            valid = head.group(2) == "VALID"
            continue
        path = PurePosixPath(line.strip())
        if valid and line.startswith(" ") and path.is_relative_to(tree):
            found.add(str(path.relative_to(tree)))
    if not found:
        raise LlamaproofError(
            "ninja does not say what was compiled", where=build, hint="`just clean` starts it anew"
        )
    return frozenset(found)

"""The difference of two trees as text."""

from __future__ import annotations

import os
import re

from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput

# Whatever could be configured is said. Renames are told apart by guesses that git's releases
# differ in: they are written as a file gone and a file come.
_DIFF = (
    "-r", "--patch", "--full-index", "--no-renames", "--unified=3", "--inter-hunk-context=0",
    "--diff-algorithm=myers", "--indent-heuristic", "--no-color", "--no-ext-diff",
    "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--line-prefix=", "--no-relative",
    "--submodule=short", f"-O{os.devnull}",
)  # fmt: skip


def text_diff(repository: Repository, old: str, new: str) -> bytes:
    """The difference of two commits or trees, the same bytes whatever git's version and mood.

    Raises:
        BadInput: it holds a binary file.
    """
    diff = repository.git.run("diff-tree", *_DIFF, old, new).stdout
    binary = re.findall(rb"^Binary files (.*) differ$", diff, re.MULTILINE)
    if binary:
        raise BadInput(
            f"a text series cannot hold a binary file: {binary[0].decode('utf-8', 'replace')}",
            where=repository.path,
        )
    return diff

"""One patch: a DEP-3 header, an empty line, a git diff."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from llamaproof.errors import BadInput

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\.patch")

_DIFF_START = re.compile(rb"^diff --git ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class PatchFile:
    """A patch as it lies in its folder.

    Attributes:
        name: its file name, `0001-what-it-does.patch`.
        header: the bytes before the diff; fields in DEP-3's form, then an empty line.
        diff: the bytes from the first `diff --git` on.
    """

    name: str
    header: bytes
    diff: bytes = field(repr=False)

    @property
    def data(self) -> bytes:
        return self.header + self.diff

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def message(self) -> bytes:
        """The message of the commit that holds this patch: name and header, so neither is lost."""
        return self.name.encode() + b"\n\n" + self.header.rstrip(b"\n") + b"\n"


def read_patch(name: str, data: bytes) -> PatchFile:
    """Split a patch into header and diff.

    Raises:
        BadInput: there is no diff in it.
    """
    start = _DIFF_START.search(data)
    if start is None:
        raise BadInput(f"{name} holds no `diff --git` line", hint="write it with git diff")
    return PatchFile(name=name, header=data[: start.start()], diff=data[start.start() :])


def make_patch(name: str, header: bytes, diff: bytes) -> PatchFile:
    """A patch in the one form that export writes: one empty line between header and diff."""
    return PatchFile(name=name, header=header.rstrip(b"\n") + b"\n\n", diff=diff)


def patch_of_commit(message: bytes, diff: bytes) -> PatchFile | None:
    """The patch that a commit was made from; None when its message is not that of one."""
    first, separator, header = message.partition(b"\n\n")
    name = first.decode("utf-8", "replace")
    if not separator or not NAME_PATTERN.fullmatch(name):
        return None
    return make_patch(name, header, diff)

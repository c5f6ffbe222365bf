"""A git diff read line by line: files, their hunks, and what is wrong with them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from build_tools.series.patch import PatchFile
from llamaproof.errors import BadInput

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")

_EXTENDED = (
    b"old mode ", b"new mode ", b"deleted file mode ", b"new file mode ", b"copy from ",
    b"copy to ", b"rename from ", b"rename to ", b"similarity index ", b"dissimilarity index ",
    b"index ",
)  # fmt: skip

_BINARY = (b"GIT binary patch", b"Binary files ")


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """One hunk: where it starts in the old file, the lines it wants there and those it leaves.

    Lines keep their ends; one without a newline at the end of its file has none.
    """

    old_start: int
    old_lines: tuple[bytes, ...]
    new_lines: tuple[bytes, ...]

    @property
    def ends_its_file(self) -> bool:
        """Whether no context follows the last change: it was at the end of the file."""
        return self.old_lines[-1:] != self.new_lines[-1:]


@dataclass(frozen=True, kw_only=True)
class FileDiff:
    """What a patch does to one file; a path is None where the file is not there."""

    old_path: str | None
    new_path: str | None
    hunks: tuple[Hunk, ...]

    @property
    def path(self) -> str:
        """The file, by the name it had, or gets."""
        return self.old_path or self.new_path or ""


def parse_diff(patch: PatchFile) -> tuple[FileDiff, ...]:
    """Read a patch's diff line by line, taking nothing that git would pass over in silence.

    Raises:
        BadInput: a binary change, a hunk shorter or longer than it says, or text after the diff.
    """
    return tuple(_Parser(patch).files())


def split_lines(data: bytes) -> list[bytes]:
    """Lines with their ends, at newlines alone: a carriage return is content."""
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


class _Parser:
    def __init__(self, patch: PatchFile) -> None:
        self.name = patch.name
        self.lines = split_lines(patch.diff)
        self.header_lines = patch.header.count(b"\n")
        self.position = 0

    def files(self) -> Iterator[FileDiff]:
        while self.position < len(self.lines):
            line = self._peek()
            if not line.startswith(b"diff --git "):
                raise self._bad(
                    f"text that belongs to no hunk: {line.decode('utf-8', 'replace')!r}"
                )
            yield self._file()

    def _file(self) -> FileDiff:
        old_path, new_path = self._extended(*self._paths_of_first_line())
        if self._peek().startswith(_BINARY):
            raise self._bad("a binary change, which a text series cannot hold")
        if not self._peek().startswith(b"--- "):
            return FileDiff(old_path=old_path, new_path=new_path, hunks=())
        old_path = _named(self._take(), b"--- ", b"a/")
        if not self._peek().startswith(b"+++ "):
            raise self._bad("a `---` line without its `+++` line")
        new_path = _named(self._take(), b"+++ ", b"b/")
        return FileDiff(old_path=old_path, new_path=new_path, hunks=tuple(self._hunks()))

    def _extended(
        self, old_path: str | None, new_path: str | None
    ) -> tuple[str | None, str | None]:
        """The two paths, as the lines between the first one and the hunks have them."""
        while self._peek().startswith(_EXTENDED):
            line = self._take()
            if line.startswith(b"new file mode "):
                old_path = None
            elif line.startswith(b"deleted file mode "):
                new_path = None
            elif line.startswith((b"rename from ", b"copy from ")):
                old_path = _unquoted(line.split(b" from ", 1)[1].rstrip(b"\n"))
            elif line.startswith((b"rename to ", b"copy to ")):
                new_path = _unquoted(line.split(b" to ", 1)[1].rstrip(b"\n"))
        return old_path, new_path

    def _hunks(self) -> Iterator[Hunk]:
        if not _HUNK.match(self._peek()):
            raise self._bad("a file with neither hunks nor a change of mode")
        while _HUNK.match(self._peek()):
            yield self._hunk()

    def _paths_of_first_line(self) -> tuple[str | None, str | None]:
        rest = self._take()[len(b"diff --git ") :].rstrip(b"\n")
        if rest.startswith(b'"'):
            old = re.match(rb'"(?:[^"\\]|\\.)*"', rest)
            if old is None:
                raise self._bad("a `diff --git` line whose paths cannot be read")
            return _unquoted(old[0])[2:], _unquoted(rest[old.end() :].strip())[2:]
        # Without quotes the two names are the same, but for a rename, which says so below.
        half = (len(rest) - 1) // 2
        return _unquoted(rest[:half])[2:], _unquoted(rest[half + 1 :])[2:]

    def _hunk(self) -> Hunk:
        start = _HUNK.match(self._take())
        assert start is not None
        old_left = int(start[2]) if start[2] is not None else 1
        new_left = int(start[4]) if start[4] is not None else 1
        old: list[bytes] = []
        new: list[bytes] = []
        while old_left > len(old) or new_left > len(new):
            line = self._peek()
            kind = line[:1]
            if kind not in (b" ", b"-", b"+") or not line.endswith(b"\n"):
                raise self._bad("a hunk that ends before it has the lines it says")
            self._take()
            ended = self._peek().startswith(b"\\")
            text = line[1:-1] if ended else line[1:]
            if ended:
                self._take()
            if kind != b"+":
                old.append(text)
            if kind != b"-":
                new.append(text)
        if len(old) != old_left or len(new) != new_left:
            raise self._bad("a hunk with more lines than it says")
        return Hunk(old_start=int(start[1]), old_lines=tuple(old), new_lines=tuple(new))

    def _peek(self) -> bytes:
        return self.lines[self.position] if self.position < len(self.lines) else b""

    def _take(self) -> bytes:
        self.position += 1
        return self.lines[self.position - 1]

    def _bad(self, what: str) -> BadInput:
        line = self.header_lines + min(self.position, len(self.lines)) + 1
        return BadInput(
            f"{self.name}, line {line}: {what}",
            hint="write it anew with `series export`, or with git diff",
        )


def _named(line: bytes, marker: bytes, prefix: bytes) -> str | None:
    # git ends a name that has spaces with a tab.
    name = line[len(marker) :].rstrip(b"\n").rstrip(b"\t")
    return None if name == b"/dev/null" else _unquoted(name).removeprefix(prefix.decode())


def _unquoted(name: bytes) -> str:
    """A path as git writes it: bytes beyond ASCII as octal escapes between quotes."""
    if name.startswith(b'"'):
        # C's escapes are Python's.
        name = ast.literal_eval("b" + name.decode("ascii"))
    return name.decode("utf-8", "surrogateescape")

"""Why a patch does not fit a tree, hunk by hunk, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from build_tools.series.diff import FileDiff, Hunk, split_lines
from build_tools.tree.repository import Repository

_WORD = re.compile(rb"\w{3}")


def misfits(repository: Repository, revision: str, diffs: Sequence[FileDiff]) -> tuple[str, ...]:
    """Why a diff does not fit a commit, in words; empty when only git knows."""
    files = repository.files(revision)
    found: list[str] = []
    for diff in diffs:
        if diff.old_path is None:
            if diff.new_path in files:
                found.append(f"{diff.new_path}: to be made, but there already")
        elif diff.old_path not in files:
            found.append(f"{diff.old_path}: the file is missing")
        else:
            content = repository.content(revision, diff.old_path)
            found += _hunk_misfits(diff, content)
    return tuple(found)


def _hunk_misfits(diff: FileDiff, content: bytes) -> list[str]:
    lines = split_lines(content)
    found = []
    for number, hunk in enumerate(diff.hunks, start=1):
        why = _misfit(lines, hunk)
        if why:
            found.append(
                f"hunk {number} of {diff.path} (line {hunk.old_start}) does not match: {why}"
            )
    return found


def _misfit(lines: Sequence[bytes], hunk: Hunk) -> str:
    """Why a hunk has no place in a file; empty when it has one."""
    places = _places(lines, hunk.old_lines)
    if not places:
        if hunk.new_lines and _places(lines, hunk.new_lines):
            return "what it brings is there already"
        return _first_difference(lines, hunk)
    # git ties a hunk to the file's start or end where it has no context before or after.
    if hunk.old_start <= 1 and 0 not in places:
        return "its lines are no longer at the start of the file"
    if hunk.ends_its_file and len(lines) - len(hunk.old_lines) not in places:
        return "its lines are no longer at the end of the file"
    return ""


def _places(lines: Sequence[bytes], wanted: Sequence[bytes]) -> list[int]:
    return [
        start
        for start in range(len(lines) - len(wanted) + 1)
        if tuple(lines[start : start + len(wanted)]) == tuple(wanted)
    ]


def _first_difference(lines: Sequence[bytes], hunk: Hunk) -> str:
    missing = [line for line in hunk.old_lines if line not in lines]
    if not missing:
        return "its lines are there, but not together"
    # A closing bracket tells a reader nothing.
    telling = next((line for line in missing if _WORD.search(line)), missing[0])
    return f"the file has no line {telling.decode('utf-8', 'replace').strip()!r}"

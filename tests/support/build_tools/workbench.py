"""A toy checkout with its tree laid out, and short words for what a maintainer does with it."""

from __future__ import annotations

import datetime
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from build_tools.pin.definition import Pin, load_pin
from build_tools.series.dep3 import Header
from build_tools.series.edit import add_patch, patch_from_edits
from build_tools.series.folder import Series, load_series, series_folder
from build_tools.series.prepare import PreparedTree, prepare_tree
from build_tools.tree.base import ensure_base, tree_folder
from build_tools.tree.repository import Repository
from tests.support.build_tools.sources import PIN, make_checkout

HEADER = Header(
    description="mend a thing",
    author="A Person <a@b.invalid>",
    forwarded="no",
    last_update=datetime.date(2026, 1, 31),
).text()


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """A checkout, its pin, and what the tools said."""

    checkout: Path
    pin: Pin
    said: list[str] = field(default_factory=list)

    @property
    def tree(self) -> Path:
        return tree_folder(self.checkout, self.pin.name)

    @property
    def folder(self) -> Path:
        return series_folder(self.checkout, self.pin.name)

    @property
    def repository(self) -> Repository:
        return Repository(self.tree)

    @property
    def series(self) -> Series:
        return load_series(self.folder)

    def prepare(self, *, first: int | None = None, in_place: bool = False) -> PreparedTree:
        return prepare_tree(
            self.checkout,
            self.pin.name,
            first=first,
            in_place=in_place,
            report=self.said.append,
        )

    def edit(self, name: str, old: bytes, new: bytes) -> None:
        path = self.tree / name
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    def add(self, name: str, *, position: int | None = None) -> None:
        """The tree's edits become a patch."""
        series = self.series
        patch = patch_from_edits(self.repository, series, name, HEADER)
        place = len(series.patches) if position is None else position
        add_patch(self.repository, series, self.pin, patch, position=place, report=self.said.append)

    def patch_line(self, name: str, file: str, old: bytes, new: bytes) -> None:
        """A patch at the end of the series that changes one line."""
        self.edit(file, old, new)
        self.add(name)

    def rewrite_patch(self, name: str, old: bytes, new: bytes) -> None:
        """Edit a patch file by hand."""
        path = self.folder / name
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    def files(self) -> dict[str, bytes]:
        """The series' folder, byte for byte."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


def open_workbench(folder: Path) -> Workbench:
    """A checkout with the toy pin, its base laid out, no patches."""
    checkout = make_checkout(folder)
    bench = Workbench(checkout=checkout, pin=load_pin(checkout, PIN))
    ensure_base(checkout, bench.pin, bench.tree, bench.said.append)
    return bench


def patched_workbench(folder: Path) -> Workbench:
    """The same with three patches: two of one file, then a new file and a removed one."""
    bench = open_workbench(folder)
    bench.patch_line("0001-early.patch", "a.txt", b"line 3\n", b"line three\n")
    bench.patch_line("0002-late.patch", "a.txt", b"line 30\n", b"line thirty\nand more\n")
    (bench.tree / "models" / "new.txt").write_bytes(b"new, and ignored by the rules\n")
    (bench.tree / "src" / "c.h").unlink()
    bench.add("0003-files.patch")
    return bench


def state_of(folder: Path) -> Mapping[str, tuple[int, int, bytes]]:
    """Every file of a tree: inode, modification time, content."""
    return {
        path.relative_to(folder).as_posix(): (
            path.lstat().st_ino,
            path.lstat().st_mtime_ns,
            path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def contents_of(folder: Path) -> Mapping[str, bytes]:
    return {name: content for name, (_, _, content) in state_of(folder).items()}


def users_git(folder: Path, *args: str, check: bool = True) -> str:
    """git as the user has configured it, started by hand."""
    identity = {"GIT_AUTHOR_DATE": "2026-02-03T00:00:00Z"}
    identity |= {f"GIT_{who}_NAME": "Somebody" for who in ("AUTHOR", "COMMITTER")}
    identity |= {f"GIT_{who}_EMAIL": "some@body.invalid" for who in ("AUTHOR", "COMMITTER")}
    done = subprocess.run(
        ("git", *args), cwd=folder, env={**os.environ, **identity}, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()

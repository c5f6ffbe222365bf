"""Sources small enough for a test: files, the sdist that holds them, its pin, a checkout."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from build_tools.pin.tree_hash import TreeEntry, combine

PIN = "toy-1.0"
TOP = "toy-1.0"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

LINES = b"".join(b"line %d\n" % number for number in range(1, 41))

# What has tripped others: ignore files over tracked files, attributes, odd names and endings.
FILES: Mapping[str, bytes] = {
    "a.txt": LINES,
    "src/b.c": b"int b(void)\n{\n    return 1;\n}\n",
    "src/c.h": b"#pragma once\n",
    "run.sh": b"#!/bin/sh\necho run\n",
    ".gitignore": b"models/\n*.so\nsrc/b.c\n",
    ".gitattributes": b"* text eol=crlf\n*.txt ident -diff\n*.c filter=lfs diff=lfs\n",
    "models/kept.txt": b"$Id$\nignored by the rules, kept by us\n",
    "crlf.txt": b"one\r\ntwo\r\nthree\r\n",
    "no newline at end": b"first\nlast",
    "na\u00efve \u2713.txt": b"odd name\n",
}
EXECUTABLE = ("run.sh",)

Edit = Callable[[tarfile.TarFile], None]


def add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    tar.addfile(member, io.BytesIO(content))


def add_link(tar: tarfile.TarFile, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    tar.addfile(member)


def sdist(files: Mapping[str, bytes] = FILES, *, also: Sequence[Edit] = ()) -> bytes:
    """An sdist as a packer leaves it: with a `.git` folder, and a `.git` file further down."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        add_file(tar, f"{TOP}/.git/config", b"[core]\n\tbare = true\n")
        head = f"{TOP}/.git/modules/vendor/llama.cpp/HEAD"
        add_file(tar, head, COMMIT.encode() + b"\n")
        add_file(tar, f"{TOP}/vendor/llama.cpp/.git", b"gitdir: ../../.git/modules/nowhere\n")
        for name, content in files.items():
            add_file(tar, f"{TOP}/{name}", content, 0o775 if name in EXECUTABLE else 0o664)
        for edit in also:
            edit(tar)
    return gzip.compress(stream.getvalue(), mtime=0)


def hash_of(files: Mapping[str, bytes]) -> str:
    return combine(
        TreeEntry(
            path=name,
            kind="x" if name in EXECUTABLE else "-",
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for name, content in files.items()
    )


def pin_text(archive: bytes, tree_sha256: str) -> str:
    return (
        'distribution = "toy"\nversion = "1.0"\nreason = "for tests"\n'
        f'[sdist]\nfile = "{TOP}.tar.gz"\nsha256 = "{hashlib.sha256(archive).hexdigest()}"\n'
        f"size = {len(archive)}\n"
        f'[llama_cpp]\ncommit = "{COMMIT}"\n[tree]\nsha256 = "{tree_sha256}"\n'
    )


def make_checkout(
    folder: Path, files: Mapping[str, bytes] = FILES, archive: bytes | None = None
) -> Path:
    """A checkout with one pin whose archive is in the cache already."""
    data = sdist(files) if archive is None else archive
    (folder / "vendor").mkdir(parents=True)
    (folder / "vendor" / f"{PIN}.toml").write_text(pin_text(data, hash_of(files)))
    (folder / ".cache" / "sdist").mkdir(parents=True)
    (folder / ".cache" / "sdist" / f"{TOP}.tar.gz").write_bytes(data)
    return folder


def silent(_line: str) -> None:
    """A report that nobody reads."""


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())

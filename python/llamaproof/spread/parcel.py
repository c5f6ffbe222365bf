"""A target as bytes that travel, and the target again on the machine they reach.

What arrives is kept in a folder under its SHA-256: whole or not at all, and once, however many
batches ask for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.target import Target, open_unpacked
from llamaproof.wheel_archive.members import unpack_wheel


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is known of a parcel without its bytes.

    Attributes:
        sha256: of the bytes.
        is_wheel: the bytes are a wheel's; otherwise a tar archive of a folder's files.
        name, version, wheel_sha256: of the target that was sent.
    """

    sha256: str
    is_wheel: bool
    name: str
    version: str | None
    wheel_sha256: str | None


def packed(target: Target) -> tuple[Label, bytes]:
    """A target's label and bytes: a wheel as it is, a folder as an archive of its files."""
    data = target.wheel.read_bytes() if target.wheel is not None else _archive(target)
    label = Label(
        sha256=hashlib.sha256(data).hexdigest(),
        is_wheel=target.wheel is not None,
        name=target.name,
        version=target.version,
        wheel_sha256=target.sha256,
    )
    return label, data


def unpacked(label: Label, data: bytes, keep: Path) -> Target:
    """The target, in a folder below `keep`; made from the bytes if it is not there yet.

    Raises:
        BadInput: the bytes are not those of the label, or no archive.
        OSError: there is no room for it.
    """
    folder = keep / label.sha256
    with _one_at_a_time(keep / f"{label.sha256}.lock"):
        if not folder.is_dir():
            _unpack(label, data, folder)
    found = open_unpacked(folder, label.name)
    return replace(
        found,
        kind="wheel" if label.is_wheel else found.kind,
        version=label.version,
        sha256=label.wheel_sha256,
    )


def _unpack(label: Label, data: bytes, folder: Path) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != label.sha256:
        raise BadInput(
            f"what arrived is not what was sent: sha256 {digest} and not {label.sha256}",
            where=label.name,
        )
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="arriving-"))
    try:
        if label.is_wheel:
            archive = scratch / "target.whl"
            archive.write_bytes(data)
            unpack_wheel(archive, scratch / "target")
        else:
            (scratch / "target").mkdir()
            _extract(data, scratch / "target")
        (scratch / "target").rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _archive(target: Target) -> bytes:
    """The files of a target that is a folder, without what differs from machine to machine."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, name in _files(target):
            # A library has several names by links; a link that leaves the folder is followed.
            inside = path.is_symlink() and path.resolve().parent == path.parent.resolve()
            archive.dereference = not inside
            member = archive.gettarinfo(path, arcname=name)
            member.mtime = member.uid = member.gid = 0
            member.uname = member.gname = ""
            if member.isreg():
                member.type = tarfile.REGTYPE
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)
    return stream.getvalue()


def _files(target: Target) -> Iterator[tuple[Path, str]]:
    """The files of the package, with the libraries that a repaired wheel keeps beside it; else the
    libraries of the folder. Each with its name in the archive."""
    if target.package is None:
        for path in sorted(target.lib_dir.glob("*.so*")):
            yield path, path.name
        return
    around = target.package.parent
    for folder in (target.package, *sorted(around.glob("llama_cpp*.libs"))):
        for path in sorted(folder.rglob("*")):
            if not path.is_dir() and path.parent.name != "__pycache__":
                yield path, str(path.relative_to(around))


def _extract(data: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder)


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Alone among all threads and processes that name this file."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield

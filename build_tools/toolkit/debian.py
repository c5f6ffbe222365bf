"""A package of Debian, brought without root and without a change to the system.

Its hash stands in a lock file, so that neither the mirror nor apt needs to be trusted.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from build_tools.progress import Report
from llamaproof.errors import BadInput, CommandFailed
from llamaproof.files import sha256_of
from llamaproof.process import run
from llamaproof.toml import read_toml

DEB_CACHE = Path(".cache") / "deb"

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60  # deb(5), ar(5): name 16, ..., size in decimal at 48 to 58


@dataclass(frozen=True, kw_only=True)
class DebianPackage:
    """One file of Debian's archive: what it is called, where it stands, and its hash."""

    package: str
    version: str
    suite: str
    component: str
    architecture: str
    file: str
    size: int
    sha256: str


def load_package(lock: Path) -> DebianPackage:
    """Read requirements/NAME.deb.toml."""
    return DebianPackage(**read_toml(lock, "the lock of a Debian package"))


def fetch_deb(package: DebianPackage, cache: Path, given: Path | None, report: Report) -> Path:
    """The package's file: the user's, the one that came before, or apt's; checked either way.

    Raises:
        BadInput: it is not the file that the lock names, or it cannot be had here.
    """
    if given is not None:
        _check(package, given, hint=f"give {package.file}, or leave CUDA_DEB out")
        return given
    kept = cache / package.file
    if kept.exists():
        _check(package, kept, hint="delete the file: the next run fetches it again")
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as scratch:
        report(f"toolkit: fetching {package.file} ({package.size / 1e6:.1f} MB) through apt")
        fetched = _download(package, Path(scratch), report)
        _check(package, fetched, hint="the mirror gave another file; nothing was unpacked")
        return fetched.replace(kept)


def unpack_deb(deb: Path, names: Collection[str], folder: Path) -> None:
    """Unpack some files of a package, each by its path in the package (`usr/bin/ptxas`).

    Raises:
        BadInput: it is no Debian package, or a file is not in it.
    """
    with tarfile.open(fileobj=BytesIO(_data_member(deb))) as archive:
        members = {member.name.removeprefix("./"): member for member in archive}
        for name in names:
            source = archive.extractfile(members[name]) if name in members else None
            if source is None:
                raise BadInput(f"the package lacks {name}", where=deb)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                shutil.copyfileobj(source, stream)


def _check(package: DebianPackage, deb: Path, *, hint: str) -> None:
    found = sha256_of(deb)
    if found != package.sha256:
        raise BadInput(
            f"{deb.name} is not {package.file}: expected sha256 {package.sha256} "
            f"({package.size} bytes), found {found} ({deb.stat().st_size} bytes)",
            where=deb,
            hint=hint,
        )


def _download(package: DebianPackage, scratch: Path, report: Report) -> Path:
    """Ask each mirror that this system's apt is set up with, until one has the package."""
    refused: list[str] = []
    for mirror in _mirrors(package):
        try:
            return _download_from(mirror, package, scratch, report)
        except CommandFailed as error:
            refused += error.output[-3:]
    raise _not_at_hand(
        package, f"no mirror of this system's apt has {package.package} {package.version}", refused
    )


def _mirrors(package: DebianPackage) -> tuple[str, ...]:
    if shutil.which("apt-get") is None:
        raise _not_at_hand(package, "CUDA 12's nvcc comes from Debian, and there is no apt here")
    listed = run(("apt-get", "indextargets", "--format", "$(REPO_URI)")).lines
    return tuple(dict.fromkeys(line for line in listed if "://" in line or line.startswith("/")))


def _download_from(mirror: str, package: DebianPackage, scratch: Path, report: Report) -> Path:
    for name in ("lists/partial", "cache/archives/partial", "files"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    (scratch / "status").touch()
    sources = scratch / "sources.list"
    # The file's hash is ours to check, so no key of this system's needs to know the release.
    sources.write_text(f"deb [trusted=yes] {mirror} {package.suite} {package.component}\n")
    private = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": scratch,
        "Dir::State::Lists": scratch / "lists",
        "Dir::State::Status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "APT::Architecture": package.architecture,
        # As root, apt would change to a user who may not write here.
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any",
    }
    apt = ("apt-get", "-q", *(f"-o{name}={value}" for name, value in private.items()))
    show = _of_apt(report)
    run((*apt, "update"), on_line=show)
    wanted = f"{package.package}={package.version}"
    run((*apt, "download", wanted), cwd=scratch / "files", on_line=show)
    return next((scratch / "files").glob("*.deb"))


def _of_apt(report: Report) -> Report:
    def line_of_apt(line: str) -> None:
        if line.startswith(("Get:", "Err:", "E:")):
            report(f"  {line[:120]}")

    return line_of_apt


def _not_at_hand(package: DebianPackage, what: str, said: list[str] | None = None) -> BadInput:
    return BadInput(
        what,
        where="; ".join(said or ()),
        hint=(
            f"fetch {package.file} (Debian {package.suite}, {package.component}, "
            f"sha256 {package.sha256}) and name it with CUDA_DEB=FILE, "
            "or name a CUDA toolkit of your own with CUDA_HOME=FOLDER"
        ),
    )


def _data_member(deb: Path) -> bytes:
    """The archive of a package's files: the `data.tar` member of its ar archive, as it is."""
    with deb.open("rb") as stream:
        if stream.read(len(_AR_MAGIC)) != _AR_MAGIC:
            raise BadInput("this is no Debian package", where=deb)
        while len(header := stream.read(_AR_HEADER)) == _AR_HEADER:
            size = int(header[48:58])
            if header[:16].startswith(b"data.tar"):
                return stream.read(size)
            stream.seek(size + size % 2, 1)
    raise BadInput("this Debian package holds no files", where=deb)

"""Debian packages small enough for a test, and a mirror of them in a folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from build_tools.toolkit.debian import DebianPackage


def deb(files: Mapping[str, bytes], control: str = "") -> bytes:
    """A package as dpkg-deb makes it: an ar archive of a version, a control and a data archive."""
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": _tar_xz({"control": control.encode()}),
        "data.tar.xz": _tar_xz(files),
    }
    packed = b"!<arch>\n"
    for name, data in members.items():
        packed += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        packed += data + b"\n" * (len(data) % 2)
    return packed


def package_of(content: bytes, *, version: str = "1.2-3") -> DebianPackage:
    """The lock of a package that holds these bytes."""
    return DebianPackage(
        package="toy",
        version=version,
        suite="stable",
        component="main",
        architecture="amd64",
        file=f"toy_{version}_amd64.deb",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def write_mirror(folder: Path, package: DebianPackage, content: bytes) -> str:
    """A mirror with that one package, whatever its lock says of its bytes; returns its address."""
    (folder / "pool").mkdir(parents=True)
    (folder / "pool" / package.file).write_bytes(content)
    lists = folder / "dists" / package.suite / package.component / "binary-amd64"
    lists.mkdir(parents=True)
    paragraph = (
        f"Package: {package.package}\nVersion: {package.version}\nArchitecture: amd64\n"
        f"Maintainer: nobody\nDescription: a toy\nFilename: pool/{package.file}\n"
        f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n\n"
    ).encode()
    (lists / "Packages").write_bytes(paragraph)
    (lists / "Packages.gz").write_bytes(gzip.compress(paragraph))
    name = f"{package.component}/binary-amd64/Packages"
    digest = hashlib.sha256(paragraph).hexdigest()
    (folder / "dists" / package.suite / "Release").write_text(
        f"Suite: {package.suite}\nComponents: {package.component}\nArchitectures: amd64\n"
        f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {digest} {len(paragraph)} {name}\n"
    )
    return f"file:{folder}"


def _tar_xz(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()

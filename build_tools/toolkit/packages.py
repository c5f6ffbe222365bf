"""The packages that a toolkit was put together from, each by the hash of its one archive here.

A lock lists the archives of every platform: which of them this machine takes, pip says.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from build_tools.toolkit.debian import load_package
from build_tools.toolkit.recipes import Recipe
from llamaproof.errors import LlamaproofError
from llamaproof.files import write_whole
from llamaproof.process import run
from llamaproof.wheel_contents import ToolkitPackage

_REQUIREMENT = re.compile(r"^\w[^\\\n]*==[^\\\n]*", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def packages_of(checkout: Path, recipe: Recipe) -> tuple[ToolkitPackage, ...]:
    """The packages of an installed toolkit; what pip answered is kept in its folder.

    Raises:
        CommandFailed: pip could not say.
        LlamaproofError: it chose an archive that the lock does not name.
    """
    folder = recipe.folder(checkout)
    found: list[ToolkitPackage] = []
    for lock in recipe.lock_files(checkout):
        if lock.suffix == ".lock":
            found += archives_of(lock, folder / f"{lock.stem}.packages.json")
        else:
            deb = load_package(lock)
            found.append(
                ToolkitPackage(type="deb", name=deb.package, version=deb.version, sha256=deb.sha256)
            )
    return tuple(found)


def archives_of(lock: Path, kept: Path) -> tuple[ToolkitPackage, ...]:
    """The packages of a lock, each with the hash of the one archive that this machine takes.

    pip is asked by name and version, which reads the index alone. What it chooses must be among
    the hashes of the lock.

    Args:
        kept: the file that keeps the answer, so that the next build asks nobody.

    Raises:
        CommandFailed: pip could not say.
        LlamaproofError: it chose an archive that the lock does not name.
    """
    if not kept.is_file():
        chosen = tuple(_chosen(lock))
        write_whole(kept, json.dumps([asdict(each) for each in chosen], indent=1) + "\n")
    return tuple(ToolkitPackage(**each) for each in json.loads(kept.read_text(encoding="utf-8")))


def _chosen(lock: Path) -> Iterator[ToolkitPackage]:
    text = lock.read_text(encoding="utf-8")
    hashes = frozenset(_HASH.findall(text))
    for install in _report(tuple(line.strip() for line in _REQUIREMENT.findall(text))):
        name, version = install["metadata"]["name"], install["metadata"]["version"]
        sha256 = install["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if sha256 not in hashes:
            raise LlamaproofError(
                f"the index offers another {name} {version} than the lock names",
                where=lock,
                hint=f"its sha256 is {sha256}: find out why, or write the lock anew (`just lock`)",
            )
        yield ToolkitPackage(type="pypi", name=name, version=version, sha256=sha256)


def _report(requirements: tuple[str, ...]) -> list[dict[str, Any]]:
    """What pip would install of these."""
    with tempfile.TemporaryDirectory(prefix="llamaproof-archives-") as scratch:
        report = Path(scratch) / "report.json"
        command = (
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps",
            "--only-binary", ":all:", "--disable-pip-version-check", "--report", str(report),
            *requirements,
        )  # fmt: skip
        run(command)
        installs: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
        return installs

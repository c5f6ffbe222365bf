"""A wheel's words about itself: its version, what it requires, how it was built."""

from __future__ import annotations

from pathlib import Path

from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel.contents import DISTRIBUTION, WheelContents
from build_tools.wheel.email_file import read_headers, write_headers
from build_tools.wheel.unpacked import UnpackedWheel
from llamaproof import wheel_contents
from llamaproof.binary.cuda_libraries import needed_by_build
from llamaproof.errors import LlamaproofError
from llamaproof.files import write_whole


def set_version(wheel: UnpackedWheel, contents: WheelContents) -> None:
    """Write the full version wherever it is read from: the package, METADATA, the folder's name.

    Raises:
        LlamaproofError: the backend's wheel is of another release than the pin says.
    """
    _set_package_version(wheel.package / "__init__.py", contents)
    path = wheel.info / "METADATA"
    headers = read_headers(path)
    _require(headers["Version"] == contents.version, f"Version: {contents.version}", path)
    headers.replace_header("Version", contents.full_version)
    write_headers(path, headers)
    wheel.info.rename(wheel.folder / f"{DISTRIBUTION}-{contents.full_version}.dist-info")


def _set_package_version(init: Path, contents: WheelContents) -> None:
    text = init.read_text(encoding="utf-8")
    old = f'__version__ = "{contents.version}"'
    _require(text.count(old) == 1, old, init)
    init.write_text(text.replace(old, f'__version__ = "{contents.full_version}"'), encoding="utf-8")


def _require(holds: bool, line: str, path: Path) -> None:
    if not holds:
        raise LlamaproofError(f"expected one line `{line}`", where=path)


def write_facts(wheel: UnpackedWheel, contents: WheelContents) -> None:
    """Write llamaproof.json into the package: what the wheel was built from and with."""
    write_whole(wheel.package / wheel_contents.FILE_NAME, contents.facts.text())


def add_requirements(wheel: UnpackedWheel, contents: WheelContents) -> None:
    """Let METADATA ask for the packages that bring CUDA's libraries."""
    if contents.toolkit is None:
        return
    path = wheel.info / "METADATA"
    headers = read_headers(path)
    for requirement in cuda_requirements(contents.toolkit):
        headers["Requires-Dist"] = requirement
    write_headers(path, headers)


def cuda_requirements(toolkit: Toolkit) -> tuple[str, ...]:
    """The packages that bring cudart and cublas of the same major version as the build."""
    major = toolkit.major
    cudart, cublas = needed_by_build(major)
    return (
        f"{cudart.package}>={toolkit.version},<{major + 1}",
        f"{cublas.package}>={major},<{major + 1}",
    )

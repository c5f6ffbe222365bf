"""A target and how it is opened."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llamaproof.errors import BadInput
from llamaproof.files import sha256_of
from llamaproof.wheel_archive.members import unpack_wheel

Kind = Literal["wheel", "package", "libraries"]

_HINT = (
    "give a llama-cpp-python wheel, a folder that holds llama_cpp, the word `installed`, "
    "or a folder with libllama.so or libggml*.so"
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target opened for reading.

    Attributes:
        name: how it was given, for messages.
        kind: `wheel`, `package` (installed or unpacked llama_cpp) or `libraries`.
        package: the llama_cpp folder; None for a folder of libraries.
        lib_dir: the folder of libllama.so and libggml*.so.
        version: of the distribution or package, where it says one.
        sha256: of the wheel file; None for the other kinds.
        wheel: the wheel file; None for the other kinds, and for one that arrived unpacked.
    """

    name: str
    kind: Kind
    package: Path | None
    lib_dir: Path
    version: str | None
    sha256: str | None
    wheel: Path | None = None

    @property
    def libraries(self) -> tuple[Path, ...]:
        """The llama.cpp shared libraries, sorted by name."""
        return tuple(sorted(p for p in self.lib_dir.iterdir() if _is_library(p)))


@contextlib.contextmanager
def open_target(spec: str) -> Iterator[Target]:
    """Open a target for as long as the context lasts; a wheel is unpacked to a temporary folder.

    Raises:
        BadInput: there is no such file, or it is none of the things a target can be.
    """
    if spec == "installed":
        yield _package(_installed_package(), spec)
        return
    path = Path(spec)
    if path.is_dir():
        yield _from_folder(path.resolve(), spec)
        return
    if not path.is_file():
        raise BadInput(f"no such file or folder: {spec}", hint=_HINT)
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        folder = Path(scratch)
        unpack_wheel(path, folder)
        opened = _from_folder(folder, spec)
        yield Target(
            name=path.name,
            kind="wheel",
            package=opened.package,
            lib_dir=opened.lib_dir,
            version=opened.version,
            sha256=sha256_of(path),
            wheel=path.resolve(),
        )


def open_unpacked(folder: Path, name: str) -> Target:
    """The target in a folder that outlives it: unpacked from a wheel, or of another's making.

    Raises:
        BadInput: it holds none.
    """
    return _from_folder(folder, name)


def _from_folder(folder: Path, spec: str) -> Target:
    if (folder / "llama_cpp" / "llama_cpp.py").is_file():
        return _package(folder / "llama_cpp", spec)
    if (folder / "llama_cpp.py").is_file():
        return _package(folder, spec)
    if any(_is_library(p) for p in folder.iterdir()):
        return Target(
            name=spec, kind="libraries", package=None, lib_dir=folder, version=None, sha256=None
        )
    raise BadInput(f"no llama_cpp package and no llama.cpp libraries in {spec}", hint=_HINT)


def _package(package: Path, spec: str) -> Target:
    folders = (package / "lib", package)
    lib_dir = next((f for f in folders if f.is_dir() and any(map(_is_library, f.iterdir()))), None)
    return Target(
        name=spec,
        kind="package",
        package=package,
        lib_dir=lib_dir if lib_dir is not None else package / "lib",
        version=_package_version(package),
        sha256=None,
    )


def _installed_package() -> Path:
    found = importlib.util.find_spec("llama_cpp")
    if found is None or found.origin is None:
        raise BadInput("llama_cpp is not installed in this environment", hint=_HINT)
    return Path(found.origin).parent


def _package_version(package: Path) -> str | None:
    init = package / "__init__.py"
    text = init.read_text(encoding="utf-8") if init.is_file() else ""
    match = re.search(r"""^__version__\s*=\s*["']([^"']+)["']""", text, re.MULTILINE)
    return match.group(1) if match else None


def _is_library(path: Path) -> bool:
    return re.match(r"lib(llama|ggml|mtmd|llava)[\w-]*\.so(\.\d+)*$", path.name) is not None

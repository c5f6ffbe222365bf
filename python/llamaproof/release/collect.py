"""The wheels that a release is given: files, and those in folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from llamaproof.errors import BadInput, DefectFound
from llamaproof.files import sha256_of


def collect(given: Iterable[Path]) -> tuple[Path, ...]:
    """Every wheel that is given, once, by file name.

    Raises:
        BadInput: what is given is not there, or holds no wheel.
        DefectFound: two wheels have the same name and other bytes.
    """
    found: dict[str, Path] = {}
    for wheel in (wheel for path in given for wheel in _wheels(path)):
        other = found.setdefault(wheel.name, wheel)
        if other != wheel and sha256_of(other) != sha256_of(wheel):
            raise DefectFound(
                f"two wheels are called {wheel.name}, and differ",
                where=f"{other} and {wheel}",
                hint="give the one that is meant: a name stands for its bytes",
            )
    return tuple(found[name] for name in sorted(found))


def _wheels(path: Path) -> Iterator[Path]:
    if path.is_dir():
        wheels = sorted(path.glob("*.whl"))
        if not wheels:
            raise BadInput("there is no wheel in this folder", where=path, hint="build one first")
        yield from wheels
        return
    if not path.is_file():
        raise BadInput("there is no such wheel", where=path)
    if path.suffix != ".whl":
        raise BadInput("this is no wheel", where=path, hint="its name must end in .whl")
    yield path

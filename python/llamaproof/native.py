"""The compiled libraries that the package brings, and where they lie."""

from __future__ import annotations

from pathlib import Path

from llamaproof.errors import BadInput

NATIVE = Path(__file__).resolve().parent / "_native"


def built(library: Path) -> Path:
    """The library itself, once it is certain that it is there.

    Raises:
        BadInput: it is not built.
    """
    if not library.is_file():
        raise BadInput(
            "the native libraries of llamaproof are not built",
            where=library,
            hint="install the llamaproof package, or in a checkout build them: just native",
        )
    return library

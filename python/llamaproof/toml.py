"""Data that people write, read from TOML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from llamaproof.errors import BadInput

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of a file.

    Args:
        what: the file is, for the message.

    Raises:
        BadInput: it cannot be read, or is no TOML.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{what} cannot be read: {error}", where=path) from error
    return tables

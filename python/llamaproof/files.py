"""Files: written whole or not at all, and told apart by their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from llamaproof.errors import LlamaproofError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file beside its place, text as UTF-8, then put it there in one step.

    Raises:
        LlamaproofError: it cannot be written; what was there before is still there.
    """
    data = content.encode() if isinstance(content, str) else content
    scratch: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        scratch = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        scratch.chmod(0o644)
        scratch.replace(path)
    except BaseException as error:
        if scratch is not None:
            with contextlib.suppress(FileNotFoundError):
                scratch.unlink()
        if isinstance(error, OSError):
            raise LlamaproofError(
                f"cannot write {path.name}: {error.strerror or error}",
                where=path,
                hint="choose a folder that exists, may be written to and has space left",
            ) from error
        raise


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

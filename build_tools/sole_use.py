"""One run at a time on a folder."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from build_tools.progress import Report


@contextlib.contextmanager
def sole_use(folder: Path, report: Report) -> Iterator[None]:
    """Keep other runs of these tools away from a folder; waits until they are done.

    The lock lies beside the folder, so the folder itself may be removed and made anew. It ends with
    the process that holds it, however that ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another run is using {folder.name}; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield

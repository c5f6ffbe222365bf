"""A shadow session, prepared in one process and loaded in another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llamaproof import shadow


def describe(session: shadow.Session) -> dict[str, Any]:
    """What the other process needs of a session, for JSON."""
    return {
        "file": str(session.file),
        "cuda_major": session.cuda_major,
        "mode": session.mode,
        "preload": [str(path) for path in session.preload],
    }


def load(described: Mapping[str, Any]) -> shadow.Shadow:
    """Load a session in the process that will load the target's libraries; once, and first.

    Raises:
        LlamaproofError: a stand-in cannot be loaded.
    """
    return shadow.load(
        shadow.Session(
            file=Path(described["file"]),
            gpus=(),
            mode=described["mode"],
            cuda_major=described["cuda_major"],
            preload=tuple(Path(path) for path in described["preload"]),
        )
    )

"""Examinations of numbers, which workers of a cluster can be told to carry out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from llamaproof.errors import LlamaproofError
from llamaproof.spread.carrier import Answer
from llamaproof.target import Target

OnDone = Callable[[int], None]


def squared(target: Target, part: str, items: Sequence[int], on_done: OnDone, /) -> Answer:
    """The squares, and what the target's one file holds."""
    on_done(len(items))
    held = (target.lib_dir / "libllama.so").read_text()
    return {"device": part, "held": held, "answers": [item * item for item in items]}


def squared_by(target: Target, _part: str, items: Sequence[int], on_done: OnDone, /) -> Answer:
    """The process that each was squared by, and the folder of its target: slowly, so that every
    worker has its share."""
    time.sleep(0.3)
    on_done(len(items))
    return {"answers": [(os.getpid(), str(target.lib_dir)) for _ in items]}


def fatal_once(_target: Target, part: str, items: Sequence[int], _on_done: OnDone, /) -> Answer:
    """The squares, but the first worker that is given 3 is killed; `part`: a folder for a note."""
    note = Path(part) / "killed"
    if 3 in items and not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"answers": [item * item for item in items]}


def fatal(_target: Target, _part: str, items: Sequence[int], _on_done: OnDone, /) -> Answer:
    """The squares, but whoever is given 3 is killed."""
    if 3 in items:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"answers": [item * item for item in items]}


def endless(_target: Target, part: str, _items: Sequence[int], on_done: OnDone, /) -> Answer:
    """Goes on until it is told to stop; `part` is a folder for notes."""
    (Path(part) / "begun").touch()
    try:
        while True:
            on_done(0)
            time.sleep(0.05)
    finally:
        (Path(part) / "ended").touch()


def without_room(_target: Target, part: str, _items: Sequence[int], _on_done: OnDone, /) -> Answer:
    """What a worker says of itself."""
    raise LlamaproofError("the disk of this machine is full", where=part, hint="make room")


def faulty(_target: Target, _part: str, _items: Sequence[int], _on_done: OnDone, /) -> Answer:
    """A fault that nobody foresaw."""
    raise ZeroDivisionError("planted")

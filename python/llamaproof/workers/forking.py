"""Run a function over many items in forked children, so that a crash costs one item."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import selectors
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from llamaproof.errors import LlamaproofError
from llamaproof.process import describe_status

T = TypeVar("T")

# A child that has not answered for so long hangs: no item takes a tenth of this.
HANG_LIMIT_S = 60.0

_BATCH = 256
_OUTPUT_TAIL = 4000


@dataclass(frozen=True, kw_only=True)
class Died:
    """An item whose child did not survive it.

    Attributes:
        how: in words, as in `was killed by SIGABRT`.
        output: the last that was printed during this item.
    """

    how: str
    output: str


@dataclass(kw_only=True)
class _Child:
    pid: int
    pipe: int
    output: int
    items: deque[int]
    pending: bytearray = field(default_factory=bytearray)
    last_answer: float = field(default_factory=time.monotonic)
    hung: bool = False


def run_forked(
    items: Sequence[T],
    examine: Callable[[T], Any],
    *,
    n_children: int,
    on_answer: Callable[[int, Any | Died], None],
    hang_limit_s: float = HANG_LIMIT_S,
) -> None:
    """Call `examine` on every item in forked children of this process.

    The children inherit everything that is loaded here. One that dies is replaced by another,
    which goes on with the next item.

    Args:
        examine: returns what json can carry. An exception in it ends the whole run: it is a
            fault of ours and not of what is examined.
        n_children: children at a time.
        on_answer: called with each item's index, in no order, and its answer or `Died`.

    Raises:
        LlamaproofError: `examine` raised.
    """
    waiting = deque(
        deque(range(start, min(start + _BATCH, len(items))))
        for start in range(0, len(items), _BATCH)
    )
    children: dict[int, _Child] = {}
    selector = selectors.DefaultSelector()
    outputs = [_unlinked_file() for _ in range(n_children)]
    try:
        while waiting or children:
            while waiting and len(children) < n_children:
                child = _start(items, examine, waiting.popleft(), outputs.pop())
                children[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            for key, _ in selector.select(timeout=1.0):
                child = children[key.fd]
                if _receive(child, on_answer):
                    continue
                selector.unregister(child.pipe)
                del children[child.pipe]
                outputs.append(child.output)
                rest = _bury(child, on_answer)
                if rest:
                    waiting.appendleft(rest)
            _end_hung(children.values(), hang_limit_s)
    finally:
        selector.close()
        for child in children.values():
            _kill(child)
            outputs.append(child.output)
        for output in outputs:
            os.close(output)


def _start(
    items: Sequence[T], examine: Callable[[T], Any], batch: deque[int], output: int
) -> _Child:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _child_main(items, examine, batch, write_end, output)
    os.close(write_end)
    return _Child(pid=pid, pipe=read_end, output=output, items=batch)


def _child_main(
    items: Sequence[T],
    examine: Callable[[T], Any],
    batch: Sequence[int],
    pipe: int,
    output: int,
) -> None:
    """Never returns: a child must not unwind into its parent's frames."""
    status = 1
    try:
        # A core of a process that has a device's whole memory mapped would fill the disk.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.disable()  # a crash is reported by this module, in its own words
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for index in batch:
            os.ftruncate(output, 0)
            os.lseek(output, 0, os.SEEK_SET)
            _send(pipe, _answer(examine, items[index]))
        status = 0
    finally:
        os._exit(status)


def _answer(examine: Callable[[T], Any], item: T) -> dict[str, Any]:
    try:
        return {"answer": examine(item)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "item": str(item)}


def _send(pipe: int, message: dict[str, Any]) -> None:
    data = memoryview(json.dumps(message).encode() + b"\n")
    while data:
        data = data[os.write(pipe, data) :]


def _receive(child: _Child, on_answer: Callable[[int, Any | Died], None]) -> bool:
    """Take what a child has sent; False when it has ended."""
    data = os.read(child.pipe, 1 << 16)
    child.pending += data
    *lines, rest = child.pending.split(b"\n")
    child.pending = bytearray(rest)
    for line in lines:
        message = json.loads(line)
        if "error" in message:
            raise LlamaproofError(
                f"a cell could not be examined: {message['error']}", where=message["item"]
            )
        child.last_answer = time.monotonic()
        on_answer(child.items.popleft(), message["answer"])
    return bool(data)


def _bury(child: _Child, on_answer: Callable[[int, Any | Died], None]) -> deque[int]:
    """Reap a child that has ended; returns the items it leaves, without the one that killed it."""
    _, status = os.waitpid(child.pid, 0)
    os.close(child.pipe)
    output = _read_tail(child.output)
    if child.items:
        how = describe_status(os.waitstatus_to_exitcode(status))
        if child.hung:
            how = "gave no answer and was ended"
        on_answer(child.items.popleft(), Died(how=how, output=output))
    return child.items


def _end_hung(children: Iterable[_Child], hang_limit_s: float) -> None:
    now = time.monotonic()
    for child in children:
        if now - child.last_answer > hang_limit_s:
            child.hung = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)


def _kill(child: _Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child.pid, 0)
    os.close(child.pipe)


def _unlinked_file() -> int:
    with tempfile.TemporaryFile(prefix="llamaproof-") as stream:
        return os.dup(stream.fileno())


def _read_tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    start = max(0, size - _OUTPUT_TAIL)
    return os.pread(descriptor, _OUTPUT_TAIL, start).decode(errors="replace")

"""The one way llamaproof starts another program."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from llamaproof.errors import CommandFailed

SILENCE_LIMIT_S = 900.0
_TERM_GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A program that ran to its end: its exit status, its lines, and the seconds it took."""

    command: tuple[str, ...]
    returncode: int
    lines: tuple[str, ...]
    seconds: float

    @property
    def output(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a program said to what it was given: its exit status, its output, its errors as text."""

    returncode: int
    stdout: bytes
    stderr: str


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    silence_limit_s: float = SILENCE_LIMIT_S,
    check: bool = True,
) -> Completed:
    """Run a program to its end, its output read line by line as it comes.

    Standard output and error arrive merged, in text mode; undecodable bytes are replaced.
    The program gets a process group of its own, which is ended whole on any failure here:
    an exception in `on_line`, an interrupt, or silence.

    Args:
        command: program and arguments; never a shell line.
        env: the whole environment; None is this process's own.
        on_line: called with each line, without its end.
        silence_limit_s: seconds without a line after which the program is ended.
        check: raise when the exit status is not 0.

    Raises:
        CommandFailed: it could not be started, fell silent, or (with `check`) failed.
    """
    argv = tuple(os.fspath(part) for part in command)
    started = time.monotonic()
    lines: list[str] = []
    try:
        with _started(argv, cwd=cwd, env=env, stderr=subprocess.STDOUT) as child:
            for line in _lines(child, silence_limit_s):
                lines.append(line)
                if on_line is not None:
                    on_line(line)
            returncode = child.wait()
    except _Silent as error:
        what = f"printed nothing for {silence_limit_s:.0f} s and was ended"
        raise _failure(argv, what, lines) from error
    if check and returncode != 0:
        raise _failure(argv, describe_status(returncode), lines, returncode)
    seconds = time.monotonic() - started
    return Completed(command=argv, returncode=returncode, lines=tuple(lines), seconds=seconds)


def ask(
    command: Sequence[str | os.PathLike[str]],
    *,
    stdin: bytes | Path = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Answer:
    """Run a short program that is given bytes and answers with bytes, its errors kept apart.

    Like `run`'s, its process group is ended whole on an interrupt. Its exit status is the
    caller's to judge.

    Args:
        stdin: what it is given: bytes, or a file of them.

    Raises:
        CommandFailed: it could not be started.
    """
    argv = tuple(os.fspath(part) for part in command)
    with (
        _as_file(stdin) as source,
        _started(argv, cwd=cwd, env=env, stdin=source, stderr=subprocess.PIPE) as child,
    ):
        stdout, stderr = child.communicate()
    return Answer(
        returncode=child.returncode, stdout=stdout, stderr=stderr.decode("utf-8", "replace")
    )


@contextlib.contextmanager
def _as_file(given: bytes | Path) -> Iterator[IO[bytes]]:
    if isinstance(given, Path):
        with given.open("rb") as source:
            yield source
        return
    with tempfile.TemporaryFile() as source:
        source.write(given)
        source.seek(0)
        yield source


class Beside:
    """A program that runs beside this process (`beside`)."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def ended(self, *, within_s: float = 0.0) -> int | None:
        """Its exit status; None if it still runs after so many seconds."""
        try:
            return self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End it now, and whatever it started."""
        _end_group(self._child)


@contextlib.contextmanager
def beside(
    command: Sequence[str | os.PathLike[str]],
    *,
    output: IO[bytes],
    env: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
    grace_s: float = _TERM_GRACE_S,
) -> Iterator[Beside]:
    """Run a program beside this process; it is ended when the context is left.

    Whoever talks to it does so over descriptors of his own, and keeps watch over its answers.

    Args:
        output: takes what it prints, standard output and error merged.
        env: the whole environment; None is this process's own.
        descriptors: of this process, that the program finds open under the same numbers.
        grace_s: seconds it is given to end by itself when the context is left without an error.

    Raises:
        CommandFailed: it could not be started.
    """
    argv = tuple(os.fspath(part) for part in command)
    with _started(
        argv, cwd=None, env=env, stdout=output, stderr=subprocess.STDOUT, descriptors=descriptors
    ) as child:
        running = Beside(child)
        yield running
        if running.ended(within_s=grace_s) is None:
            running.end()


def describe_status(returncode: int) -> str:
    """An exit status in words: `failed with exit status 3`, `was killed by SIGABRT`."""
    if returncode >= 0:
        return f"failed with exit status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt, so that children are ended on them too."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {s: signal.signal(s, interrupt) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _started(
    argv: tuple[str, ...],
    *,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int,
    descriptors: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own, which any exception ends whole."""
    try:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(
            f"cannot start {argv[0]}: {error.strerror or error}",
            where=shlex.join(argv),
            hint="" if shutil.which(argv[0]) else f"install {argv[0]} and have it on the PATH",
        ) from error
    try:
        yield child
    except BaseException:
        _end_group(child)
        raise
    finally:
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child's whole process group: politely, then for good."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_TERM_GRACE_S)
    # The leader may be gone while a grandchild ignores SIGTERM: the group is asked once more.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _failure(
    argv: tuple[str, ...], what: str, lines: Sequence[str], returncode: int | None = None
) -> CommandFailed:
    return CommandFailed(
        f"{Path(argv[0]).name} {what}",
        where=shlex.join(argv),
        returncode=returncode,
        output=tuple(lines),
    )


class _Silent(Exception):
    pass


def _lines(child: subprocess.Popen[bytes], silence_limit_s: float) -> Iterator[str]:
    assert child.stdout is not None
    stream = io.TextIOWrapper(child.stdout, encoding="utf-8", errors="replace")
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        with contextlib.suppress(ValueError):  # the stream is closed under us on failure
            for line in stream:
                lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=silence_limit_s)
        except queue.Empty:
            raise _Silent from None
        if line is None:
            return
        yield line

"""Main of the process that enters a private mount namespace, lays folders at fixed paths, and runs.

It is started under unshare(1), in a namespace that nothing outside sees, and needs no package.

    python enclosed.py MOUNT_POINT NAME FOLDER [NAME SOURCE ...] -- COMMAND ...

MOUNT_POINT keeps what it has and gains the folder NAME; FOLDER is an empty folder to work in. Each
SOURCE is seen as MOUNT_POINT/NAME/its name, and the command starts in the first of them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

# sys/mount.h
_MS_BIND = 4096
_MS_MOVE = 8192
_MS_REC = 16384


def main(arguments: Sequence[str]) -> int:
    """Mount, then become the command; an error is one line and exit status 2."""
    cut = arguments.index("--")
    mount_point, name, folder, *pairs = arguments[:cut]
    command = arguments[cut + 1 :]
    sources = dict(zip(pairs[::2], map(Path, pairs[1::2]), strict=True))
    try:
        _lay_out(Path(mount_point), name, Path(folder), sources)
        os.chdir(Path(mount_point) / name / next(iter(sources)))
        return _run(command)
    except OSError as error:
        print(f"enclosed: {error.strerror}: {error.filename}", file=sys.stderr)
        return 2


def _lay_out(mount_point: Path, name: str, folder: Path, sources: dict[str, Path]) -> None:
    """Build the new view beside the old one, so that what lies under it can still be reached."""
    _mount("tmpfs", folder, kind="tmpfs")
    kept = {entry.name: entry for entry in mount_point.iterdir() if entry.name != name}
    for entry_name, entry in kept.items():
        _bind(entry, folder / entry_name)
    (folder / name).mkdir()
    for place, source in sources.items():
        _bind(source, folder / name / place)
    _mount(str(folder), mount_point, flags=_MS_MOVE)


def _bind(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir()
        _mount(str(source), target, flags=_MS_BIND | _MS_REC)
    else:
        target.touch()
        _mount(str(source), target, flags=_MS_BIND)


def _mount(source: str, target: Path, *, kind: str = "none", flags: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = (os.fsencode(source), os.fsencode(target), kind.encode())
    if libc.mount(*words, ctypes.c_ulong(flags), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot mount: {os.strerror(number)}", str(target))


def _run(command: Sequence[str]) -> int:
    """Run the command as a child and end with its status.

    This process is the first of its PID namespace: the kernel passes it no signal that it has no
    handler for, and ends all others when it ends.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    # Python ignores these two, and a child would inherit that.
    child = os.posix_spawnp(
        command[0], list(command), os.environ, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
    )
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status) % 256


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Where a compile runs: at fixed paths in a namespace of its own, or where its folders lie."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from build_tools.wheel.settings import Places
from llamaproof.errors import CommandFailed
from llamaproof.process import run

# A folder that every Linux has (FHS); what it holds stays where it is.
_MOUNT_POINT = Path("/mnt")
_NAME = "llamaproof"
_ROOT = _MOUNT_POINT / _NAME
_MAIN = Path(__file__).with_name("enclosed.py")


@dataclass(frozen=True, kw_only=True)
class Enclosure:
    """How the backend is started, and the folders it sees.

    Attributes:
        real: the folders as they lie.
        obstacle: why there is no private mount namespace; empty where there is one.
        scratch: an empty folder; the new view is built in it.
    """

    real: Places
    obstacle: str
    scratch: Path

    @property
    def seen(self) -> Places:
        """The folders as the compilers see them."""
        if self.obstacle:
            return self.real
        return Places(
            tree=_ROOT / "tree",
            build=_ROOT / "build",
            environment=_ROOT / "environment",
            toolkit=None if self.real.toolkit is None else _ROOT / "toolkit",
        )

    @property
    def python(self) -> Path:
        """The environment's interpreter, as it is called inside."""
        return self.seen.environment / "bin" / "python"

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """What to start in the real tree so that the command runs in the tree as it is seen."""
        if self.obstacle:
            return tuple(command)
        places = {
            "tree": self.real.tree,
            "build": self.real.build,
            "environment": self.real.environment,
        }
        if self.real.toolkit is not None:
            places["toolkit"] = self.real.toolkit
        pairs = (word for name, path in places.items() for word in (name, str(path.resolve())))
        return (
            *_unshare(), sys.executable, "-I", str(_MAIN),
            str(_MOUNT_POINT), _NAME, str(self.scratch), *pairs, "--", *command,
        )  # fmt: skip


def enclose(real: Places, scratch: Path) -> Enclosure:
    """An enclosure of these folders: private where the system allows it, which is tried."""
    tried = Enclosure(real=real, obstacle="", scratch=scratch)
    return replace(tried, obstacle=_obstacle(tried))


def here() -> Path:
    """The environment that this Python runs in."""
    return Path(sys.prefix)


def _obstacle(tried: Enclosure) -> str:
    """Why the system refuses; empty when the whole of it works."""
    with tempfile.TemporaryDirectory(prefix="llamaproof-mount-") as scratch:
        probe = replace(tried, scratch=Path(scratch))
        try:
            done = run(probe.command((str(probe.python), "-I", "-c", "")), check=False)
        except CommandFailed as error:
            return error.what
    if done.returncode == 0:
        return ""
    return done.lines[-1] if done.lines else f"unshare ended with status {done.returncode}"


def _unshare() -> tuple[str, ...]:
    """A mount namespace, and one of processes, which all end with the first of them."""
    as_user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return ("unshare", *as_user, "--mount", "--pid", "--fork", "--kill-child")

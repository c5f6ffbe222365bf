"""Make the environment that every recipe runs in. Needs nothing but Python, with venv or with pip.

Run by the Justfile with whatever python3 the machine has; everything else runs in what this makes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "python")]

from build_tools.progress import of_pip  # noqa: E402
from build_tools.sole_use import sole_use  # noqa: E402
from llamaproof.errors import LlamaproofError  # noqa: E402
from llamaproof.exits import exit_code_of  # noqa: E402
from llamaproof.process import run  # noqa: E402

_NEITHER = """install either, then run this again
    Debian, Ubuntu:  apt install python3-venv
    Fedora, RHEL:    dnf install python3-pip
    openSUSE:        zypper install python3-pip
    Arch:            pacman -S python-pip
    Alpine:          apk add py3-pip"""

# These of a user's settings say where pip installs to. Those of indexes and proxies are kept.
_MISLEADING = ("PYTHONPATH", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER")


def ensure_environment(folder: Path, lock: Path) -> Path:
    """Make `folder` a virtual environment that holds just what `lock` names; returns its python.

    The stamp is written last, so an environment that was interrupted is made anew. Of two runs at
    once, the second waits for the first.

    Raises:
        LlamaproofError: this Python can make none, or a package is not what the lock says.
    """
    python = folder / "bin" / "python"
    stamp = folder / "llamaproof.stamp"
    wanted = _stamp_of(lock)
    with sole_use(folder, say):
        if stamp.is_file() and stamp.read_text() == wanted and python.exists():
            return python
        say(f"environment: making {folder.name} from {lock.name}")
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
        make_environment(folder, lock)
        source = next(folder.glob("lib/python3*/site-packages")) / "llamaproof-checkout.pth"
        source.write_text(f"{CHECKOUT / 'python'}\n{CHECKOUT}\n")
        stamp.write_text(wanted)
    return python


def make_environment(folder: Path, lock: Path) -> None:
    """A fresh virtual environment that holds what a lock names, each package by its hash.

    Debian and Ubuntu keep a part of venv in a package of its own, python3-venv. Where that is
    missing, the machine's pip brings virtualenv, which needs no such part, and nothing of the
    machine's own is changed.

    Raises:
        LlamaproofError: this Python has neither venv nor pip, or a package does not install.
    """
    if find_spec("venv") and find_spec("ensurepip"):
        run((sys.executable, "-m", "venv", folder), env=_environ())
    elif find_spec("pip"):
        _virtualenv(folder)
    else:
        raise LlamaproofError(
            "this Python has neither venv nor pip", where=sys.executable, hint=_NEITHER
        )
    _install(folder / "bin" / "python", lock)


def _virtualenv(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="llamaproof-virtualenv-") as scratch:
        lock = CHECKOUT / "requirements" / "virtualenv.lock"
        # With --target, the refusal of an "externally managed" Python does not arise.
        _install(Path(sys.executable), lock, "--target", scratch)
        make = (
            sys.executable, "-m", "virtualenv", "--app-data", f"{scratch}/app-data",
            "--no-periodic-update", "--no-venv-redirect", str(folder),
        )  # fmt: skip
        run(make, env=_environ() | {"PYTHONPATH": scratch})


def _install(python: Path, lock: Path, *where: str) -> None:
    install = (
        str(python), "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-user",
        "--disable-pip-version-check", "--only-binary", ":all:", "-r", str(lock), *where,
    )  # fmt: skip
    run(install, env=_environ(), on_line=of_pip(say))


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _MISLEADING}


def _stamp_of(lock: Path) -> str:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    return f"{digest} python {sys.version_info.major}.{sys.version_info.minor} {CHECKOUT}\n"


def say(line: str) -> None:
    """Print a line of progress: to standard error, for standard output is the recipe's own."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Make `.venv` in the checkout; prints nothing when it is there already."""
    ensure_environment(CHECKOUT / ".venv", CHECKOUT / "requirements" / "env.lock")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, interrupted="interrupted; the next run starts over"))

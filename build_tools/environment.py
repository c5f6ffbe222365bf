"""A virtual environment that holds what a lock file names.

It needs nothing but Python, with venv or with pip.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from build_tools.progress import Report, of_pip
from llamaproof.errors import LlamaproofError
from llamaproof.process import run

_VIRTUALENV_LOCK = Path(__file__).resolve().parent.parent / "requirements" / "virtualenv.lock"

_NEITHER = """install either, then run this again
    Debian, Ubuntu:  apt install python3-venv
    Fedora, RHEL:    dnf install python3-pip
    openSUSE:        zypper install python3-pip
    Arch:            pacman -S python-pip
    Alpine:          apk add py3-pip"""

# These of a user's settings say where pip installs to. Those of indexes and proxies are kept.
_MISLEADING = ("PYTHONPATH", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER")


def make_environment(folder: Path, lock: Path, report: Report) -> None:
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
        _virtualenv(folder, report)
    else:
        raise LlamaproofError(
            "this Python has neither venv nor pip", where=sys.executable, hint=_NEITHER
        )
    install_lock(folder / "bin" / "python", lock, report)


def _virtualenv(folder: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="llamaproof-virtualenv-") as scratch:
        # With --target, the refusal of an "externally managed" Python does not arise.
        install_lock(Path(sys.executable), _VIRTUALENV_LOCK, report, "--target", scratch)
        make = (
            sys.executable, "-m", "virtualenv", "--app-data", f"{scratch}/app-data",
            "--no-periodic-update", "--no-venv-redirect", str(folder),
        )  # fmt: skip
        run(make, env=_environ() | {"PYTHONPATH": scratch})


def install_lock(python: Path, lock: Path, report: Report, *where: str) -> None:
    """Install what a lock names into the environment of an interpreter, each package by its hash.

    Args:
        where: options of pip that say where it goes instead.
    """
    install = (
        str(python), "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-user",
        "--disable-pip-version-check", "--only-binary", ":all:", "-r", str(lock), *where,
    )  # fmt: skip
    run(install, env=_environ(), on_line=of_pip(report))


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _MISLEADING}

"""`python -m build_tools old-pip`: print a Python that has an old pip, bringing it if need be."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

from build_tools.environment import make_environment
from build_tools.progress import say
from build_tools.sole_use import sole_use

_LOCK = Path("requirements") / "oldpip.lock"


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("old-pip", help="print a Python that has an old pip")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print its path on standard output; what is brought is told on standard error."""
    print(old_pip(args.checkout))
    return 0


def old_pip(checkout: Path) -> Path:
    """The python of an environment that holds what the lock names, made where it is not there.

    Raises:
        LlamaproofError: it cannot be made.
    """
    lock = checkout / _LOCK
    environments = checkout / ".cache" / "old-pip"
    folder = environments / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    with sole_use(environments, say):
        # Written last: an environment that was interrupted is made anew.
        whole = folder / "whole"
        if not whole.is_file():
            say(f"old-pip: making an environment from {lock.name}")
            shutil.rmtree(folder, ignore_errors=True)
            make_environment(folder, lock, say)
            whole.touch()
    return folder / "bin" / "python"

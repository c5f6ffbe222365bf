"""Make the environment that every recipe runs in. Needs nothing but Python and pip.

Run by the Justfile with whatever python3 the machine has; everything else runs in what this makes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "python"))

from llamaproof.errors import CommandFailed, LlamaproofError  # noqa: E402
from llamaproof.process import run, termination_as_interrupt  # noqa: E402

OLDEST_PYTHON = (3, 10)


def ensure_environment(folder: Path, lock: Path) -> Path:
    """Make `folder` a virtual environment that holds just what `lock` names; returns its python.

    The stamp is written last, so an environment that was interrupted is made anew.
    """
    python = folder / "bin" / "python"
    stamp = folder / "llamaproof.stamp"
    wanted = _stamp_of(lock)
    if stamp.is_file() and stamp.read_text() == wanted and python.exists():
        return python
    print(f"environment: making {folder.name} from {lock.name}", flush=True)
    if folder.exists():
        shutil.rmtree(folder)
    pip = _make_venv(folder)
    install = (
        *pip, "install", "--require-hashes", "--no-deps", "--disable-pip-version-check",
        "--only-binary", ":all:", "-r", str(lock),
    )  # fmt: skip
    run(install, on_line=_progress)
    source = next(folder.glob("lib/python3*/site-packages")) / "llamaproof-checkout.pth"
    source.write_text(f"{CHECKOUT / 'python'}\n{CHECKOUT}\n")
    stamp.write_text(wanted)
    return python


def _make_venv(folder: Path) -> tuple[str, ...]:
    """A fresh environment; returns the pip command that installs into it."""
    try:
        run((sys.executable, "-m", "venv", str(folder)))
        return (str(folder / "bin" / "python"), "-m", "pip")
    except CommandFailed:
        # Debian without python3-venv has no ensurepip, but the pip that brought `just` will do.
        shutil.rmtree(folder, ignore_errors=True)
    try:
        run((sys.executable, "-m", "venv", "--without-pip", str(folder)))
    except CommandFailed as error:
        raise LlamaproofError(
            "python3 cannot make a virtual environment",
            where=sys.executable,
            hint="install the venv module of this Python (Debian: python3-venv)",
        ) from error
    return (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"))


def _stamp_of(lock: Path) -> str:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    return f"{digest} python {sys.version_info.major}.{sys.version_info.minor} {CHECKOUT}\n"


def _progress(line: str) -> None:
    if line.startswith(("Collecting", "  Downloading", "Installing", "Successfully", "ERROR")):
        print(f"  {line.strip()[:120]}", flush=True)


def main() -> int:
    """Make `.venv` in the checkout and print nothing when it is there already."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"error: Python 3.10 or newer is needed, this is {found}", file=sys.stderr)
        return 2
    os.environ.pop("PYTHONPATH", None)
    try:
        with termination_as_interrupt():
            ensure_environment(CHECKOUT / ".venv", CHECKOUT / "requirements" / "env.lock")
    except LlamaproofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the next run starts over", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Make the environment that every recipe runs in. Needs nothing but Python, with venv or with pip.

Run by the Justfile with whatever python3 the machine has; everything else runs in what this makes.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "python")]

from build_tools.environment import make_environment  # noqa: E402
from build_tools.progress import say  # noqa: E402
from build_tools.sole_use import sole_use  # noqa: E402
from llamaproof.exits import exit_code_of  # noqa: E402


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
    with sole_use(CHECKOUT / ".cache" / "environment", say):
        if stamp.is_file() and stamp.read_text() == wanted and python.exists():
            return python
        say(f"environment: making {folder.name} from {lock.name}")
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
        make_environment(folder, lock, say)
        source = next(folder.glob("lib/python3*/site-packages")) / "llamaproof-checkout.pth"
        source.write_text(f"{CHECKOUT / 'python'}\n{CHECKOUT}\n")
        stamp.write_text(wanted)
    return python


def _stamp_of(lock: Path) -> str:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    return f"{digest} python {sys.version_info.major}.{sys.version_info.minor} {CHECKOUT}\n"


def main() -> int:
    """Make `.venv` in the checkout; prints nothing when it is there already."""
    ensure_environment(CHECKOUT / ".venv", CHECKOUT / "requirements" / "env.lock")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, interrupted="interrupted; the next run starts over"))

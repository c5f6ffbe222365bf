"""Real programs that install wheels: pip, an old pip, uv; each into an environment of its own.

They see nothing of the caller's settings, and no index but those on the loopback.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof.process import Completed, run

PIP = "pip"
OLD_PIP = "pip 23.2"
UV = "uv"
NAMES = (OLD_PIP, PIP, UV)


def old_pip() -> Path | None:
    """A Python that has the old pip, as `LLAMAPROOF_OLD_PIP` names it."""
    named = os.environ.get("LLAMAPROOF_OLD_PIP")
    return Path(named) if named else None


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that installs, and where it keeps what it keeps.

    Attributes:
        home: a folder of its own, with its caches.
        usual: the address of the index that it takes for its usual one.
    """

    name: str
    home: Path
    usual: str

    @property
    def is_uv(self) -> bool:
        return self.name == UV

    def install(self, python: Path, *arguments: str, cwd: Path | None = None) -> Completed:
        """Install into the environment of a python; what it says is kept, whatever comes of it."""
        return self.run("install", *arguments, python=python, cwd=cwd)

    def run(
        self, verb: str, *arguments: str, python: Path | None = None, cwd: Path | None = None
    ) -> Completed:
        """Run a command of pip's, or one that uv has under `uv pip`."""
        return run((*self._start(verb, python), *arguments), env=self.environ, cwd=cwd, check=False)

    def uv(self, *arguments: str, cwd: Path) -> Completed:
        """Run a command of uv's own, such as `lock`."""
        return run((_uv(), *arguments), env=self.environ, cwd=cwd, check=False)

    @property
    def environ(self) -> dict[str, str]:
        """The caller's variables without the settings of any of these programs."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV"))
        }
        return {
            **kept,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PIP_INDEX_URL": self.usual,
            "PIP_RETRIES": "0",
            "UV_CACHE_DIR": str(self.home / "uv"),
            "UV_DEFAULT_INDEX": self.usual,
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_HTTP_RETRIES": "0",
        }

    def _start(self, verb: str, python: Path | None) -> Sequence[str | Path]:
        if self.is_uv:
            return (_uv(), "pip", verb, *(("--python", python) if python else ()))
        pip = old_pip() if self.name == OLD_PIP else Path(sys.executable)
        assert pip is not None
        where = ("--python", python) if python else ()
        return (pip, "-m", "pip", *where, verb)


def empty_environment(folder: Path) -> Path:
    """An environment with nothing in it; returns its python."""
    run((sys.executable, "-m", "venv", "--without-pip", folder))
    return folder / "bin" / "python"


def version_in(python: Path) -> str:
    """What the installed package says its version is; empty where it cannot be imported."""
    said = run((python, "-c", "import llama_cpp; print(llama_cpp.__version__)"), check=False)
    return said.output.strip() if said.returncode == 0 else ""


def find_uv() -> str | None:
    """uv of the environment that the tests run in, else of the machine."""
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def _uv() -> str:
    found = find_uv()
    assert found is not None
    return found

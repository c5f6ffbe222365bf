"""Small packages that stand in for those of a registry, and the checkout that asks for them."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]

# `just` of a release: says which it is, with its arguments and the Python of the recipes.
JUST = "#!/bin/sh\necho just {release}: $3 $4\necho with $PYTHON\nexit 3\n"

# In place of virtualenv: the pip of the Python that runs it will do for an environment of a test.
VIRTUALENV = """
import pathlib, pip, sys, venv
assert sys.argv[3:5] == ["--no-periodic-update", "--no-venv-redirect"], sys.argv
folder = pathlib.Path(sys.argv[-1])
venv.create(folder)
packages = next(folder.glob("lib/python3*/site-packages"))
(packages / "pip.pth").write_text(str(pathlib.Path(pip.__file__).parent.parent))
"""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """What of the repository `./just` needs, with a registry that is a folder.

    Attributes:
        folder: the checkout.
        packages: the folder that stands in for a registry.
        environ: the environment to start `./just` in.
    """

    folder: Path
    packages: Path
    environ: Mapping[str, str]

    @property
    def just(self) -> Path:
        return self.folder / "just"

    def brought(self) -> list[Path]:
        """Each `just` that lies in the checkout."""
        return list(self.folder.glob(".cache/just/*/just"))

    @property
    def bootstrap(self) -> Path:
        return self.folder / "build_tools" / "bootstrap.py"

    def lock(self, name: str, wheel: Path, *, digest: str = "") -> None:
        """Let `requirements/NAME.lock` name a wheel, by its hash or by another."""
        project, release = wheel.name.split("-")[:2]
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        line = f"{project}=={release} --hash=sha256:{digest}\n"
        (self.folder / "requirements" / f"{name}.lock").write_text(line)

    def lock_just(self, release: str) -> None:
        """Let the checkout ask for a release of `just`."""
        script = JUST.format(release=release)
        files = {f"rust_just-{release}.data/scripts/just": script}
        self.lock("just", make_wheel(self.packages, "rust_just", release, files))

    def lock_virtualenv(self) -> None:
        """Let the checkout ask for what stands in for virtualenv."""
        files = {"virtualenv/__init__.py": "", "virtualenv/__main__.py": VIRTUALENV}
        self.lock("virtualenv", make_wheel(self.packages, "virtualenv", "1.0", files))


def make_checkout(folder: Path) -> Checkout:
    """A checkout with the project's own `just` and what it starts."""
    for part in ("build_tools", "python/llamaproof"):
        shutil.copytree(
            PROJECT / part, folder / part, ignore=shutil.ignore_patterns("_native", "__pycache__")
        )
    shutil.copy2(PROJECT / "just", folder / "just")
    packages = folder / "packages"
    packages.mkdir()
    (folder / "requirements").mkdir()
    checkout = Checkout(
        folder=folder,
        packages=packages,
        environ={
            "PATH": os.environ["PATH"],
            "HOME": str(folder.parent / "no-such-home"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(packages),
        },
    )
    checkout.lock_just("1.0")
    checkout.lock_virtualenv()
    return checkout


def make_wheel(folder: Path, project: str, release: str, files: Mapping[str, str]) -> Path:
    """A wheel of some text files, with the least that pip asks of one."""
    info = f"{project}-{release}.dist-info"
    members = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {release}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"])
    wheel = folder / f"{project}-{release}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(member, text)
    return wheel

"""The index that a client asks beside ours: what a wheel depends on, and two traps.

One is a newer release of the same project, which whoever does not pin may get in place of ours.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

from llamaproof.files import sha256_of

NEWER = "9.9"
_STUBS = {
    "numpy": "2.0.0",
    "nvidia-cuda-runtime": "13.0.96",
    "nvidia-cublas": "13.1.0.3",
    "llama-cpp-python": NEWER,
    # What an altered METADATA asks for.
    "trap": "1.0",
}


def write_usual_index(folder: Path) -> None:
    """Pages and wheels below a folder, as PEP 503 has them."""
    for name, version in _STUBS.items():
        here = folder / name
        here.mkdir(parents=True)
        wheel = write_stub(here, name, version)
        link = f'<a href="{wheel.name}#sha256={sha256_of(wheel)}">{wheel.name}</a>'
        (here / "index.html").write_text(f"<!doctype html><title>{name}</title>{link}\n")


def write_stub(folder: Path, name: str, version: str) -> Path:
    """A wheel with one empty package."""
    plain = name.replace("-", "_")
    package = "llama_cpp" if name == "llama-cpp-python" else plain
    info = f"{plain}-{version}.dist-info"
    files = {
        f"{package}/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    wheel = folder / f"{plain}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

"""Small shared libraries made by gcc, and packages made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llamaproof import process
from llamaproof.target import Target


def build(path: Path, source: str = "", *, needs: Sequence[Path] = ()) -> Path:
    """A shared library with its own file name as soname, linked to others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_suffix(".c")
    code.write_text(source or "int a_function(void) { return 1; }\n")
    options = ("-shared", "-fPIC", "-Wl,--no-as-needed", f"-Wl,-soname,{path.name}")
    process.run(("gcc", *options, "-o", path, code, *needs))
    code.unlink()
    return path


def package(folder: Path, libraries: Sequence[str], needs: Sequence[str] = ()) -> Target:
    """A llama_cpp package with empty libraries; each needs those named in `needs`."""
    lib = folder / "llama_cpp" / "lib"
    elsewhere = [build(folder / "elsewhere" / name) for name in needs]
    for name in libraries:
        build(lib / name, needs=elsewhere)
    (folder / "llama_cpp" / "llama_cpp.py").write_text("")
    return Target(
        name=str(folder),
        kind="package",
        package=folder / "llama_cpp",
        lib_dir=lib,
        version="0.3.16",
        sha256=None,
    )

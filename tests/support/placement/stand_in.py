"""A stand-in for llama.cpp, whose two gates can be made to disagree when it is compiled."""

from __future__ import annotations

from pathlib import Path

from llamaproof.process import run

_SOURCE = Path(__file__).with_name("fake_llama.cpp")


def build(folder: Path, *defines: str) -> Path:
    """Compile it as libllama.so into the folder; returns the folder."""
    options = ["-std=c++17", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    settings = [f"-D{define}" for define in defines]
    run(["g++", *options, *settings, "-o", folder / "libllama.so", _SOURCE])
    return folder

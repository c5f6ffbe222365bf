"""Claims: the executable bit is an edit, a build's output is none."""

from __future__ import annotations

import os

from build_tools.tree.edits import edited_files
from build_tools.tree.move import move_to
from tests.support.build_tools.workbench import (
    Workbench,
)


def test_the_executable_bit_is_content(bench: Workbench) -> None:
    (bench.tree / "a.txt").chmod(0o755)
    assert edited_files(bench.repository) == ("a.txt",)
    bench.add("0001-mode.patch")
    move_to(bench.repository, bench.repository.base)
    assert not os.access(bench.tree / "a.txt", os.X_OK)
    bench.prepare()
    assert os.access(bench.tree / "a.txt", os.X_OK)


def test_build_outputs_are_no_edits(patched: Workbench) -> None:
    (patched.tree / "llama_cpp" / "lib").mkdir(parents=True)
    (patched.tree / "llama_cpp" / "lib" / "libllama.so").write_bytes(b"ELF")
    (patched.tree / "src" / "__pycache__").mkdir()
    (patched.tree / "src" / "__pycache__" / "x.pyc").write_bytes(b"pyc")
    assert edited_files(patched.repository) == ()
    move_to(patched.repository, patched.repository.base)
    assert (patched.tree / "llama_cpp" / "lib" / "libllama.so").exists()

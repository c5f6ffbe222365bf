"""The stand-ins have every name of the libraries that they stand in for."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.process import run
from tests.support.needs import NATIVE

_SHADOW = Path(__file__).parents[3] / "native" / "shadow"
_NAMES = _SHADOW / "names"


@pytest.mark.parametrize(
    ("library", "names"),
    [
        (f"cuda{major}/{name}", f"{name}{suffix}.txt")
        for major in (12, 13)
        for name, suffix in (
            (f"libcudart.so.{major}", ""),
            (f"libcublas.so.{major}", ""),
            (f"libcublasLt.so.{major}", ""),
            ("libcuda.so.1", f".cuda{major}"),
            ("libnccl.so.2", ""),
        )
    ],
)
def test_every_name_of_the_real_library_is_there_under_its_version_node(
    library: str, names: str
) -> None:
    wanted = (_NAMES / names).read_text().split()
    assert len(wanted) > 50
    lines = run(["nm", "-D", "--defined-only", NATIVE / library]).lines
    have = {line.split()[-1] for line in lines}
    node = "" if library.endswith(("libcuda.so.1", "libnccl.so.2")) else f"@@{Path(library).name}"
    assert {f"{name}{node}" for name in wanted} <= have

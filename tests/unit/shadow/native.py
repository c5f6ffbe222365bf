"""The built native libraries for the tests that need them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

import llamaproof

NATIVE = Path(llamaproof.__file__).resolve().parent / "_native"

_Test = TypeVar("_Test", bound=Callable[..., Any])


def needs_native(test: _Test) -> _Test:
    """Mark a test that runs the shadow runtime."""
    built = (NATIVE / "libllamaproof_shadow.so").is_file()
    skip = pytest.mark.skipif(not built, reason="the native libraries are not built (CMake)")
    marked: _Test = pytest.mark.native(skip(test))
    return marked

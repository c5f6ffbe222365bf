"""What tests need beside the checkout: where it is, or in words why it is not there."""

from __future__ import annotations

import os
from pathlib import Path

import llamaproof
from tests.support.browser.chromium import find_chromium
from tests.support.clients.programs import find_uv, old_pip
from tests.support.toolkit import find_toolkit

CHECKOUT = Path(__file__).resolve().parents[2]
NATIVE = Path(llamaproof.__file__).resolve().parent / "_native"
# The patched tree that the wheel was built from.
PATCHED_SOURCE = CHECKOUT / "build/tree/llama-cpp-python-0.3.16/vendor/llama.cpp/ggml/src"


def native_libraries_are_built() -> bool:
    names = ("libllamaproof_shadow.so", "libllamaproof_emulator.so", "libllamaproof_tracer.so")
    return all((NATIVE / name).is_file() for name in names)


def lacking_browser() -> str | None:
    if find_chromium() is None:
        return "no Chromium: apt install chromium"
    return None


def lacking_clients() -> str | None:
    if old_pip() is None:
        return "LLAMAPROOF_OLD_PIP names no python with an old pip: just test-clients sets it"
    if find_uv() is None:
        return "no uv: just env"
    return None


def lacking_nvcc() -> str | None:
    if find_toolkit() is None:
        return "no nvcc: set CUDA_HOME, or install the toolkit"
    return None


def lacking_stock() -> str | None:
    if stock_libraries() is None:
        return "LLAMAPROOF_STOCK_LIBS names no folder of stock 0.3.16 libraries"
    return None


def lacking_wheel() -> str | None:
    """These tests take a wheel apart, and compile kernels of the tree that it was built from."""
    if built_wheel() is None:
        return "no CUDA wheel of 0.3.16 in dist/, and LLAMAPROOF_WHEEL names none"
    if not PATCHED_SOURCE.is_dir():
        return "no patched tree in build/tree (just build-wheel)"
    return lacking_nvcc()


def lacking_installed() -> str | None:
    for name in ("LLAMAPROOF_WHEEL_PYTHON", "LLAMAPROOF_WHEEL"):
        if not os.environ.get(name):
            return f"{name} is not set: just check-wheel sets it"
    return None


def stock_libraries() -> Path | None:
    """Libraries of stock 0.3.16 built for sm_89: libllama.so, libggml*.so."""
    named = os.environ.get("LLAMAPROOF_STOCK_LIBS")
    return Path(named) if named and Path(named).is_dir() else None


def built_wheel() -> Path | None:
    """The wheel in LLAMAPROOF_WHEEL, else the newest CUDA wheel in dist/."""
    named = os.environ.get("LLAMAPROOF_WHEEL")
    if named:
        return Path(named)
    built = (CHECKOUT / "dist").glob("llama_cpp_python-0.3.16+*.cu*.whl")
    return max(built, key=lambda path: path.stat().st_mtime, default=None)

"""`python -m build_tools native`: compile the native libraries into the source package."""

from __future__ import annotations

import argparse
import os
import sysconfig
from pathlib import Path

from build_tools.toolkit.toolkit import default_toolkit
from build_tools.wheel.environment import build_environment, tool
from build_tools.wheel.ninja import show_ninja
from llamaproof.process import run


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("native", help="compile the native libraries of llamaproof")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Configure, compile, install into python/llamaproof/_native."""
    checkout: Path = args.checkout
    build = checkout / "build" / "native"
    env = build_environment(os.environ)
    cuda12 = Path(sysconfig.get_paths()["purelib"]) / "nvidia" / "cuda_runtime" / "include"
    configure = (
        tool("cmake"), "-S", checkout, "-B", build, "-G", "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}", "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
        f"-DLLAMAPROOF_CUDA13_INCLUDE={default_toolkit(checkout).root / 'include'}",
        f"-DLLAMAPROOF_CUDA12_INCLUDE={cuda12}",
    )  # fmt: skip
    run(configure, env=env)
    run((tool("ninja"), "-C", build), env=env, on_line=show_ninja)
    run((tool("cmake"), "--install", build), env=env)
    return 0

"""`python -m build_tools wheel`: from the pin to a wheel in dist/."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import time
from pathlib import Path

from build_tools.series.apply import PreparedTree, prepare_tree
from build_tools.wheel.arch import ArchList, parse_arch
from build_tools.wheel.compile import compile_tree
from build_tools.wheel.pack import WheelContents, write_wheel
from build_tools.wheel.toolkit import Toolkit, ensure_toolkit
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.target import sha256_of

DEFAULT_PIN = "llama-cpp-python-0.3.16"

_SETTINGS = {
    "CUDA_ARCH": "GPU architectures: 89, `80;89;90`, 90-real, 90-virtual, or cpu",
    "PIN": f"the pinned source (default {DEFAULT_PIN})",
    "SERIES": "`none` builds the source unpatched, a number the first so many patches",
    "JOBS": "compilers at once (default: one for each core)",
    "OUT": "folder for the wheel (default dist)",
}

# The unpacked toolkit is there already; objects, libraries and the wheel take about 0.5 GB.
_FREE_BYTES_NEEDED = 1_500_000_000


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "wheel",
        help="build a wheel",
        description="Build a wheel from a pin and its series.",
        epilog="; ".join(f"{name}: {text}" for name, text in _SETTINGS.items()),
    )
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="see below")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Build; prints where the wheel is, its hash and the time it took."""
    checkout: Path = args.checkout
    settings = parse_settings(args.settings, os.environ)
    started = time.monotonic()
    wheel, compiled = build_wheel(checkout, settings)
    seconds = time.monotonic() - started
    print(f"wheel: {wheel.relative_to(checkout) if wheel.is_relative_to(checkout) else wheel}")
    print(f"  sha256 {sha256_of(wheel)}, {wheel.stat().st_size / 1e6:.1f} MB")
    print(f"  {compiled} build steps ran, {seconds:.0f} s in all")
    return 0


def parse_settings(words: list[str], env: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """Read NAME=VALUE words; CUDA_ARCH may come from the environment.

    Raises:
        BadInput: a word is no setting, or CUDA_ARCH is not given.
    """
    known = "; ".join(f"{name}={text}" for name, text in _SETTINGS.items())
    settings = {"PIN": DEFAULT_PIN, "SERIES": "", "OUT": "dist", "JOBS": str(os.cpu_count() or 1)}
    if env.get("CUDA_ARCH"):
        settings["CUDA_ARCH"] = env["CUDA_ARCH"]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in _SETTINGS:
            raise BadInput(f"{word!r} is no setting of build-wheel", hint=known)
        settings[name] = value
    if "CUDA_ARCH" not in settings:
        raise BadInput("build-wheel needs CUDA_ARCH", hint=f"for example CUDA_ARCH=89; {known}")
    if not settings["JOBS"].isdigit() or settings["JOBS"] == "0":
        raise BadInput(f"JOBS={settings['JOBS']} is no number of compilers", hint="JOBS=2")
    if settings["SERIES"] not in ("", "none") and not settings["SERIES"].isdigit():
        raise BadInput(
            f"SERIES={settings['SERIES']} means nothing",
            hint="leave it out for the whole series, `none`, or a number of patches",
        )
    return settings


def build_wheel(checkout: Path, settings: dict[str, str]) -> tuple[Path, int]:
    """The whole run; returns the wheel and the number of build steps that ran."""
    # A word that means nothing is refused before anything is fetched; CUDA_HOME has its own list.
    archs = parse_arch(settings["CUDA_ARCH"]) if not os.environ.get("CUDA_HOME") else None
    tree = prepare_tree(
        checkout,
        settings["PIN"],
        stock=settings["SERIES"] == "none",
        first=int(settings["SERIES"]) if settings["SERIES"].isdigit() else None,
        in_place=True,
    )
    toolkit = None if archs is not None and archs.cpu_only else ensure_toolkit(checkout)
    if archs is None:
        archs = parse_arch(settings["CUDA_ARCH"], toolkit.archs if toolkit is not None else ())
        toolkit = None if archs.cpu_only else toolkit
    build = build_folder(checkout, tree.path.name, archs, toolkit)
    _require_space(checkout)
    compiled = compile_tree(
        tree.path,
        build,
        archs,
        toolkit,
        commit=tree.pin.llama_cpp_commit,
        jobs=int(settings["JOBS"]),
    )
    contents = WheelContents(
        version=tree.pin.version,
        label=label_of(tree, archs, toolkit),
        libraries=compiled.libraries,
        archs=archs,
        toolkit=toolkit,
        record={
            "pin": tree.pin.name,
            "llama_cpp_commit": tree.pin.llama_cpp_commit,
            "series": list(tree.patches),
            "tree": tree.tree_id,
        },
    )
    return write_wheel(tree.path, contents, checkout / settings["OUT"]), compiled.compiled


def build_folder(checkout: Path, tree: str, archs: ArchList, toolkit: Toolkit | None) -> Path:
    """Where a tree is compiled: another toolkit gets another folder.

    CMake that finds another compiler in its cache starts over and forgets what it was told.
    """
    name = f"{tree}-{_flavour(archs, toolkit)}"
    if toolkit is not None:
        name += f"-{hashlib.sha256(str(toolkit.root).encode()).hexdigest()[:8]}"
    return checkout / "build" / "compile" / name


def label_of(tree: PreparedTree, archs: ArchList, toolkit: Toolkit | None) -> str:
    """The local version label: series, CUDA, architectures: `llamaproof.5.1a2b3c4d.cu130.sm89`."""
    series = f"llamaproof.{len(tree.patches)}.g{tree.tree_id[:8]}" if tree.patches else "stock"
    return f"{series}.{_flavour(archs, toolkit)}"


def _flavour(archs: ArchList, toolkit: Toolkit | None) -> str:
    if toolkit is None:
        return "cpu"
    return f"cu{toolkit.version.replace('.', '')}.{archs.label}"


def _require_space(checkout: Path) -> None:
    free = shutil.disk_usage(checkout).free
    if free < _FREE_BYTES_NEEDED:
        raise LlamaproofError(
            f"a build needs about {_FREE_BYTES_NEEDED / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            where=checkout,
            hint="free some space; `just clean` removes what can be made again",
        )

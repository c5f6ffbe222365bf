"""`python -m build_tools wheel`: from the pin to a wheel in dist/."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.commands.name_value import described, pairs
from build_tools.pin.definition import DEFAULT_PIN
from build_tools.toolkit.settings import SETTINGS, toolkit_settings
from build_tools.wheel.build import build_wheel
from build_tools.wheel.inputs import Wanted
from llamaproof.errors import BadInput
from llamaproof.files import sha256_of

_SETTINGS = {
    "CUDA_ARCH": "GPU architectures: 89, `80;89;90`, 90-real, 90-virtual, or cpu",
    **SETTINGS,
    "PIN": f"the pinned source (default {DEFAULT_PIN})",
    "SERIES": "`none` builds the source unpatched, a number the first so many patches",
    "JOBS": "compilers at once (default: one for each core)",
    "CACHE": "`sccache` starts the compilers through that cache (default: none)",
    "OUT": "folder for the wheel (default dist)",
}


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What was asked for: the wheel, compilers at once, a compiler cache, the wheel's folder."""

    wanted: Wanted
    jobs: int
    cached: bool
    out: Path


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
    built = build_wheel(
        checkout,
        settings.wanted,
        jobs=settings.jobs,
        cached=settings.cached,
        out=settings.out,
    )
    seconds = time.monotonic() - started
    wheel = built.path
    print(f"wheel: {wheel.relative_to(checkout) if wheel.is_relative_to(checkout) else wheel}")
    print(f"  sha256 {sha256_of(wheel)}, {wheel.stat().st_size / 1e6:.1f} MB")
    print(f"  {built.steps} build steps ran, {seconds:.0f} s in all")
    return 0


def parse_settings(words: list[str], env: Mapping[str, str]) -> BuildSettings:
    """Read NAME=VALUE words; CUDA_ARCH, CACHE and the toolkit's may come from the environment.

    Raises:
        BadInput: a word is no setting, a value means nothing, or CUDA_ARCH is not given.
    """
    given = {"CUDA_ARCH": env.get("CUDA_ARCH", "")} | pairs(words, _SETTINGS, "build-wheel")
    if not given["CUDA_ARCH"]:
        raise BadInput(
            "build-wheel needs CUDA_ARCH", hint=f"for example CUDA_ARCH=89; {described(_SETTINGS)}"
        )
    wanted = Wanted(
        arch=given["CUDA_ARCH"],
        toolkit=toolkit_settings(given, env),
        pin=given.get("PIN", DEFAULT_PIN),
        first=_first(given.get("SERIES", "")),
    )
    return BuildSettings(
        wanted=wanted,
        jobs=_jobs(given.get("JOBS", str(os.cpu_count() or 1))),
        cached=_cached(given.get("CACHE") or env.get("CACHE", "")),
        out=Path(given.get("OUT", "dist")),
    )


def _first(series: str) -> int | None:
    """How many patches SERIES asks for; None is all of them."""
    if not series:
        return None
    if series != "none" and not series.isdigit():
        raise BadInput(
            f"SERIES={series} means nothing",
            hint="leave it out for the whole series, `none`, or a number of patches",
        )
    return 0 if series == "none" else int(series)


def _jobs(number: str) -> int:
    if not number.isdigit() or int(number) == 0:
        raise BadInput(f"JOBS={number} is no number of compilers", hint="JOBS=2")
    return int(number)


def _cached(cache: str) -> bool:
    if cache not in ("", "none", "sccache"):
        raise BadInput(f"CACHE={cache} is no compiler cache", hint="CACHE=sccache, or leave it out")
    return cache == "sccache"

"""`python -m build_tools check`: install a wheel into an empty environment and use it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from build_tools.environment import install_lock, make_environment
from build_tools.progress import show
from llamaproof.binary.cuda_libraries import needed_by_build
from llamaproof.errors import BadInput
from llamaproof.process import run
from llamaproof.wheel_archive.members import members_of_wheel
from llamaproof.wheel_archive.requirements import brings
from llamaproof.wheel_archive.words import read_words

# Of each there is a lock of the libraries that a wheel needs: requirements/wheel-cuda12.lock.
_CUDA_MAJORS = (12, 13)


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "check", help="install the wheels of dist/ into an empty environment and use them"
    )
    parser.add_argument("wheels", nargs="*", type=Path, help="default: dist/*.whl")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Install, `pip check`, then the tests of tests/installed against that environment."""
    checkout: Path = args.checkout
    for wheel in args.wheels or wheels_of(checkout / "dist"):
        print(f"check: {wheel.name}", flush=True)
        python = _install(checkout, wheel.resolve())
        env = dict(os.environ) | {"LLAMAPROOF_WHEEL": str(wheel.resolve())}
        env["LLAMAPROOF_WHEEL_PYTHON"] = str(python)
        tests = (sys.executable, "-m", "pytest", "tests/installed")
        run(tests, cwd=checkout, env=env, on_line=print)
    return 0


def wheels_of(dist: Path) -> tuple[Path, ...]:
    """The wheels in a folder.

    Raises:
        BadInput: there are none, so nothing could be checked.
    """
    wheels = tuple(sorted(dist.glob("*.whl")))
    if not wheels:
        raise BadInput(
            "there is no wheel to check", where=dist, hint="just build-wheel CUDA_ARCH=89"
        )
    return wheels


def locks_for(wheel: Path) -> tuple[str, ...]:
    """The lock files of what a wheel needs, by name: of Python, then of the CUDA it asks for.

    Raises:
        BadInput: it is no wheel.
    """
    with members_of_wheel(wheel) as members:
        requires = read_words(members).requires
    cuda = (
        f"wheel-cuda{major}"
        for major in _CUDA_MAJORS
        if any(brings(asked, needed_by_build(major)[0]) for asked in requires)
    )
    return ("wheel", *cuda)


def _install(checkout: Path, wheel: Path) -> Path:
    """An environment with the wheel and what its METADATA asks for, by hash; returns its python."""
    folder = checkout / "build" / "check-env"
    shutil.rmtree(folder, ignore_errors=True)
    locks = (checkout / "requirements" / f"{name}.lock" for name in locks_for(wheel))
    make_environment(folder, next(locks), show)
    for lock in locks:
        install_lock(folder / "bin" / "python", lock, show)
    python = folder / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run((*pip, "install", "--no-deps", wheel))
    # The lock stands in for the resolver; this is what notices when the two disagree.
    run((*pip, "check"), on_line=print)
    return python

"""The environment of the recipes is made once, with what a fresh machine has."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from llamaproof.process import Completed, run
from tests.support.front.other_python import with_other_python
from tests.support.front.packages import Checkout, make_checkout

# What .gitignore keeps out of sight.
IGNORED = {".cache", ".venv"}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = make_checkout(tmp_path / "checkout")
    requirements = checkout.folder / "requirements"
    shutil.copy(requirements / "just.lock", requirements / "env.lock")
    return checkout


def make(checkout: Checkout) -> Completed:
    """`just env`, with a Python that lacks what Debian keeps in python3-venv."""
    return run(with_other_python(checkout.bootstrap), env=checkout.environ, check=False)


def test_it_is_made_once_and_nothing_else_is_left_in_the_checkout(checkout: Checkout) -> None:
    before = {path.name for path in checkout.folder.iterdir()}
    first = make(checkout)
    assert first.returncode == 0, first.output
    assert first.lines[0] == "environment: making .venv from env.lock"
    assert (checkout.folder / ".venv" / "bin" / "just").is_file()
    assert {path.name for path in checkout.folder.iterdir()} == before | IGNORED

    shutil.rmtree(checkout.packages)
    assert make(checkout).lines == ()


def test_its_python_finds_the_packages_of_the_checkout(checkout: Checkout) -> None:
    make(checkout)
    python = checkout.folder / ".venv" / "bin" / "python"
    ask = (python, "-c", "import build_tools, llamaproof; print(llamaproof.__file__)")
    found = run(ask, env=checkout.environ, cwd=checkout.folder.parent)
    assert found.lines == (str(checkout.folder / "python" / "llamaproof" / "__init__.py"),)


def test_one_that_is_not_whole_is_made_anew(checkout: Checkout) -> None:
    make(checkout)
    (checkout.folder / ".venv" / "llamaproof.stamp").unlink()
    assert make(checkout).lines[0] == "environment: making .venv from env.lock"


def test_that_of_another_checkout_is_let_go(checkout: Checkout, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (checkout.folder / ".venv").symlink_to(other)
    assert make(checkout).returncode == 0
    assert not (checkout.folder / ".venv").is_symlink()
    assert list(other.iterdir()) == []


def test_other_bytes_than_the_lock_names_are_refused(checkout: Checkout) -> None:
    wheel = next(checkout.packages.glob("rust_just-*.whl"))
    checkout.lock("env", wheel, digest="0" * 64)
    done = make(checkout)
    assert done.returncode == 2
    assert "DO NOT MATCH THE HASHES" in done.output
    assert make(checkout).returncode == 2


def test_it_is_made_by_a_python_that_has_venv_whole(checkout: Checkout) -> None:
    done = run((sys.executable, checkout.bootstrap), env=checkout.environ, check=False)
    assert done.returncode == 0, done.output
    assert "virtualenv" not in done.output

"""`./just` brings the pinned `just` into the checkout, with what a fresh machine has."""

from __future__ import annotations

import ast
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llamaproof.process import Completed, run
from tests.support.front.other_python import IN_PYTHON3_VENV, with_other_python
from tests.support.front.packages import PROJECT, Checkout, make_checkout

ITS_OWN_EXIT_CODE = 3


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "checkout")


def command(checkout: Checkout, **other: Any) -> tuple[str, ...]:
    """`./just build-wheel CUDA_ARCH=89`, with a Python that lacks something."""
    return with_other_python(checkout.just, "build-wheel", "CUDA_ARCH=89", **other)


def start(checkout: Checkout, argv: tuple[str, ...] = (), **more: str) -> Completed:
    """Run a command in a checkout; `more` joins the environment."""
    return run(argv or command(checkout), env={**checkout.environ, **more}, check=False)


def begin(checkout: Checkout) -> subprocess.Popen[str]:
    """Start it and go on."""
    return subprocess.Popen(
        command(checkout),
        env=dict(checkout.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_is_brought_once_and_becomes_just(checkout: Checkout) -> None:
    plain = (str(checkout.just), "build-wheel", "CUDA_ARCH=89")
    path = f"{Path(sys.executable).parent}:{checkout.environ['PATH']}"
    first = start(
        checkout, plain, PATH=path, PIP_USER="1", PIP_TARGET="/nowhere", PYTHONPATH="/nowhere"
    )
    assert first.returncode == ITS_OWN_EXIT_CODE, first.output
    assert first.lines[0] == "just: fetching what requirements/just.lock names"
    assert first.lines[-2:] == (
        "just 1.0: build-wheel CUDA_ARCH=89",
        f"with {Path(sys.executable).parent}/python3",
    )

    shutil.rmtree(checkout.packages)
    second = start(checkout, plain, PATH=path)
    assert second.returncode == ITS_OWN_EXIT_CODE
    assert second.lines == first.lines[-2:]


def test_another_lock_brings_another_release(checkout: Checkout) -> None:
    start(checkout)
    checkout.lock_just("2.0")
    assert "just 2.0: build-wheel CUDA_ARCH=89" in start(checkout).lines
    assert len(checkout.brought()) == 1


def test_of_two_at_once_one_waits(checkout: Checkout) -> None:
    runs = [begin(checkout), begin(checkout)]
    said = [process.communicate(timeout=120)[0] for process in runs]
    assert [process.returncode for process in runs] == [ITS_OWN_EXIT_CODE] * 2, said
    assert sum("another run is using just; waiting for it" in words for words in said) == 1
    assert sum("just: fetching" in words for words in said) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_run_makes_good_one_that_was_ended_in_the_middle(
    checkout: Checkout, how: signal.Signals
) -> None:
    process = begin(checkout)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("just: fetching")
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGTERM else -how)
    assert checkout.brought() == []

    assert start(checkout).returncode == ITS_OWN_EXIT_CODE
    assert list(checkout.folder.glob(".cache/just/*")) == [checkout.brought()[0].parent]


def test_other_bytes_than_the_lock_names_are_refused(checkout: Checkout) -> None:
    wheel = next(checkout.packages.glob("rust_just-*.whl"))
    checkout.lock("just", wheel, digest="0" * 64)
    done = start(checkout)
    assert done.returncode == 2
    assert "DO NOT MATCH THE HASHES" in done.output
    assert checkout.brought() == []


def test_without_python3_venv_the_machines_pip_will_do(checkout: Checkout) -> None:
    done = start(checkout, command(checkout, missing=(IN_PYTHON3_VENV,)))
    assert done.returncode == ITS_OWN_EXIT_CODE, done.output
    assert "  Successfully installed virtualenv-1.0" in done.lines
    assert "just 1.0: build-wheel CUDA_ARCH=89" in done.lines


def test_with_neither_it_says_what_to_install(checkout: Checkout) -> None:
    done = start(checkout, command(checkout, missing=(IN_PYTHON3_VENV, "pip")))
    assert done.returncode == 2
    assert f"where: {sys.executable}" in done.output
    assert "Debian, Ubuntu:  apt install python3-venv" in done.output
    assert "Fedora, RHEL:    dnf install python3-pip" in done.output
    assert checkout.brought() == []


def test_an_old_python_is_told_so(checkout: Checkout) -> None:
    done = start(checkout, command(checkout, version=(3, 9, 2)))
    assert done.returncode == 2
    assert done.lines[:2] == (
        "error: Python 3.10 or newer is needed, this is 3.9",
        f"  where: {sys.executable}",
    )
    assert checkout.brought() == []


def test_one_that_cannot_be_started_is_named(checkout: Checkout) -> None:
    start(checkout)
    (binary,) = checkout.brought()
    binary.write_text("no program of this machine")
    done = start(checkout)
    assert done.returncode == 2
    assert f"  where: {binary}" in done.lines


def test_an_old_python_can_read_it() -> None:
    source = (PROJECT / "just").read_text()
    ast.parse(source, feature_version=(3, 7))
    # Python 3.6 knows neither, and is told what is wrong all the same.
    assert "from __future__ import annotations" not in source


def test_it_may_be_executed() -> None:
    assert (PROJECT / "just").stat().st_mode & 0o111 == 0o111
    assert (PROJECT / "just").read_text().startswith("#!/usr/bin/env python3\n")

"""Claims: whatever ends a release leaves the index whole, and the next run finishes it."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TimedOut
from dataclasses import replace
from unittest.mock import ANY

import pytest

from llamaproof.process import Completed, run
from llamaproof.release import run as release_run
from llamaproof.release.exchange import sole_use
from llamaproof.release.publish import STEPS
from tests.support.release.shop import (
    PTX,
    SM89,
    Shop,
    bytes_of,
    environment,
    state_of,
    wheel_with_evidence,
)

# A release that kills itself where it comes to a step: no `finally` is run, nothing is flushed.
_KILLED = """
import os, signal, sys
from llamaproof import cli
from llamaproof.release import run

class Killing(run.StepTell):
    def __call__(self, step, about):
        if step == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        super().__call__(step, about)

run.StepTell = Killing
sys.exit(cli.main(sys.argv[2:]))
"""


def killed_at(step: str, shop: Shop) -> Completed:
    command = (sys.executable, "-c", _KILLED, step, *shop.arguments())
    return run(command, env=environment(), check=False)


def leftovers(shop: Shop) -> list[str]:
    return [path.name for path in shop.folder.glob(".index.*") if path.name != ".index.lock"]


@pytest.mark.parametrize("step", STEPS)
def test_a_first_release_that_is_killed_is_finished_by_the_next(shop: Shop, step: str) -> None:
    assert killed_at(step, shop).returncode == -9
    # The one step that changes anything was not reached, or is done.
    assert shop.index.exists() == (step == "clean")
    assert shop.release() == 0
    finished = bytes_of(shop.index)
    assert leftovers(shop) == []
    undisturbed = shop.folder / "undisturbed"
    assert shop.release(index=undisturbed) == 0
    assert bytes_of(undisturbed) == finished


@pytest.mark.parametrize("step", STEPS)
def test_a_later_release_that_is_killed_leaves_the_old_index_whole(shop: Shop, step: str) -> None:
    assert shop.release() == 0
    before = state_of(shop.index)
    for variant, toy in (("cu130-sm89", SM89), ("cu130-ptx", PTX)):
        shop.replace(variant, replace(toy, version=toy.version.replace("1.0", "1.1")))
    assert killed_at(step, shop).returncode == -9
    assert (state_of(shop.index) == before) == (step != "clean")
    assert shop.release() == 0
    assert leftovers(shop) == []
    after = state_of(shop.index)
    assert {name: after[name] for name in before if name.startswith("files/")} == {
        name: state for name, state in before.items() if name.startswith("files/")
    }
    assert len(after) > len(before)


def test_a_full_disk_leaves_the_old_index_whole(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    with file_size_limit(1000):
        assert shop.release() == 2
    assert "make room on the disk" in capsys.readouterr().err
    assert not shop.index.exists()
    assert shop.release() == 0
    before = state_of(shop.index)
    shop.edit_policy(("Small wheels, proved", "Wheels, proved"))
    with file_size_limit(1000):
        assert shop.release() == 2
    assert state_of(shop.index) == before
    assert shop.release() == 0
    assert b"Wheels, proved" in (shop.index / "index.html").read_bytes()
    assert leftovers(shop) == []


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file may be longer, as on a disk that is full: writing more fails with an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_interrupt_ends_it_without_a_trace(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(release_run.StepTell):
        def __call__(self, step: str, about: str) -> None:
            if step == "pages":
                raise KeyboardInterrupt
            super().__call__(step, about)

    with monkeypatch.context() as patch:
        patch.setattr(release_run, "StepTell", Interrupted)
        assert shop.release() == 130
    assert "interrupted" in capsys.readouterr().err
    assert not shop.index.exists()
    assert shop.release() == 0
    assert leftovers(shop) == []


def test_a_file_that_changes_meanwhile_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Changing(release_run.StepTell):
        def __call__(self, step: str, about: str) -> None:
            if step == "files" and about == shop.sm89.name:
                shop.sm89.write_bytes(shop.sm89.read_bytes() + b"\0")
            super().__call__(step, about)

    monkeypatch.setattr(release_run, "StepTell", Changing)
    assert shop.release() == 1
    assert "changed while it was being published" in capsys.readouterr().err
    assert not shop.index.exists()


# On a disk of its own, with room for one index and not for two: in a mount namespace of the test's.
_ON_A_SMALL_DISK = """
import json, pathlib, subprocess, sys
from llamaproof import cli
from tests.support.release.shop import state_of
disk, later = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[3]}", "none", disk], check=True)
arguments = sys.argv[4:]
first = cli.main(arguments)
before = state_of(disk / "index")
full = cli.main([*arguments[:1], str(later), *arguments[1:]])
kept = state_of(disk / "index") == before
print(json.dumps({"first": first, "full": full, "kept": kept, "files": len(before)}))
"""


def test_a_disk_that_is_full_leaves_the_old_index_whole(shop: Shop) -> None:
    namespace = ("unshare", "--map-root-user", "--mount")
    if shutil.which("unshare") is None or run((*namespace, "true"), check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    disk = shop.folder / "disk"
    disk.mkdir()
    later = shop.folder / "later"
    for variant, toy in (("cu130-sm89", SM89), ("cu130-ptx", PTX)):
        large = {"llama_cpp/noise.bin": random.Random(1).randbytes(500_000)}
        version = toy.version.replace("1.0", "1.1")
        wheel_with_evidence(later, variant, replace(toy, version=version, files=large))
    arguments = shop.arguments(index=disk / "index")
    script = (sys.executable, "-c", _ON_A_SMALL_DISK, str(disk), str(later), "800k")
    done = run((*namespace, *script, *arguments), env=environment())
    assert json.loads(done.lines[-1]) == {"first": 0, "full": 2, "kept": True, "files": ANY}
    assert "make room on the disk" in done.output


def test_a_second_release_waits_for_the_first(shop: Shop) -> None:
    with ThreadPoolExecutor() as pool, sole_use(shop.index, print):
        second = pool.submit(run, (sys.executable, "-m", "llamaproof", *shop.arguments()),
                             env=environment())  # fmt: skip
        with pytest.raises(TimedOut):
            second.result(timeout=10)
        assert not shop.index.exists()
    done = second.result()
    assert "another release is using index; waiting for it" in done.output
    assert shop.index.exists()

"""Claims: where a disk fills up, the error says so, nothing is half-done, the next run succeeds."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from build_tools.cli import main
from build_tools.pin.definition import load_pin
from llamaproof.errors import NOT_CHECKED
from tests.support.build_tools.sources import PIN, names_in
from tests.support.build_tools.workbench import Workbench, contents_of

_SIZE_BYTES = 4 << 20
_STEP_BYTES = 16 << 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", f"size={_SIZE_BYTES}", "tmpfs", str(folder))
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a small file system with")
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(("umount", str(folder)), check=True)


def _leave_free(folder: Path, free_bytes: int) -> None:
    """Fill a file system until so much is left."""
    filler = folder / "filler"
    filler.unlink(missing_ok=True)
    room = shutil.disk_usage(folder).free - free_bytes
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, max(room, 1))


def _change_patch(bench: Workbench) -> None:
    filler = b"+" + b"x" * 200_000 + b"\n"
    bench.rewrite_patch("0003-files.patch", b"@@ -0,0 +1 @@\n", b"@@ -0,0 +1,2 @@\n" + filler)


def _remove_tree(bench: Workbench) -> None:
    shutil.rmtree(bench.tree)


CASES: dict[str, tuple[Callable[[Workbench], object], list[str]]] = {
    "lay the tree": (_remove_tree, ["apply"]),
    "move the tree": (_change_patch, ["apply"]),
    "change the series": (lambda _: None, ["drop", "0001-early.patch"]),
}


@pytest.mark.parametrize("case", CASES)
def test_wherever_the_disk_fills_up_all_is_as_it_was(
    patched: Workbench,
    small_disk: Path,
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    prepare, command = CASES[case]
    failures = 0
    for free in range(0, 64 * _STEP_BYTES, _STEP_BYTES):
        shutil.rmtree(small_disk / "checkout", ignore_errors=True)
        (small_disk / "filler").unlink(missing_ok=True)
        shutil.copytree(patched.checkout, small_disk / "checkout", symlinks=True)
        checkout = small_disk / "checkout"
        bench = Workbench(checkout=checkout, pin=load_pin(checkout, PIN))
        prepare(bench)
        tree = contents_of(bench.tree) if bench.tree.exists() else None
        series = bench.files()
        _leave_free(small_disk, free)
        status = main(["series", "--pin", PIN, *command], checkout)
        said = capsys.readouterr().err
        if status == 0:
            break
        failures += 1
        assert status == NOT_CHECKED
        assert "next:  make room on the disk" in said, said
        assert bench.files() == series
        if tree is not None:
            assert contents_of(bench.tree) == tree
        (small_disk / "filler").unlink()
        assert main(["series", "--pin", PIN, *command], checkout) == 0, capsys.readouterr().err
    else:
        pytest.fail("the command never had enough room")
    assert failures
    assert names_in(bench.tree.parent) == [f".{PIN}.lock", PIN]
    assert names_in(bench.folder.parent) == [PIN]


@pytest.mark.parametrize("case", CASES)
def test_files_that_may_not_grow_are_an_error_too(
    patched: Workbench,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    """The same without a mount: no file may grow beyond 300 bytes."""
    prepare, command = CASES[case]
    prepare(patched)
    tree = contents_of(patched.tree) if patched.tree.exists() else None
    series = patched.files()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
        os._exit(main(["series", "--pin", PIN, *command], patched.checkout))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == NOT_CHECKED
    assert "make room on the disk" in capfd.readouterr().err
    assert patched.files() == series
    if tree is not None:
        assert contents_of(patched.tree) == tree
    assert main(["series", "--pin", PIN, *command], patched.checkout) == 0

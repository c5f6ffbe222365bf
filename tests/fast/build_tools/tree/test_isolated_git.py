"""Claims: nothing of the user's git reaches the tools' own; its errors come with its words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from build_tools.tree.isolated_git import IsolatedGit
from llamaproof.errors import CommandFailed
from tests.support.build_tools.workbench import (
    Workbench,
    patched_workbench,
    users_git,
)


def test_the_users_git_is_hostile_in_these_tests(tmp_path: Path, hostile_git: Path) -> None:
    users_git(tmp_path, "init")
    (tmp_path / "x").write_text("x\n")
    users_git(tmp_path, "add", "--force", "x", check=False)
    users_git(tmp_path, "commit", "-m", "x", check=False)
    assert users_git(tmp_path, "rev-parse", "--verify", "HEAD", check=False) == ""
    assert (hostile_git / "hook-ran").exists()


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

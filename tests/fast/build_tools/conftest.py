"""Every test of the build tools runs under a git configuration that would break them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from build_tools.pin.definition import Pin, load_pin
from tests.support.build_tools.sources import PIN, make_checkout
from tests.support.build_tools.workbench import Workbench, open_workbench, patched_workbench

_HOSTILE = """\
[apply]
    whitespace = fix
    ignoreWhitespace = change
[commit]
    gpgsign = true
[tag]
    gpgsign = true
[gpg]
    program = /bin/false
[core]
    hooksPath = {hooks}
    autocrlf = true
    attributesFile = {attributes}
    excludesFile = {excludes}
    quotePath = false
    abbrev = 4
    fileMode = false
[diff]
    noprefix = true
    mnemonicPrefix = true
    renames = copies
    context = 0
    external = /bin/false
    algorithm = patience
[color]
    ui = always
[i18n]
    commitEncoding = latin1
[init]
    templateDir = {template}
    defaultBranch = elsewhere
[user]
    useConfigOnly = true
"""


@pytest.fixture(autouse=True)
def hostile_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose git fixes whitespace, signs, runs failing hooks and points elsewhere."""
    home = tmp_path_factory.mktemp("home")
    hooks = home / "hooks"
    template = home / "template"
    (template / "hooks").mkdir(parents=True)
    hooks.mkdir()
    names = ("pre-commit", "post-checkout", "reference-transaction", "post-index-change")
    for folder in (hooks, template / "hooks"):
        for name in names:
            (folder / name).write_text(f"#!/bin/sh\ntouch {home}/hook-ran\nexit 1\n")
            (folder / name).chmod(0o755)
    (home / "attributes").write_text("* text eol=crlf\n*.patch binary\n")
    (home / "excludes").write_text("*\n")
    config = _HOSTILE.format(
        hooks=hooks,
        attributes=home / "attributes",
        excludes=home / "excludes",
        template=template,
    )
    (home / ".gitconfig").write_text(config)
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    monkeypatch.setenv("GIT_DIFF_OPTS", "--unified=0")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "nonsense")
    return home


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the toy pin and no series."""
    return make_checkout(tmp_path / "checkout")


@pytest.fixture
def pin(checkout: Path) -> Pin:
    """The toy pin."""
    return load_pin(checkout, PIN)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkouts to copy: making one takes seconds, copying it none."""
    folder = tmp_path_factory.mktemp("made")
    open_workbench(folder / "open")
    patched_workbench(folder / "patched")
    return folder


@pytest.fixture
def bench(made: Path, tmp_path: Path) -> Workbench:
    """A checkout with the toy pin's base laid out, and no series."""
    return _copied(made / "open", tmp_path / "bench")


@pytest.fixture
def patched(made: Path, tmp_path: Path) -> Workbench:
    """The same with the three patches of `patched_workbench` applied."""
    return _copied(made / "patched", tmp_path / "patched")


def _copied(source: Path, target: Path) -> Workbench:
    shutil.copytree(source, target, symlinks=True)
    return Workbench(checkout=target, pin=load_pin(target, PIN))

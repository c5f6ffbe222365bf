"""Claims: a tree stands on the pinned source, and a source that is not it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import FILES, PIN, TOP, hash_of, names_in, pin_text, sdist
from tests.support.build_tools.workbench import Workbench, state_of, users_git


def _wrong_tree(checkout: Path) -> str:
    data = (checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").read_bytes()
    (checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(data, "0" * 64))
    return f"expected {'0' * 64}, found {hash_of(FILES)}"


def _wrong_archive(checkout: Path) -> str:
    data = sdist({**FILES, "a.txt": b"changed\n"})
    (checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").write_bytes(data)
    (checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(b"x", hash_of(FILES)))
    return "is not the archive that toy-1.0.toml names: expected sha256 2d711642b726b044"


def _corrupt_archive(checkout: Path) -> str:
    data = sdist()[:-400]
    (checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").write_bytes(data)
    (checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(data, hash_of(FILES)))
    return "is corrupt"


@pytest.mark.parametrize("spoil", [_wrong_tree, _wrong_archive, _corrupt_archive])
@pytest.mark.parametrize("laid", [True, False])
def test_a_source_that_is_not_the_pinned_one_leaves_the_last_good_tree_alone(
    patched: Workbench, checkout: Path, spoil: Callable[[Path], str], laid: bool
) -> None:
    bench = patched if laid else Workbench(checkout=checkout, pin=patched.pin)
    good = state_of(bench.tree)
    pin_path = bench.checkout / "vendor" / f"{PIN}.toml"
    archive = bench.checkout / ".cache" / "sdist" / f"{TOP}.tar.gz"
    kept = {path: path.read_bytes() for path in (pin_path, archive)}
    said = spoil(bench.checkout)
    with pytest.raises(BadInput) as caught:
        bench.prepare()
    assert said in caught.value.what
    assert state_of(bench.tree) == good
    trees = bench.tree.parent
    assert [n for n in names_in(trees) if not n.endswith(".lock")] == ([PIN] if laid else [])
    for path, content in kept.items():
        path.write_bytes(content)
    assert bench.prepare().tree_id


def test_another_source_under_the_same_name_replaces_the_tree(patched: Workbench) -> None:
    files = {**FILES, "src/b.c": b"int b;\n"}
    data = sdist(files)
    (patched.checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").write_bytes(data)
    pin_path = patched.checkout / "vendor" / f"{PIN}.toml"
    pin_path.write_text(pin_text(data, hash_of(files)))
    tree = patched.prepare()
    assert (tree.path / "src" / "b.c").read_bytes() == b"int b;\n"
    assert b"line three" in (tree.path / "a.txt").read_bytes()
    assert not tree.locked
    assert names_in(patched.tree.parent) == [f".{PIN}.lock", PIN]


def test_another_source_does_not_replace_a_tree_that_holds_work(patched: Workbench) -> None:
    data = sdist({**FILES, "src/b.c": b"int b;\n"})
    (patched.checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(data, "0" * 64))
    patched.edit("src/b.c", b"return 1", b"return 7")
    with pytest.raises(BadInput, match=r"src/b\.c"):
        patched.prepare()
    users_git(patched.tree, "commit", "--all", "--message", "by hand")
    with pytest.raises(BadInput, match="commits that no patch holds"):
        patched.prepare()
    assert b"return 7" in (patched.tree / "src" / "b.c").read_bytes()


def test_a_source_that_git_would_not_take_in_whole_is_an_error(
    checkout: Path, patched: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench(checkout=checkout, pin=patched.pin)
    create = Repository.create

    def forgetful(path: Path, message: str) -> Repository:
        (path / "src" / "b.c").rename(path / "hidden")
        repository = create(path, message)
        (path / "hidden").rename(path / "src" / "b.c")
        return repository

    monkeypatch.setattr(Repository, "create", forgetful)
    with pytest.raises(Exception, match=r"not as they are: hidden, src/b\.c"):
        bench.prepare()
    assert not bench.tree.exists()

"""Claims: a toolkit's packages are named by the hash of the archive that this machine takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from build_tools.toolkit import packages
from build_tools.toolkit.packages import archives_of, packages_of
from build_tools.toolkit.recipes import CUDA12
from llamaproof.errors import LlamaproofError
from llamaproof.process import Completed

CHECKOUT = Path(__file__).parents[4]
LOCK = """one==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
two[extra]==2.0 \\
    --hash=sha256:{c}
""".format(a="a" * 64, b="b" * 64, c="c" * 64)


class Pip:
    """pip that would install what it is told to, whatever is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hashes: str) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._hashes = hashes
        monkeypatch.setattr(packages, "run", self)

    def __call__(self, command: Sequence[str]) -> Completed:
        at = command.index("--report") + 1
        self.asked.append(tuple(command[at + 1 :]))
        installs = [
            {
                "metadata": {"name": f"package{number}", "version": "1.0"},
                "download_info": {"url": "x", "archive_info": {"hashes": {"sha256": each}}},
            }
            for number, each in enumerate(self._hashes)
        ]
        Path(command[at]).write_text(json.dumps({"install": installs}))
        return Completed(command=tuple(command), returncode=0, lines=(), seconds=0.0)


def test_of_a_locks_hashes_the_one_of_this_machine_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.lock").write_text(LOCK)
    pip = Pip(monkeypatch, "b" * 64, "c" * 64)
    for _ in range(2):
        found = archives_of(tmp_path / "some.lock", tmp_path / "packages.json")
        assert [package.sha256[0] for package in found] == ["b", "c"]
    assert pip.asked == [("one==1.0 ; sys_platform == 'linux'", "two[extra]==2.0")]


def test_an_archive_that_the_lock_does_not_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.lock").write_text(LOCK)
    Pip(monkeypatch, "d" * 64)
    with pytest.raises(LlamaproofError, match=r"another package0 1\.0 than the lock names"):
        archives_of(tmp_path / "some.lock", tmp_path / "packages.json")
    assert not (tmp_path / "packages.json").exists()


def test_debians_package_is_named_by_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    for lock in CUDA12.lock_files(CHECKOUT):
        (requirements / lock.name).write_bytes(lock.read_bytes())
    (requirements / "cuda12.lock").write_text(LOCK)
    CUDA12.folder(tmp_path).mkdir(parents=True)
    Pip(monkeypatch, "a" * 64)
    of_pypi, of_debian = packages_of(tmp_path, CUDA12)
    assert (of_pypi.type, of_pypi.sha256) == ("pypi", "a" * 64)
    assert (of_debian.type, of_debian.name) == ("deb", "nvidia-cuda-toolkit")

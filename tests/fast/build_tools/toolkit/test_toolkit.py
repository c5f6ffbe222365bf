"""The toolkit: the user's where CUDA_HOME names one, else the pinned one, whole or not at all."""

from pathlib import Path

import pytest

from build_tools.toolkit import pinned, toolkit
from build_tools.wheel.environment import build_environment
from llamaproof.errors import BadInput, CommandFailed


def write_nvcc(home: Path, release: str) -> None:
    nvcc = home / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --list-gpu-arch ]; then echo compute_70; echo compute_89; exit; fi\n'
        f"echo 'Cuda compilation tools, release {release}, V{release}.1'\n"
    )
    nvcc.chmod(0o755)


def test_cuda_home_is_taken_with_its_own_version_and_architectures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_nvcc(tmp_path, "12.8")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    found = toolkit.ensure_toolkit(tmp_path)
    assert (found.version, found.major, found.archs, found.pinned) == ("12.8", 12, (70, 89), False)


def test_a_cuda_home_without_nvcc_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "nothing"))
    with pytest.raises(BadInput, match="CUDA_HOME names no CUDA toolkit"):
        toolkit.ensure_toolkit(tmp_path)


def test_an_nvcc_that_does_not_say_its_release_is_refused(tmp_path: Path) -> None:
    write_nvcc(tmp_path, "unknown")
    with pytest.raises(BadInput, match="does not say its release"):
        toolkit.nvcc_version(tmp_path / "bin" / "nvcc")


def test_an_install_that_breaks_off_leaves_no_toolkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "cuda13.lock").write_text("nothing==0\n")
    monkeypatch.delenv("CUDA_HOME", raising=False)

    def break_off(*_args: object, **_kwargs: object) -> None:
        root = pinned.pinned_toolkit_root(tmp_path)
        root.with_name(root.name + ".partial").mkdir(parents=True)
        raise CommandFailed("no space left on device")

    monkeypatch.setattr(pinned, "run", break_off)
    with pytest.raises(CommandFailed):
        toolkit.ensure_toolkit(tmp_path)
    assert not list((tmp_path / "build" / "toolkit").iterdir())


def test_flags_in_the_users_environment_do_not_reach_the_compilers() -> None:
    env = build_environment({"CXXFLAGS": "-march=native", "NVCC_APPEND_FLAGS": "-G", "HOME": "/h"})
    assert env == {"HOME": "/h"}

"""Claims: a CUDA 12 toolkit is laid out of Debian's and PyPI's packages as nvcc looks for it."""

from pathlib import Path

import pytest

from build_tools.toolkit.cuda12 import _OF_DEBIAN, assemble
from llamaproof.errors import BadInput
from tests.support.build_tools.debian_packages import deb


def test_each_file_lies_where_nvcc_looks_for_it(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    for package in ("cublas", "cuda_cccl", "cuda_nvcc", "cuda_runtime"):
        include = packages / "nvidia" / package / "include"
        (include / "crt").mkdir(parents=True)
        (include / "__init__.py").touch()
        (include / "crt" / f"{package}.h").write_text(package)
    (packages / "nvidia" / "cublas" / "lib").mkdir()
    (packages / "nvidia" / "cublas" / "lib" / "libcublas.so.12").write_text("cublas")
    archive = tmp_path / "toolkit.deb"
    archive.write_bytes(deb({name: name.encode() for name in _OF_DEBIAN}))
    root = packages / "cuda12"
    assemble(packages, archive, root)
    assert sorted(path.name for path in (root / "include").iterdir()) == ["crt"]
    assert len(list((root / "include" / "crt").iterdir())) == 4
    assert (root / "lib" / "libcublas.so.12").read_text() == "cublas"
    for program in ("bin/nvcc", "bin/ptxas", "nvvm/bin/cicc"):
        assert (root / program).stat().st_mode & 0o111
    assert (root / "nvvm/libdevice/libdevice.10.bc").is_file()
    # Relative to nvcc's own folder: the toolkit may be renamed into place.
    assert "$(_HERE_)/.." in (root / "bin" / "nvcc.profile").read_text()


def test_a_package_that_lacks_a_file_makes_no_toolkit(tmp_path: Path) -> None:
    package = tmp_path / "toolkit.deb"
    package.write_bytes(deb({"usr/bin/ptxas": b""}))
    with pytest.raises(BadInput, match="the package lacks"):
        assemble(tmp_path / "packages", package, tmp_path / "root")

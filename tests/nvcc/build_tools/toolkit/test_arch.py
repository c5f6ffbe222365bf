"""The list of architectures that CUDA_ARCH takes."""

import pytest

from build_tools.toolkit.arch import PINNED_TOOLKIT_ARCHS
from build_tools.toolkit.pinned import pinned_toolkit_root
from llamaproof.process import run
from tests.support.needs import CHECKOUT


def test_the_list_of_architectures_is_the_pinned_nvccs_own() -> None:
    nvcc = pinned_toolkit_root(CHECKOUT) / "nvidia" / "cu13" / "bin" / "nvcc"
    if not nvcc.exists():
        pytest.skip("the pinned toolkit is not installed: just build-wheel installs it")
    listed = sorted(int(line.split("_")[1]) for line in run((nvcc, "--list-gpu-arch")).lines)
    assert tuple(listed) == PINNED_TOOLKIT_ARCHS

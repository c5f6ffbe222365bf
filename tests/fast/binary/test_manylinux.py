"""The platform tag follows from the symbol versions."""

import pytest

from llamaproof.binary.manylinux import newest, oldest_platform
from llamaproof.errors import BadInput


def test_glibc_alone_gives_its_own_number() -> None:
    assert oldest_platform(["GLIBC_2.14", "GLIBC_2.29"]) == "manylinux_2_29_x86_64"


def test_nothing_older_than_manylinux_2014_is_claimed() -> None:
    assert oldest_platform(["GLIBC_2.2.5"]) == "manylinux_2_17_x86_64"


def test_a_newer_cxx_runtime_raises_the_platform_above_what_glibc_needs() -> None:
    assert oldest_platform(["GLIBC_2.17", "GLIBCXX_3.4.30"]) == "manylinux_2_35_x86_64"


def test_a_runtime_that_no_platform_promises_is_refused() -> None:
    with pytest.raises(BadInput, match="newer than any"):
        oldest_platform(["GLIBCXX_3.4.99"])


def test_private_symbols_and_other_families_do_not_count() -> None:
    assert newest(["GLIBC_PRIVATE", "OMP_1.0", "GLIBC_2.3.4"], "GLIBC") == (2, 3, 4)

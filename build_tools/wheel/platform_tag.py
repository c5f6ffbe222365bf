"""The manylinux platform of a wheel: the oldest whose policy has what its libraries need."""

from __future__ import annotations

from collections.abc import Mapping

from auditwheel.architecture import Architecture
from auditwheel.libc import Libc
from auditwheel.policy import WheelPolicies

from build_tools.wheel.contents import WheelContents
from build_tools.wheel.email_file import read_headers, write_headers
from build_tools.wheel.unpacked import UnpackedWheel
from llamaproof.binary.elf import read_elf
from llamaproof.errors import BadInput

_PYTHON_AND_ABI = "py3-none"


def set_platform(wheel: UnpackedWheel, _contents: WheelContents) -> None:
    """Write the tag into WHEEL, from which the file's name is made."""
    libraries = sorted(wheel.libraries.rglob("*.so*"))
    needed = {path.name: set(read_elf(path).needed_versions) for path in libraries}
    path = wheel.info / "WHEEL"
    headers = read_headers(path)
    del headers["Tag"]
    headers["Tag"] = f"{_PYTHON_AND_ABI}-{platform_for(needed)}"
    write_headers(path, headers)


def platform_for(needed: Mapping[str, set[str]]) -> str:
    """The oldest platform of auditwheel's policies that symbol versions allow.

    Which libraries are needed is not asked of the policies: CUDA's come as requirements, and
    libgomp is in the wheel.

    Args:
        needed: by library, what it needs: GLIBC_2.34, GLIBCXX_3.4.30, GCC_12.0.0.

    Raises:
        BadInput: they need a newer runtime than any platform promises.
    """
    policies = WheelPolicies(libc=Libc.GLIBC, arch=Architecture.x86_64)
    policy = policies.versioned_symbols_policy(dict(needed))
    if policy == policies.linux:
        raise BadInput(
            "the libraries need a C or C++ runtime newer than any manylinux platform promises",
            where=", ".join(sorted(set().union(*needed.values()))),
            hint="build with an older g++, on an older distribution",
        )
    return str(policy.name)

"""Toolkits and C++ compilers that are nothing but what a check looks at."""

from __future__ import annotations

from pathlib import Path

from build_tools.toolkit.toolkit import Toolkit


def write_nvcc(home: Path, build: str, archs: tuple[int, ...] = (70, 89)) -> Path:
    """An nvcc that says of itself what a real one says, and does nothing."""
    release = build.rpartition(".")[0]
    nvcc = home / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True, exist_ok=True)
    listed = "; ".join(f"echo compute_{arch}" for arch in archs)
    nvcc.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = --list-gpu-arch ]; then {listed}; exit; fi\n'
        f"echo 'Cuda compilation tools, release {release}, V{build}'\n"
    )
    nvcc.chmod(0o755)
    return nvcc


def write_toolkit(root: Path, build: str, *, newest_gcc: int, newest_glibc: int | None) -> Toolkit:
    """A toolkit whose headers judge as NVIDIA's do.

    Args:
        newest_gcc: the last release of GCC that it accepts.
        newest_glibc: the newest 2.N that its mathematics know of; None for none.
    """
    write_nvcc(root, build)
    crt = root / "include" / "crt"
    crt.mkdir(parents=True)
    (crt / "host_config.h").write_text(
        f"#if __GNUC__ > {newest_gcc}\n"
        f"#error -- unsupported GNU version! gcc versions later than {newest_gcc} are not "
        "supported! The nvcc flag '-allow-unsupported-compiler' can be used to override\n"
        "#endif\n"
    )
    knows = "" if newest_glibc is None else f"# if __GLIBC_PREREQ(2,{newest_glibc})\n# endif\n"
    (crt / "math_functions.h").write_text(f"{knows}extern double rsqrt(double x);\n")
    return Toolkit(
        root=root, version=build.rpartition(".")[0], build=build, archs=(89, 120), recipe=None
    )


def write_compiler(folder: Path, *, gcc: int, glibc_minor: int | None) -> str:
    """A g++ of another release, on another glibc; None for another C library."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"#undef __GNUC__\n#define __GNUC__ {gcc}\n#include <features.h>\n"
    if glibc_minor is None:
        text += "#undef __GLIBC__\n#undef __GLIBC_MINOR__\n"
    else:
        text += f"#undef __GLIBC_MINOR__\n#define __GLIBC_MINOR__ {glibc_minor}\n"
    # Read after the system's headers, whose own words depend on the release that they are read by.
    (folder / "stdlib.h").write_text(text)
    (folder / "release.h").write_text(f"#undef __GNUC__\n#define __GNUC__ {gcc}\n")
    program = folder / "g++"
    program.write_text(f'#!/bin/sh\nexec g++ -I {folder} -include release.h "$@"\n')
    program.chmod(0o755)
    return str(program)

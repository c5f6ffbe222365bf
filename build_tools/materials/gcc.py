"""The part that comes from the C++ compiler: its OpenMP runtime."""

from __future__ import annotations

from build_tools.materials.part import Part, standard_text

_NOTICE = """\
libgomp.so.1 is the OpenMP runtime of GCC {version}, as the distribution of the build machine
compiled it. Its symbol table was stripped and its search path set; nothing else was changed.
Its source is the folder libgomp of GCC {version}: https://gcc.gnu.org/releases.html
"""


def openmp_part(version: str) -> Part:
    """libgomp of a GCC."""
    return Part(
        name="libgomp",
        version=version,
        purl=f"pkg:generic/libgomp@{version}",
        licence="GPL-3.0-or-later WITH GCC-exception-3.1",
        use="inside",
        description="GCC's OpenMP runtime, of the build machine",
        cpe=f"cpe:2.3:a:gnu:gcc:{version}:*:*:*:*:*:*:*",
        texts={
            "COPYING3.txt": standard_text("GPL-3.0.txt"),
            "COPYING.RUNTIME.txt": standard_text("GCC-exception-3.1.txt"),
            "NOTICE.txt": _NOTICE.format(version=version),
        },
        libraries=r"llama_cpp/lib/libgomp\.so\.\d+",
    )

"""What a failure to load llama_cpp means: the messages users meet, with reason and remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llamaproof.binary.cuda_libraries import DRIVER, SONAME, needed_by_build
from llamaproof.doctor.findings import DoctorFinding, stops, unclear
from llamaproof.doctor.package import REINSTALL


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A message by pattern; `what` and `remedy` may use its groups by name."""

    code: str
    pattern: re.Pattern[str]
    what: str
    remedy: str


def _packages(major: int) -> str:
    return " and ".join(library.package for library in needed_by_build(major))


_CUDA_WHEELS = (
    f"pip install the CUDA runtime and cublas of that major version (for 13 {_packages(13)}, "
    f"for 12 {_packages(12)}), or put a CUDA toolkit's lib folder on LD_LIBRARY_PATH"
)

EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        code="no-driver",
        pattern=re.compile(rf"{re.escape(DRIVER)}: cannot open shared object file"),
        what=f"NVIDIA's driver library {DRIVER} is not found, and the package needs it to load",
        remedy="install NVIDIA's driver; in a container, start it with the GPU (--gpus all)",
    ),
    Explanation(
        code="no-cuda-library",
        pattern=re.compile(rf"(?P<library>{SONAME.pattern}): cannot open shared object"),
        what="the CUDA library {library} is not found",
        remedy=_CUDA_WHEELS,
    ),
    Explanation(
        code="no-library",
        pattern=re.compile(r"(?P<library>lib[\w.+-]+\.so[.\d]*): cannot open shared object file"),
        what="the library {library} is not found",
        remedy="install the system package that brings it (libgomp1 for libgomp.so.1)",
    ),
    Explanation(
        code="too-new",
        pattern=re.compile(r"version [`'](?P<version>(GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found"),
        what="it needs {version}, which this system does not have",
        remedy="install a wheel built on an older Linux, or build one here",
    ),
    Explanation(
        code="bindings",
        # ctypes, when a bound function is looked up, and not the loader
        pattern=re.compile(r"AttributeError: .*undefined symbol: (?P<symbol>\w+)"),
        what="the bindings call {symbol}, which its library does not have: they are of two "
        "releases",
        remedy=REINSTALL,
    ),
    Explanation(
        code="mixed-libraries",
        pattern=re.compile(r"undefined symbol: (?P<symbol>\w+)"),
        what="its libraries do not fit together: {symbol} is missing (two releases mixed, or "
        "LD_LIBRARY_PATH finds others first)",
        remedy="empty LD_LIBRARY_PATH of other llama.cpp builds, then reinstall the package",
    ),
    Explanation(
        code="no-dependency",
        pattern=re.compile(r"No module named '(?P<module>[\w.]+)'"),
        what="the Python package {module}, which it needs, is not installed",
        remedy="pip install {module}, or reinstall llama-cpp-python with its dependencies",
    ),
    Explanation(
        code="old-cpu",
        pattern=re.compile(r"needs an x86-64-v3 CPU, this one lacks: (?P<flags>[\w, ]+)"),
        what="it is built for a newer CPU: this one lacks {flags}",
        remedy="install or build a wheel for this CPU",
    ),
    Explanation(
        code="illegal-instruction",
        pattern=re.compile(r"SIGILL"),
        what="it dies of an illegal instruction: it was built for another CPU (-march=native)",
        remedy="install a wheel that was built with GGML_NATIVE=OFF, or build one here",
    ),
)


def explain_failure(message: str) -> DoctorFinding:
    """The reason and remedy for a message; the message itself when it is not known."""
    for explanation in EXPLANATIONS:
        match = explanation.pattern.search(message)
        if match:
            groups = {key: value or "" for key, value in match.groupdict().items()}
            return stops(
                explanation.code,
                f"llama_cpp cannot be loaded: {explanation.what.format(**groups)}",
                explanation.remedy.format(**groups),
            )
    last = message.strip().splitlines()[-1] if message.strip() else "no message"
    return unclear(
        "unknown-failure", f"llama_cpp cannot be loaded: {last}", "read the whole message above"
    )

"""From compiled libraries to a wheel, the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.wheel.arch import ArchList
from build_tools.wheel.compile import tool
from build_tools.wheel.toolkit import Toolkit, build_driver_stub
from llamaproof import wheel_contents
from llamaproof.binary.elf import read_elf
from llamaproof.binary.manylinux import oldest_platform
from llamaproof.errors import LlamaproofError
from llamaproof.files import write_whole
from llamaproof.process import run
from llamaproof.reports import document

DISTRIBUTION = "llama_cpp_python"

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)

# The headers whose layouts the bindings repeat, shipped so that the wheel can be checked alone.
_HEADER_FOLDERS = ("include", "ggml/include", "tools/mtmd")
_HEADERS = re.compile(r"(llama|llama-cpp|ggml[\w-]*|gguf|mtmd|mtmd-helper)\.h$")


@dataclass(frozen=True, kw_only=True)
class WheelContents:
    """What goes into a wheel, and what it says of itself.

    Attributes:
        version: of the release the source is, `0.3.16`.
        label: PEP 440 local label: series and CUDA.
        libraries: the compiled libraries.
        archs: what the GPU code was built for.
        toolkit: what it was built with; None without CUDA.
        record: facts written to llama_cpp/llamaproof.json besides those above.
    """

    version: str
    label: str
    libraries: tuple[Path, ...]
    archs: ArchList
    toolkit: Toolkit | None
    record: Mapping[str, object]

    @property
    def full_version(self) -> str:
        return f"{self.version}+{self.label}"


def write_wheel(tree: Path, contents: WheelContents, dist: Path) -> Path:
    """Put the wheel together and write it to `dist` in one step.

    Args:
        tree: the source tree.
        contents: the rest.
        dist: the folder for the wheel; made if it is not there.

    Returns:
        The wheel. An older one of the same name is replaced.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-wheel-") as scratch:
        stage = Path(scratch) / "wheel"
        for source in sorted((tree / "llama_cpp").rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                _copy(source, stage / source.relative_to(tree))
        _stage_libraries(stage / "llama_cpp" / "lib", contents)
        _stage_headers(tree / "vendor" / "llama.cpp", stage / "llama_cpp" / "include")
        _set_version(stage / "llama_cpp" / "__init__.py", contents)
        _write_record(stage / "llama_cpp" / wheel_contents.FILE_NAME, contents)
        tag = f"py3-none-{_platform(stage / 'llama_cpp' / 'lib')}"
        info = stage / f"{DISTRIBUTION}-{contents.full_version}.dist-info"
        _write_metadata(tree, info, contents, Path(scratch) / "metadata")
        (info / "WHEEL").write_text(
            f"Wheel-Version: 1.0\nGenerator: llamaproof\nRoot-Is-Purelib: false\nTag: {tag}\n"
        )
        name = f"{DISTRIBUTION}-{contents.full_version}-{tag}.whl"
        return _zip(stage, info, dist / name)


def _stage_libraries(lib: Path, contents: WheelContents) -> None:
    for library in contents.libraries:
        _copy(library, lib / library.name)
    openmp = _openmp_runtime()
    _copy(openmp, lib / openmp.name)
    for library in sorted(lib.iterdir()):
        # nvcc writes the number of its process into the symbol table; nothing at run time reads it.
        run(("strip", "--strip-all", library))
        run((tool("patchelf"), "--set-rpath", _rpath(library, contents.toolkit), library))
    if not contents.archs.cpu_only:
        fallback = lib / "no-driver"
        fallback.mkdir()
        build_driver_stub(fallback / "libcuda.so.1")


def _rpath(library: Path, toolkit: Toolkit | None) -> str:
    """Relative to the library: its neighbours, then the CUDA packages beside llama_cpp."""
    if toolkit is None or library.name != "libggml-cuda.so":
        return "$ORIGIN"
    if toolkit.major >= 13:
        return f"$ORIGIN:$ORIGIN/../../nvidia/cu{toolkit.major}/lib"
    return "$ORIGIN:$ORIGIN/../../nvidia/cuda_runtime/lib:$ORIGIN/../../nvidia/cublas/lib"


def cuda_requirements(toolkit: Toolkit) -> tuple[str, ...]:
    """The packages that bring cudart and cublas of the same major version as the build."""
    major = toolkit.major
    if major >= 13:
        span = f">={toolkit.version},<{major + 1}"
        return (f"nvidia-cuda-runtime{span}", f"nvidia-cublas>={major},<{major + 1}")
    return (
        f"nvidia-cuda-runtime-cu{major}>={toolkit.version}",
        f"nvidia-cublas-cu{major}>={major},<{major + 1}",
    )


def _openmp_runtime() -> Path:
    """The compiler's libgomp: no manylinux promises it, and slim images lack it."""
    answer = run(("g++", "-print-file-name=libgomp.so.1")).output.strip()
    path = Path(answer)
    if not path.is_absolute() or not path.exists():
        raise LlamaproofError("the C++ compiler has no libgomp.so.1", where=answer)
    return path


def _stage_headers(source: Path, include: Path) -> None:
    for folder in _HEADER_FOLDERS:
        for header in sorted((source / folder).glob("*.h")):
            if _HEADERS.fullmatch(header.name):
                _copy(header, include / header.name)


def _set_version(init: Path, contents: WheelContents) -> None:
    text = init.read_text(encoding="utf-8")
    old = f'__version__ = "{contents.version}"'
    if text.count(old) != 1:
        raise LlamaproofError(f"expected one line `{old}`", where=init)
    init.write_text(text.replace(old, f'__version__ = "{contents.full_version}"'), encoding="utf-8")


def _write_record(path: Path, contents: WheelContents) -> None:
    toolkit = contents.toolkit
    record = wheel_contents.SCHEMA.document(
        package_version=contents.full_version,
        cuda_arch=[a.cmake for a in contents.archs.archs],
        cuda=toolkit.version if toolkit is not None else None,
        **contents.record,
    )
    document.write(path, record)


def _platform(lib: Path) -> str:
    libraries = sorted(lib.rglob("*.so*"))
    return oldest_platform(v for p in libraries for v in read_elf(p).needed_versions)


def _write_metadata(tree: Path, info: Path, contents: WheelContents, scratch: Path) -> None:
    """The METADATA that scikit-build-core makes of the source, with our version and needs."""
    scratch.mkdir()
    code = (
        "import sys; from scikit_build_core.build import prepare_metadata_for_build_wheel as p;"
        "p(sys.argv[1])"
    )
    run((tool("python"), "-c", code, scratch), cwd=tree)
    made = next(scratch.glob("*.dist-info"))
    info.mkdir(parents=True)
    text = (made / "METADATA").read_text(encoding="utf-8")
    (info / "METADATA").write_text(_edit_metadata(text, contents), encoding="utf-8")
    for licence in sorted((made / "licenses").rglob("*")) if (made / "licenses").is_dir() else ():
        if licence.is_file():
            _copy(licence, info / licence.relative_to(made))


def _edit_metadata(text: str, contents: WheelContents) -> str:
    headers, separator, body = text.partition("\n\n")
    old = f"Version: {contents.version}"
    lines = headers.split("\n")
    if lines.count(old) != 1:
        raise LlamaproofError(f"the METADATA made of the source lacks the line `{old}`")
    lines[lines.index(old)] = f"Version: {contents.full_version}"
    toolkit = contents.toolkit
    if toolkit is not None:
        lines += [f"Requires-Dist: {need}" for need in cuda_requirements(toolkit)]
    return "\n".join(lines) + separator + body


def _zip(stage: Path, info: Path, wheel: Path) -> Path:
    """Zip in a fixed order with fixed times and modes, RECORD last, then rename into place."""
    files = sorted(p for p in stage.rglob("*") if p.is_file())
    rows = [(p.relative_to(stage).as_posix(), p.read_bytes()) for p in files]
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in rows)
    record_name = f"{info.name}/RECORD"
    rows.append((record_name, f"{record}{record_name},,\n".encode()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in rows:
            member = zipfile.ZipInfo(name, _ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            mode = 0o755 if ".so" in name.rsplit("/", 1)[-1] else 0o644
            member.external_attr = (0o100000 | mode) << 16
            archive.writestr(member, data)
    wheel.parent.mkdir(parents=True, exist_ok=True)
    write_whole(wheel, packed.getvalue())
    return wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)

"""A wheel's words about itself: its version, its METADATA, the record of how it was built."""

from __future__ import annotations

from pathlib import Path

from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.environment import tool
from build_tools.wheel.stage import put
from llamaproof import wheel_contents
from llamaproof.binary.cuda_libraries import needed_by_build
from llamaproof.errors import LlamaproofError
from llamaproof.process import run
from llamaproof.reports import document


def set_version(init: Path, contents: WheelContents) -> None:
    """Write the full version where `llama_cpp.__version__` is read from."""
    text = init.read_text(encoding="utf-8")
    old = f'__version__ = "{contents.version}"'
    if text.count(old) != 1:
        raise LlamaproofError(f"expected one line `{old}`", where=init)
    init.write_text(text.replace(old, f'__version__ = "{contents.full_version}"'), encoding="utf-8")


def write_record(package: Path, contents: WheelContents) -> None:
    """Write llamaproof.json into the package: what the wheel was built from and with."""
    toolkit = contents.toolkit
    record = wheel_contents.SCHEMA.document(
        package_version=contents.full_version,
        cuda_arch=[a.cmake for a in contents.archs.archs],
        cuda=toolkit.version if toolkit is not None else None,
        **contents.record,
    )
    document.write(package / wheel_contents.FILE_NAME, record)


def write_metadata(tree: Path, info: Path, contents: WheelContents, scratch: Path) -> None:
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
            put(licence, info / licence.relative_to(made))


def cuda_requirements(toolkit: Toolkit) -> tuple[str, ...]:
    """The packages that bring cudart and cublas of the same major version as the build."""
    major = toolkit.major
    cudart, cublas = needed_by_build(major)
    return (
        f"{cudart.package}>={toolkit.version},<{major + 1}",
        f"{cublas.package}>={major},<{major + 1}",
    )


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

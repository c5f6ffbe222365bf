"""From compiled libraries to a wheel."""

from __future__ import annotations

import tempfile
from pathlib import Path

from build_tools.wheel.archive import zip_wheel
from build_tools.wheel.contents import DISTRIBUTION, WheelContents
from build_tools.wheel.libraries import platform_of, stage_libraries
from build_tools.wheel.metadata import set_version, write_metadata, write_record
from build_tools.wheel.stage import stage_headers, stage_sources


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
        package = stage / "llama_cpp"
        stage_sources(tree, stage)
        stage_libraries(package / "lib", contents)
        stage_headers(tree / "vendor" / "llama.cpp", package / "include")
        set_version(package / "__init__.py", contents)
        write_record(package, contents)
        tag = f"py3-none-{platform_of(package / 'lib')}"
        info = stage / f"{DISTRIBUTION}-{contents.full_version}.dist-info"
        write_metadata(tree, info, contents, Path(scratch) / "metadata")
        (info / "WHEEL").write_text(
            f"Wheel-Version: 1.0\nGenerator: llamaproof\nRoot-Is-Purelib: false\nTag: {tag}\n"
        )
        return zip_wheel(stage, info, dist / f"{DISTRIBUTION}-{contents.full_version}-{tag}.whl")

"""llama.cpp's headers, which travel with a wheel so that its bindings can be checked alone."""

from __future__ import annotations

import re
import shutil

from build_tools.wheel.contents import WheelContents
from build_tools.wheel.unpacked import UnpackedWheel

# The headers whose layouts the bindings repeat.
_FOLDERS = ("include", "ggml/include", "tools/mtmd")
_HEADERS = re.compile(r"(llama|llama-cpp|ggml[\w-]*|gguf|mtmd|mtmd-helper)\.h$")


def add_headers(wheel: UnpackedWheel, contents: WheelContents) -> None:
    """Lay out the headers that the bindings were written from."""
    include = wheel.package / "include"
    include.mkdir()
    for folder in _FOLDERS:
        for header in sorted((contents.source / "vendor" / "llama.cpp" / folder).glob("*.h")):
            if _HEADERS.fullmatch(header.name):
                shutil.copyfile(header, include / header.name)

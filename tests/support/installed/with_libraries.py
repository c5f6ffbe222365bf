"""Load libraries into this process, then run a script: `with_libraries.py PATH:PATH SCRIPT ARGS`.

Run by the tests in the wheel's environment: what is loaded first is what the wheel's own libraries
find.
"""

from __future__ import annotations

import ctypes
import runpy
import sys


def main() -> None:
    paths, script, *arguments = sys.argv[1:]
    for path in paths.split(":"):
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()

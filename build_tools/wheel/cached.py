"""Main of the process that runs a build beside a compiler cache of its own.

    python -I cached.py SCCACHE -- COMMAND ...

The cache's server is started before the command and stopped after it, in the same namespaces: one
that was there already would see other folders under the same paths. What it did is said at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(_CHECKOUT), str(_CHECKOUT / "python")]

from build_tools.progress import show  # noqa: E402
from llamaproof.exits import exit_code_of  # noqa: E402
from llamaproof.process import run  # noqa: E402

# Whoever started this watches for silence.
_A_DAY_S = 86400.0


def main(arguments: Sequence[str]) -> int:
    """Run the command with the cache's server beside it; its exit status is the command's."""
    sccache, *command = (word for word in arguments if word != "--")
    run((sccache, "--start-server"))
    try:
        done = run(command, on_line=show, check=False, silence_limit_s=_A_DAY_S)
        stats = run((sccache, "--show-stats", "--stats-format", "json")).output
        show(told(json.loads(stats)))
    finally:
        run((sccache, "--stop-server"), check=False)
    return done.returncode


def told(stats: Mapping[str, Any]) -> str:
    """The cache's own count, as `cache: 41 of 46 compilations found; 5 done (C/C++ 5)`.

    A CUDA source is several: its host code, and its PTX and machine code for each card.
    """
    counted = stats["stats"]
    hits, misses = (counted[name]["counts"] for name in ("cache_hits", "cache_misses"))
    found, missed = sum(hits.values()), sum(misses.values())
    by_language = ", ".join(f"{name} {number}" for name, number in sorted(misses.items()))
    done = f"; {missed} done ({by_language})" if missed else ""
    return f"cache: {found} of {found + missed} compilations found{done}"


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: main(sys.argv[1:])))

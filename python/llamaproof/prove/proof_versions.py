"""How much each proof could find when it was made.

A number is raised with each change after which the proof can find something that it could not
find before; a line here says what. So a release policy can ask for evidence that has looked for
it: evidence that was made before is then too old, though it holds.
"""

from __future__ import annotations

from collections.abc import Mapping

# By proof: what came with each number, from 1 on.
_CAME_WITH: Mapping[str, tuple[str, ...]] = {
    "abi": (
        "bindings, libraries, GPU code and the wheel's own words",
        "rows of RECORD without a strong hash, and things that METADATA says twice",
    ),
    "dispatch": (
        "the default grid, familiar models and requirements, on each card",
        "several sequences with a cache of their own",
    ),
    "numbers": (
        "kernels executed for each card, and what a kernel must not do",
        "results held against float64 row by row, families of inputs that overflow f16 or hide "
        "tiles, several sequences, other layouts and head sizes",
    ),
    "work": ("exact counts, judged by the gate",),
}

# Evidence from before proofs had numbers.
UNNUMBERED = 0


def version_of(proof: str) -> int:
    """The number of a proof as it is made now; `UNNUMBERED` of one that has none."""
    return len(_CAME_WITH.get(proof, ())) or UNNUMBERED

"""What comes from a device: raw samples of time, or counted work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llamaproof.bench.clocks import Clock


@dataclass(frozen=True, kw_only=True)
class Round:
    """Samples taken back to back: seconds per layer each; the clocks then, where they are known."""

    samples: tuple[float, ...]
    clock: Clock | None


@dataclass(frozen=True, kw_only=True)
class Work:
    """Exact work of a cell, per layer.

    Attributes:
        counts: by name, summed over the launches.
        launches: the kernels that did it, in order.
        findings: what the checker has against them; a kernel with any is wrong.
        least_bytes: bytes a perfect kernel moves.
    """

    counts: Mapping[str, float]
    launches: tuple[str, ...]
    findings: tuple[str, ...]
    least_bytes: int

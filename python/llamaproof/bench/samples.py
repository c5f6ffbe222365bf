"""Raw samples as they come from a device."""

from __future__ import annotations

from dataclasses import dataclass

from llamaproof.bench.clocks import Clock


@dataclass(frozen=True, kw_only=True)
class Round:
    """Samples taken back to back: seconds per layer each; the clocks then, where they are known."""

    samples: tuple[float, ...]
    clock: Clock | None

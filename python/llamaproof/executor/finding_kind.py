"""What the emulator's checker can find; numbered as native/emulator's findings.def is."""

from __future__ import annotations

from enum import IntEnum


class FindingKind(IntEnum):
    """What the checker can find."""

    OUT_OF_BOUNDS = 1
    MISALIGNED = 2
    UNINITIALISED_READ = 3
    SHARED_RACE = 4
    DIVERGENT_BARRIER = 5
    MISSING_LANE = 6
    TRAP = 7
    ASYNC_NOT_WAITED = 8
    DEADLOCK = 9

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")

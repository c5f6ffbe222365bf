"""What differs between two wheels, from the archive down to a function."""

from __future__ import annotations

from dataclasses import dataclass

# More than so many names of one part say no more than their number does.
_MOST_NAMES = 12


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One part that is not the same.

    Attributes:
        member: of the archive; empty for the archive itself.
        what: the part of it, and how it differs.
        names: functions, kernels or files that it comes down to, where they are known.
    """

    member: str
    what: str
    names: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """For people."""
        head = f"{self.member}: {self.what}" if self.member else self.what
        shown = self.names[:_MOST_NAMES]
        rest = len(self.names) - len(shown)
        more = (f"    and {rest} more",) if rest else ()
        return (head, *(f"    {name}" for name in shown), *more)

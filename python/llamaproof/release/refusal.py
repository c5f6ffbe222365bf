"""Why something is not published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llamaproof.reports.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One reason why a release is refused.

    Attributes:
        code: a stable name, such as `evidence.other-bytes`.
        about: the wheel, the variant or the file.
        what: is wrong, in a line.
        hint: what to do next.
        outcome: a defect, or that it could not be checked.
    """

    code: str
    about: str
    what: str
    hint: str = ""
    outcome: Outcome = Outcome.DEFECT

    def json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "about": self.about,
            "what": self.what,
            "hint": self.hint,
            "outcome": self.outcome.value,
        }

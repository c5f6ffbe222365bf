"""The errors llamaproof raises, and the exit codes they stand for."""

from __future__ import annotations

HOLDS = 0
DEFECT = 1
NOT_CHECKED = 2


class LlamaproofError(Exception):
    """Something could not be done or checked.

    Args:
        what: what happened, in one sentence.
        where: the file, command or place it happened at; empty when `what` names it.
        hint: what to do next.
    """

    exit_code = NOT_CHECKED

    def __init__(self, what: str, *, where: object = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = str(where)
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  next:  {self.hint}")
        return "\n".join(lines)


class BadInput(LlamaproofError):
    """What was given is not what it should be: corrupt, truncated, of another kind, unknown."""


class DefectFound(LlamaproofError):
    """The thing under test was examined and is wrong."""

    exit_code = DEFECT


class CommandFailed(LlamaproofError):
    """A child process failed, fell silent or could not be started.

    Args:
        returncode: the exit status; negative is a signal; None when it was ended from here.
        output: the last lines it printed.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = "",
        hint: str = "",
        returncode: int | None = None,
        output: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.returncode = returncode
        self.output = output

    def __str__(self) -> str:
        tail = "".join(f"\n  | {line}" for line in self.output[-30:])
        return super().__str__() + tail

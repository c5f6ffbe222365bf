"""Whether pip brings, or every system has, each library that a wheel needs and does not hold."""

from __future__ import annotations

from collections.abc import Iterator

from llamaproof.binary.cuda_libraries import parse_soname
from llamaproof.binary.manylinux import PROMISED_LIBRARIES
from llamaproof.release.policy import Policy
from llamaproof.release.refusal import Refusal
from llamaproof.release.wheel_kind import WheelKind
from llamaproof.wheel_archive.requirements import brings, is_about
from llamaproof.wheel_archive.words import WheelWords


def uncovered(words: WheelWords, kind: WheelKind, policy: Policy) -> Iterator[Refusal]:
    """A refusal for each library that nobody provides."""
    on_the_system = {asked.value for asked in policy.system_libraries} | PROMISED_LIBRARIES
    for soname, asked_by in sorted(kind.outside.items()):
        if soname in on_the_system:
            continue
        cuda = parse_soname(soname)
        if cuda is None or cuda.cuda_major is None:
            yield Refusal(
                code="wheel.needs",
                about=words.file_name,
                what=f"{asked_by} needs {soname}, which the wheel does not hold, no requirement is "
                "known to bring, and not every system has",
                hint="put it into the wheel (auditwheel repair), or let the policy name it: "
                "[[system]], with the reason why every user has it",
            )
        elif not any(brings(requirement, cuda) for requirement in words.requires):
            related = ", ".join(str(r) for r in words.requires if is_about(r, cuda))
            number = "" if cuda.package_says_cuda else f" of version {cuda.number}"
            yield Refusal(
                code="wheel.requires",
                about=words.file_name,
                what=f"{asked_by} needs {soname}, and METADATA requires "
                f"{related or 'no package that brings it'}",
                hint=f"build it with Requires-Dist: {cuda.package}{number}",
            )

"""A wheel made again from what it says of itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from build_tools.progress import show
from build_tools.rebuild.compare import compare_wheels
from build_tools.rebuild.difference import Difference
from build_tools.rebuild.inputs import OtherInput, other_inputs, wanted_by
from build_tools.rebuild.objects import Objects
from build_tools.sole_use import sole_use
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.wheel.build import Run, build_from
from build_tools.wheel.inputs import take_inputs
from llamaproof.errors import BadInput
from llamaproof.wheel_archive.members import members_of_wheel
from llamaproof.wheel_contents import FILE_NAME, WheelFacts, parse_contents

_FOLDER = Path("build") / "rebuild"


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What came of it.

    Attributes:
        path: the wheel that was built.
        inputs: what was not as the wheel says, where it was built all the same.
        doubt: why a difference would not mean that the wheel is wrong; empty where it would.
        differences: between the two wheels; none where every byte is the same.
    """

    path: Path
    inputs: tuple[OtherInput, ...]
    doubt: str
    differences: tuple[Difference, ...]


def rebuild(
    checkout: Path, wheel: Path, toolkit: ToolkitSettings, *, jobs: int, anyway: bool
) -> Rebuilt:
    """Check that everything is at hand, build in a folder of its own, compare.

    Args:
        toolkit: the user's own, where the wheel was not made with one of the lock files.
        jobs: compilers at once.
        anyway: build also where an input is not what the wheel says.

    Raises:
        BadInput: the wheel does not say what made it, or an input differs.
    """
    facts = _facts(wheel)
    reason = facts.making.reproducible if facts.making is not None else ""
    inputs = take_inputs(checkout, wanted_by(facts, toolkit))
    other = other_inputs(facts, inputs.contents(checkout).facts)
    _require_inputs(wheel, other, anyway=anyway)
    folder = checkout / _FOLDER
    with sole_use(folder, show):
        shutil.rmtree(folder, ignore_errors=True)
        run = Run(jobs=jobs, cached=False, objects=folder / "objects", out=folder)
        built = build_from(checkout, inputs, run)
    found = compare_wheels(wheel, built.path, Objects(folder / "objects"))
    doubt = reason if isinstance(reason, str) else built.not_reproducible
    return Rebuilt(path=built.path, inputs=other, doubt=doubt, differences=found)


def _facts(wheel: Path) -> WheelFacts:
    with members_of_wheel(wheel) as members:
        found = [name for name in members.names if name == f"llama_cpp/{FILE_NAME}"]
        facts = parse_contents(members.read(found[0]), where=wheel) if found else None
    if facts is None or facts.making is None:
        raise BadInput(
            "the wheel does not say what made it, so it cannot be made again",
            where=wheel,
            hint="those that this project builds say it, from version 3 of llamaproof.json on",
        )
    return facts


def _require_inputs(wheel: Path, other: Sequence[OtherInput], *, anyway: bool) -> None:
    if not other:
        show("rebuild: source, compilers, lock files and toolkit are those that the wheel names")
        return
    for each in other:
        show(f"rebuild: {each}")
    if not anyway:
        raise BadInput(
            f"{len(other)} of the wheel's inputs are not at hand as they were",
            where=wheel,
            hint="check out the commit that built it, on a system with the same compilers; "
            "with --anyway it is built all the same, and what differs is named",
        )

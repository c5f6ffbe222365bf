"""What a wheel says of its making, taken from the archive."""

from __future__ import annotations

from pathlib import Path

from llamaproof.attestation.provenance import MEMBER, Source
from llamaproof.wheel_archive.members import Members, members_of_wheel
from llamaproof.wheel_contents import parse_contents


def source_of(wheel: Path) -> Source | None:
    """What a wheel file says; None for one of another's making.

    Raises:
        BadInput: it is no wheel, or what it says is damaged or of a version not known here.
    """
    with members_of_wheel(wheel) as members:
        return source_in(members, where=wheel)


def source_in(members: Members, *, where: object) -> Source | None:
    """The same, of a wheel that is open."""
    if MEMBER not in members.names:
        return None
    text = members.read(MEMBER)
    return Source(facts=parse_contents(text, where=where), text=text)

"""What becomes of a proof that fails half-way."""

from __future__ import annotations

from llamaproof.errors import BadInput, DefectFound, LlamaproofError
from llamaproof.prove import bindings, numbers, placement, work
from llamaproof.prove.proof_versions import UNNUMBERED, version_of
from llamaproof.prove.section import Section, guarded
from llamaproof.reports.outcome import Outcome


def failing(error: LlamaproofError) -> Section:
    def make() -> Section:
        raise error

    return guarded("numbers", "Numbers", make)


def test_a_proof_that_cannot_be_made_is_not_passed() -> None:
    section = failing(BadInput("no such library", where="lib.so", hint="build it"))
    assert section.outcome is Outcome.NOT_CHECKED
    assert section.outcome.exit_code == 2
    assert section.words == "no such library; where: lib.so; next:  build it"
    assert failing(DefectFound("it is wrong")).outcome is Outcome.DEFECT


def test_each_proof_says_which_version_of_it_was_made() -> None:
    assert failing(BadInput("no")).json()["proof_version"] == version_of("numbers")
    names = (bindings.NAME, placement.NAME, numbers.NAME, work.NAME)
    assert all(version_of(name) > UNNUMBERED for name in names)
    assert version_of("another") == UNNUMBERED

"""The emulator's library and the Python package count the same things, or the package says not."""

from __future__ import annotations

import pytest

from llamaproof.errors import BadInput
from llamaproof.executor import library
from llamaproof.executor.counts import NAMES
from llamaproof.executor.finding_kind import FindingKind

SWAPPED = (NAMES[1], NAMES[0], *NAMES[2:])
SHORTER = NAMES[:-1]


def test_the_library_counts_and_finds_what_the_package_names() -> None:
    opened = library.open_library()
    assert library.names(opened, "count") == NAMES
    assert library.names(opened, "finding") == tuple(kind.name.lower() for kind in FindingKind)
    assert len(library.names(opened, "class")) > 20


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (SWAPPED, "number 0 is warp_instructions there and active_lanes here"),
        (SHORTER, "number 20 is atomics there and nothing here"),
    ],
)
def test_a_planted_difference_is_told(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr(library, "NAMES", names)
    with pytest.raises(BadInput, match=words):
        library.open_library()

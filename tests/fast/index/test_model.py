"""Claims: a publication that is written is read again as it was, and a damaged one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.index.model import read_publication
from llamaproof.reports import document
from tests.support.index.publications import PUBLICATION


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "publication.json"
    document.write(path, PUBLICATION.json())
    assert read_publication(path) == PUBLICATION


def test_a_variant_has_its_own_wheels_alone() -> None:
    (wheel,) = PUBLICATION.of_project("llama-cpp-python", "cu120-sm89")
    assert wheel.variant == "cu120-sm89"
    assert len(PUBLICATION.of_project("llama-cpp-python")) == 2
    assert PUBLICATION.of_project("another") == ()


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"wheels": [{}]}, "damaged"),
        ({"variants": "none"}, "damaged"),
        ({"schema": "llamaproof.abi"}, "no llamaproof.publication"),
        ({"version": 99}, "version 99"),
    ],
)
def test_a_damaged_publication_is_refused(
    tmp_path: Path, planted: dict[str, object], said: str
) -> None:
    path = tmp_path / "publication.json"
    path.write_text(json.dumps({**PUBLICATION.json(), **planted}))
    with pytest.raises(BadInput, match=said):
        read_publication(path)


def test_a_file_of_an_unknown_role_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "publication.json"
    path.write_text(json.dumps(PUBLICATION.json()).replace('"signature"', '"autograph"'))
    with pytest.raises(BadInput, match="autograph"):
        read_publication(path)

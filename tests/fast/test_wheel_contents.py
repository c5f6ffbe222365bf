"""What a wheel of this project says of itself is read, in the first form as well, or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llamaproof.errors import BadInput
from llamaproof.target import open_target
from llamaproof.wheel_contents import FILE_NAME, SCHEMA, read_contents


def contents_of(folder: Path, written: str | None) -> Mapping[str, Any]:
    package = folder / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    (package / "llama_cpp.py").write_text("")
    (package / "lib" / "libggml-base.so").write_bytes(b"")
    if written is not None:
        (package / FILE_NAME).write_text(written)
    with open_target(str(folder)) as target:
        return read_contents(target)


def test_a_package_of_anothers_making_says_nothing(tmp_path: Path) -> None:
    assert contents_of(tmp_path, None) == {}


def test_it_is_read_in_both_forms(tmp_path: Path) -> None:
    now = contents_of(tmp_path / "now", json.dumps(SCHEMA.document(package_version="1+cu130")))
    first = contents_of(tmp_path / "first", json.dumps({"schema": 1, "version": "1+cu130"}))
    assert now["package_version"] == first["package_version"] == "1+cu130"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": "llamaproof.wheel", "version": 99}']
)
def test_what_cannot_be_read_is_never_taken_for_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput):
        contents_of(tmp_path, text)

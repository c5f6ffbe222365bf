"""Documents say what they are, are read back by what they say, and are all written down."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import build_tools
import llamaproof
from llamaproof.errors import BadInput
from llamaproof.reports import document
from llamaproof.reports.document import Schema

PAGE = Path(__file__).parents[3] / "docs" / "schemas.md"
SCHEMA = Schema(name="llamaproof.test", version=3)


def read(path: Path) -> list[int]:
    def parse(members: dict[str, Any]) -> list[int]:
        return [int(number) for number in members["numbers"]]

    return document.read(path, SCHEMA, parse, hint="make it with a test")


def test_a_document_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    document.write(path, SCHEMA.document(numbers=(1, 2)))
    assert read(path) == [1, 2]
    assert json.loads(path.read_text()) == {
        "schema": "llamaproof.test",
        "version": 3,
        "tool": llamaproof.__version__,
        "numbers": [1, 2],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it.json is no JSON"),
        ("\x00", "it.json is no JSON"),
        ("[]", "it states no schema"),
        ('{"numbers": [1]}', "it states no schema"),
        ('{"schema": "llamaproof.other", "version": 3}', "its schema is 'llamaproof.other'"),
        ('{"schema": "llamaproof.test"}', "is of version None, and only version 3"),
        ('{"schema": "llamaproof.test", "version": "3"}', "is of version '3'"),
        ('{"schema": "llamaproof.test", "version": 3}', "it.json is damaged: KeyError"),
        ('{"schema": "llamaproof.test", "version": 3, "numbers": ["x"]}', "damaged: ValueError"),
        ('{"schema": "llamaproof.test", "version": 3, "numbers": 1}', "damaged: TypeError"),
    ],
)
def test_what_is_no_such_document_is_refused_in_words(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "it.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=re.escape(says)) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert caught.value.hint == "make it with a test"


def test_of_a_newer_version_it_names_the_tool_that_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_text('{"schema": "llamaproof.test", "version": 4, "tool": "9.1"}')
    with pytest.raises(BadInput, match="version 4, and only version 3 is known here") as caught:
        read(path)
    assert "version 9.1" in caught.value.hint


def test_a_file_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read it\.json: No such file"):
        read(tmp_path / "it.json")


def test_each_finding_and_row_stands_on_one_line() -> None:
    finding = {"what": "it is wrong", "where": [1, 2], "at": {"line": 3}}
    text = document.to_text({"rows": [[1, 2], [3, 4]], "deep": {"findings": [finding, finding]}})
    assert text.splitlines().count("  [3, 4]") == 1
    assert text.splitlines().count("   " + json.dumps(finding)) == 1
    assert json.loads(text)["deep"]["findings"] == [finding, finding]


def test_a_number_that_json_lacks_is_null() -> None:
    text = document.to_text({"a": float("nan"), "b": [float("inf"), 0.5], "c": {"d": -1e999}})
    assert json.loads(text) == {"a": None, "b": [None, 0.5], "c": {"d": None}}


def test_every_schema_is_written_down_with_its_version() -> None:
    row = re.compile(r"^\| `(llamaproof\.[a-z-]+)` \| (\d+) \|", re.MULTILINE)
    written = {(name, int(number)) for name, number in row.findall(PAGE.read_text())}
    assert written == {(schema.name, schema.version) for schema in _schemas()}
    names = [name for name, _ in written]
    assert len(names) == len(set(names))


def _schemas() -> Iterator[Schema]:
    for package in (llamaproof, build_tools):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                found = vars(importlib.import_module(module.name)).values()
                yield from (value for value in found if isinstance(value, Schema))

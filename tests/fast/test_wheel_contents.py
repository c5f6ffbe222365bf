"""What a wheel of this project says of itself is read, in its older forms as well, or refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llamaproof.errors import BadInput
from llamaproof.reports.document import Schema
from llamaproof.target import open_target
from llamaproof.wheel_contents import FILE_NAME, SCHEMA, WheelFacts, read_contents
from tests.support.wheel_facts import FACTS, MAKING


def contents_of(folder: Path, written: str | None) -> WheelFacts | None:
    package = folder / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    (package / "llama_cpp.py").write_text("")
    (package / "lib" / "libggml-base.so").write_bytes(b"")
    if written is not None:
        (package / FILE_NAME).write_text(written)
    with open_target(str(folder)) as target:
        return read_contents(target)


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    members = json.loads(FACTS.text())
    change(members)
    return json.dumps(members)


def test_a_package_of_anothers_making_says_nothing(tmp_path: Path) -> None:
    assert contents_of(tmp_path, None) is None


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert contents_of(tmp_path, FACTS.text()) == FACTS


def test_a_reason_against_the_same_bytes_is_read(tmp_path: Path) -> None:
    making = dataclasses.replace(MAKING, reproducible="no mount namespace could be made")
    facts = dataclasses.replace(FACTS, making=making)
    assert contents_of(tmp_path, facts.text()) == facts


def test_older_wheels_are_read_and_say_nothing_of_their_making(tmp_path: Path) -> None:
    members = {"cuda": "13.0", "cuda_arch": ["89"], "series": ["0001-a.patch"], "tree": "3bb7"}
    second = Schema(name=SCHEMA.name, version=2).document(package_version="1+cu130", **members)
    first = {"schema": 1, "version": "1+cu130", **members}
    for name, document in (("second", second), ("first", first)):
        facts = contents_of(tmp_path / name, json.dumps(document))
        assert facts is not None and facts.making is None
        assert (facts.package_version, facts.cuda, facts.cuda_arch) == ("1+cu130", "13.0", ("89",))
        assert [(patch.name, patch.sha256) for patch in facts.patches] == [("0001-a.patch", None)]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": "llamaproof.wheel", "version": 99}']
)
def test_what_cannot_be_read_is_never_taken_for_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput):
        contents_of(tmp_path, text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.pop("sdist"), "sdist"),
        (lambda m: m.pop("tree"), "it lacks tree"),
        (lambda m: m["sdist"].update(sha256="5d"), "'5d' is no sha256"),
        (lambda m: m["patches"][0].update(sha256=None), "None is no sha256"),
        (lambda m: m["locks"].update({"env.lock": "?"}), "no sha256"),
        (lambda m: m["toolkit"][0].pop("version"), "version"),
        (lambda m: m.update(reproducible=False), "neither true nor a reason"),
    ],
)
def test_a_damaged_part_is_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(BadInput, match=f"damaged.*{said}"):
        contents_of(tmp_path, changed(change))

"""What examines on two machines is compared by what decides the last digit of its answers."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

import llamaproof
from llamaproof.spread import same_build
from llamaproof.spread.same_build import Build, build_here, differences


def test_a_machine_is_like_itself() -> None:
    here = build_here()
    assert here == build_here() and differences(here, here) == ""
    assert here.llamaproof == llamaproof.__version__


@pytest.mark.parametrize("field", [field.name for field in fields(Build)])
def test_each_difference_is_named(field: str) -> None:
    here = build_here()
    other = replace(here, **{field: "another"})
    assert differences(here, other).endswith(f"another and not {getattr(here, field)}")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("emulator/worker.py", "llamaproof's code"),
        ("shadow/gpus.json", "llamaproof's code"),
        ("_native/libllamaproof_emulator.so", "native libraries"),
    ],
)
def test_planted_a_changed_byte_of_the_package_is_another_build(
    changed: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "llamaproof"
    shutil.copytree(Path(llamaproof.__file__).parent, package)
    monkeypatch.setattr(same_build, "_PACKAGE", package)
    monkeypatch.setattr(same_build, "NATIVE", package / "_native")
    before = build_here()
    assert before == build_here()
    with (package / changed).open("ab") as stream:
        stream.write(b"\n")
    assert differences(before, build_here()).startswith(what)

"""`rebuild`: the same bytes again, or what differs by name; an input that is not as it was first.

Really built, by scikit-build-core, from a source of five small files.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from build_tools.cli import main
from build_tools.rebuild import rebuild as under_test
from build_tools.rebuild.inputs import other_inputs, wanted_by
from build_tools.toolkit.arch import parse_arch
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.wheel.build import Run, build_from
from build_tools.wheel.inputs import Inputs
from llamaproof.wheel_contents import FILE_NAME, WheelFacts, parse_contents
from tests.support.build_tools.small_source import small_tree, write_small_source

Rebuild = Callable[..., int]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    write_small_source(folder / "tree")
    (folder / "requirements").mkdir()
    (folder / "requirements" / "env.lock").write_text("a==1\n")
    return folder


def inputs(checkout: Path) -> Inputs:
    return Inputs(tree=small_tree(checkout / "tree"), archs=parse_arch("cpu"), toolkit=None)


@pytest.fixture
def wheel(checkout: Path) -> Path:
    run = Run(jobs=2, cached=False, objects=checkout / "objects", out=checkout / "dist")
    built = build_from(checkout, inputs(checkout), run)
    if built.not_reproducible:
        pytest.skip(f"no private mount namespace here: {built.not_reproducible}")
    return built.path


@pytest.fixture
def rebuild(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Rebuild:
    """The command; the small source takes the place of a pin with its series."""
    monkeypatch.setattr(under_test, "take_inputs", lambda *_args: inputs(checkout))

    def run_command(*words: str | Path) -> int:
        return main(["rebuild", *map(str, words)], checkout=checkout)

    return run_command


def test_the_same_inputs_give_the_same_bytes_and_one_changed_byte_is_named(
    wheel: Path, checkout: Path, rebuild: Rebuild, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rebuild(wheel) == 0
    assert "the same bytes, sha256 " in capsys.readouterr().out
    source = checkout / "tree" / "vendor" / "llama.cpp" / "llama.cpp"
    source.write_text(source.read_text().replace("%s:%d", "%s;%d"))
    assert rebuild(wheel) == 1
    _, _, said = capsys.readouterr().out.partition("differs from the wheel\n")
    assert re.fullmatch(
        r"  llama_cpp/lib/libllama\.so: \.rodata\S*: 1 of \d+ bytes\n      llama\.cpp\.o\n", said
    )


def test_a_build_folder_that_was_configured_by_hand_is_taken_over(checkout: Path) -> None:
    objects = checkout / "objects"
    objects.mkdir()
    cache = "CMAKE_CACHEFILE_DIR:INTERNAL=/elsewhere\nCMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere\n"
    (objects / "CMakeCache.txt").write_text(cache)
    run = Run(jobs=2, cached=False, objects=objects, out=checkout / "dist")
    assert build_from(checkout, inputs(checkout), run).path.exists()


def test_an_input_that_is_not_as_it_was_is_named_before_anything_is_compiled(
    wheel: Path, checkout: Path, rebuild: Rebuild, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "requirements" / "env.lock").write_text("a==2\n")
    assert rebuild(wheel) == 2
    said = capsys.readouterr()
    assert "making.locks.env.lock: the wheel says " in said.out
    assert "1 of the wheel's inputs are not at hand" in said.err
    assert "Building" not in said.out
    assert rebuild(wheel, "--anyway") == 1
    assert f"llama_cpp/{FILE_NAME}: differs" in capsys.readouterr().out


def test_a_wheel_that_does_not_say_what_made_it_cannot_be_rebuilt(
    tmp_path: Path, rebuild: Rebuild, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("llama_cpp/__init__.py", "")
        archive.writestr("llama_cpp/lib/libllama.so", "")
    assert rebuild(other) == 2
    assert "does not say what made it" in capsys.readouterr().err


def test_every_fact_of_the_making_is_compared(checkout: Path) -> None:
    facts = inputs(checkout).contents(checkout).facts
    assert other_inputs(facts, facts) == ()
    assert facts.making is not None
    others: list[WheelFacts] = [
        replace(facts, tree="0" * 40),
        replace(facts, patches=facts.patches[:1]),
        replace(facts, patches=(facts.patches[0], replace(facts.patches[1], sha256="0" * 64))),
        replace(facts, making=replace(facts.making, made_with={"c++": "another"})),
        replace(facts, making=replace(facts.making, sdist=replace(facts.making.sdist, size=2))),
    ]
    for other in others:
        assert other_inputs(other, facts)
    unsure = replace(facts, making=replace(facts.making, reproducible="not here"))
    assert other_inputs(unsure, facts) == ()


def test_what_is_to_be_built_is_read_off_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        facts = parse_contents(archive.read(f"llama_cpp/{FILE_NAME}"), where=wheel)
    wanted = wanted_by(facts, ToolkitSettings())
    assert (wanted.arch, wanted.pin, wanted.first) == ("cpu", "llama-cpp-python-0.3.16", 2)
    cuda = replace(facts, cuda="12.4", cuda_arch=("70-virtual", "89"))
    wanted = wanted_by(cuda, ToolkitSettings())
    assert (wanted.arch, wanted.toolkit.cuda) == ("70-virtual;89", "12")

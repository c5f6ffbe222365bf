"""Claims: of the code of others just what was compiled is a part, under the licence it states."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools.materials.vendored import LLAMA_CPP, Passage, vendored_parts
from llamaproof.errors import LlamaproofError

STB = """/* stb_image - v2.30 - an image loader */
int load(void);
/*
This software is available under 2 licenses -- choose whichever you prefer.
ALTERNATIVE A - MIT License
*/
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / LLAMA_CPP / "vendor" / "stb"
    folder.mkdir(parents=True)
    (folder / "stb_image.h").write_text(STB)
    return tmp_path


def test_what_was_compiled_is_named_with_its_version_and_its_licence(tree: Path) -> None:
    compiled = {f"{LLAMA_CPP}vendor/stb/stb_image.h", f"{LLAMA_CPP}src/llama.cpp"}
    (part,) = vendored_parts(tree, compiled)
    assert (part.name, part.version, part.use) == ("stb_image", "2.30", "inside")
    text = part.texts["LICENSE.txt"]
    assert text.startswith("This software is available") and text.endswith("MIT License\n")


def test_what_was_not_compiled_is_no_part(tree: Path) -> None:
    assert list(vendored_parts(tree, {f"{LLAMA_CPP}src/llama.cpp"})) == []


def test_foreign_code_that_nobody_knows_is_refused_by_name(tree: Path) -> None:
    with pytest.raises(LlamaproofError, match="its licence is not known") as caught:
        list(vendored_parts(tree, {f"{LLAMA_CPP}vendor/new/new.h"}))
    assert caught.value.where == f"{LLAMA_CPP}vendor/new/new.h"


def test_a_licence_that_is_not_where_it_was_is_refused(tree: Path) -> None:
    (tree / LLAMA_CPP / "vendor" / "stb" / "stb_image.h").write_text("stb_image - v3.0\n")
    with pytest.raises(LlamaproofError, match="does not stand where it did"):
        list(vendored_parts(tree, {f"{LLAMA_CPP}vendor/stb/stb_image.h"}))


def test_a_passage_ends_with_the_line_that_is_named(tmp_path: Path) -> None:
    (tmp_path / LLAMA_CPP).mkdir(parents=True)
    (tmp_path / LLAMA_CPP / "a.c").write_text("code\n// one\n// two\n// three\n")
    assert Passage(file="a.c", start="one", end="two").text(tmp_path) == "// one\n// two\n"

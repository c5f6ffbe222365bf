"""The pages show what commands make of this checkout, and a stale part is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools import cli
from build_tools.docs import made, printed
from build_tools.docs.pages import pages_of, parts_of, renew, stale_parts
from llamaproof.errors import BadInput, LlamaproofError

CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with one part, in a folder that stands for a checkout."""
    written = tmp_path / "README.md"
    written.write_text("Before.\n\n<!-- made: sum -->\n3\n<!-- end -->\n\nAfter.\n")
    return written


def test_no_made_part_of_this_checkout_is_stale() -> None:
    assert stale_parts(CHECKOUT, made.makers(CHECKOUT)) == ()


def test_every_printed_part_says_command_day_and_wheel() -> None:
    parts = [x for page in pages_of(CHECKOUT) for x in parts_of(page) if x.kind == "printed"]
    assert parts
    for part in parts:
        assert part.name in printed.PRINTED, part.where
        assert printed.FORM.fullmatch(part.text), part.where


def test_a_stale_part_is_named_with_its_place(page: Path) -> None:
    assert stale_parts(page.parent, {"sum": lambda: "3\n"}) == ()
    assert stale_parts(page.parent, {"sum": lambda: "4\n"}) == (f"{page}:3: sum is stale",)


def test_a_part_is_made_anew_and_nothing_beside_it_moves(page: Path) -> None:
    assert renew(page, "made", {"sum": lambda: "4\n4\n"})
    assert page.read_text() == "Before.\n\n<!-- made: sum -->\n4\n4\n<!-- end -->\n\nAfter.\n"
    assert not renew(page, "made", {"sum": lambda: "4\n4\n"})


def test_a_name_that_nobody_makes_is_refused(page: Path) -> None:
    with pytest.raises(BadInput, match="nobody makes this part"):
        stale_parts(page.parent, {"product": lambda: "2\n"})


@pytest.mark.parametrize(
    "text",
    [
        "<!-- made: sum -->\n3\n",
        "3\n<!-- end -->\n",
        "<!-- made: sum -->\n<!-- made: sum -->\n<!-- end -->\n",
    ],
)
def test_a_mark_without_its_partner_is_refused(page: Path, text: str) -> None:
    page.write_text(text)
    with pytest.raises(BadInput, match="has no partner"):
        parts_of(page)


def test_a_printed_part_is_left_alone_where_there_are_no_wheels(page: Path) -> None:
    text = "<!-- printed: abi of stock -->\nthe record of a run\n<!-- end -->\n"
    page.write_text(text)
    assert not renew(page, "made", {})
    assert page.read_text() == text


def test_output_of_wheels_that_are_not_built_cannot_be_printed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 wheels where one is needed"):
        printed.makers(tmp_path)["abi of stock"]()


def test_the_words_of_a_command_that_failed_are_not_its_output(tmp_path: Path) -> None:
    (tmp_path / "broken-1.0.whl").write_text("no archive")
    broken = printed.Printed(words=("abi", "WHEEL"), wheels={"WHEEL": "*.whl"})
    with pytest.raises(LlamaproofError, match="ended with exit code 2"):
        printed.print_anew(tmp_path, broken)


def test_the_layers_are_those_that_the_test_command_keeps(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.importlinter.contracts]]\ncontainers = ["llamaproof"]\nlayers = ["a | b", "c"]\n'
    )
    assert made.layers(tmp_path) == "```\na  b\nc\n```\n"


def test_the_command_says_what_is_stale_and_then_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Justfile").write_text("# Do it\ndo:\n    true\n")
    (tmp_path / "README.md").write_text("<!-- made: recipes -->\n<!-- end -->\n")
    assert cli.main(["docs", "--check"], checkout=tmp_path) == 1
    assert "recipes is stale; run `./just docs`" in capsys.readouterr().out
    assert cli.main(["docs"], checkout=tmp_path) == 0
    assert "| `./just do` | Do it |" in (tmp_path / "README.md").read_text()
    assert cli.main(["docs", "--check"], checkout=tmp_path) == 0


def test_help_is_made_at_one_width_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert made.help_text("abi") == made.help_text("abi")
    assert max(map(len, made.help_text("abi").splitlines())) > 80

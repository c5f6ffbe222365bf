"""What a wheel must show is read from one file; what is not understood whole is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.dispatch import requirement
from llamaproof.errors import NOT_CHECKED, BadInput
from llamaproof.prove.demands_file import load_demands
from tests.support.needs import CHECKOUT

TEXT = """\
schema = "llamaproof.demands"
version = 1

[profile.default]
reason = "Every wheel."

[[profile.default.require]]
cells = "128@4:f16"
reason = "Llama 3."

[profile.default.work]
card = "L40S"
reason = "The kept counts are of it."

[profile.old]
reason = "A wheel for old cards."

[profile.old.cards]
names = ["T4", "RTX 3090"]
reason = "They are still sold."

[profile.old.numbers]
names = ["T4"]
reason = "The oldest."

[profile.old.against]
target = "stock"
reason = "Nothing may be lost."

[[profile.old.without]]
proof = "work"
reason = "There are no counts of a T4."
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(TEXT)
    return path


def refused(path: Path, old: str, new: str) -> str:
    """What is said of the file with one thing changed."""
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        load_demands(str(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_profile_has_what_it_says_and_the_rest_from_the_default(file: Path) -> None:
    demands = load_demands(f"{file}:old")
    assert (demands.profile, demands.reason) == ("old", "A wheel for old cards.")
    assert [r.text for r in demands.requirements] == ["128@4:f16"]
    assert demands.cards is not None and demands.numbers is not None
    assert [gpu.name for gpu in demands.cards.value] == ["T4", "RTX 3090"]
    assert [gpu.name for gpu in demands.numbers.value] == ["T4"]
    assert demands.numbers.reason == "The oldest."
    assert demands.work.value.name == "L40S"
    assert demands.against is not None and demands.against.value == "stock"
    left_out = demands.left_out("work")
    assert left_out is not None and left_out.reason == "There are no counts of a T4."
    assert demands.left_out("numbers") is None


def test_a_file_alone_means_its_default(file: Path) -> None:
    demands = load_demands(str(file))
    assert (demands.profile, demands.cards, demands.without) == ("default", None, ())


def test_options_take_the_place_of_entries_and_that_is_kept(file: Path) -> None:
    demands = load_demands(f"{file}:old").with_options(require=["64@8:f16"], cards=["H200"])
    assert [r.text for r in demands.requirements] == ["64@8:f16"]
    kept = demands.json()
    assert kept["overridden"] == ["require", "cards"]
    assert kept["cards"] == {
        "names": ["H200"],
        "reason": "asked for on the command line (--cards)",
    }
    assert kept["numbers"] == {"names": ["T4"], "reason": "The oldest."}
    assert kept["without"] == [{"proof": "work", "reason": "There are no counts of a T4."}]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('reason = "Every wheel."\n', "", "profile.default has no reason"),
        ('reason = "Llama 3."', "", "profile.default, require 1 has no reason"),
        ('reason = "Llama 3."', 'reason = " "', "require 1 has reason = ' ': it must be a text"),
        ('reason = "A wheel for old cards."\n', "", "profile.old has no reason"),
        ("They are still sold.", "", "profile.old, cards has reason = ''"),
        ('cells = "128@4:f16"', 'cells = "128@4"', "no requirement: '128@4'"),
        ('cells = "128@4:f16"', 'cell = "128@4:f16"', "require 1 has no cells"),
        ('card = "L40S"', 'card = "Voodoo 2"', "work has card = 'Voodoo 2'"),
        ('card = "L40S"', "card = 89", "work has card = 89: it must be a text"),
        ('"RTX 3090"', '"RTX 309"', "cards has names = ['T4', 'RTX 309']"),
        ('names = ["T4", "RTX 3090"]', "names = []", "cards has names = []: it must be a list"),
        ('names = ["T4"]', "names = [75]", "numbers has names = 75: it must be a list of texts"),
        ('proof = "work"', 'proof = "abi"', "'abi' is no proof that may be left out"),
        ('proof = "work"', 'proof = "numbers"', "profile.old contradicts itself: cards"),
        ("[profile.old.against]", "[profile.old.versus]", "an entry that is not known: versus"),
        ('target = "stock"', 'target = "stock"\nlimit = 2', "against has an entry that is not"),
        ("[[profile.old.without]]", "[profile.old.without]", "it must be a list of tables"),
        ("[profile.default.work]", "[profile.old.work]", "profile.default has no work"),
        ("version = 1", "version = 1\nlimit = 2", "the file has an entry that is not known: limit"),
        ("version = 1", "version = 2", "document is of version 2"),
        ("llamaproof.demands", "llamaproof.gate", "this is no llamaproof.demands document"),
        ("[profile.default]", "[profile.default", "the demands cannot be read"),
        (TEXT[TEXT.index("[profile.default]") : TEXT.index("[profile.old]")], "", "no profile"),
    ],
)
def test_planted_what_is_not_understood_is_refused_in_words(
    file: Path, old: str, new: str, says: str
) -> None:
    assert says in refused(file, old, new)


def test_demands_that_are_not_there_are_refused_with_those_that_are(
    file: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="no demands for 'new'") as caught:
        load_demands(f"{file}:new")
    assert "default, old" in str(caught.value)
    with pytest.raises(BadInput, match="cannot be read"):
        load_demands(str(tmp_path / "none.toml"))


def test_a_comparison_that_is_demanded_must_be_given(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["prove", "--demands", f"{file}:old", "some.whl"]) == NOT_CHECKED
    assert "to be compared with stock" in capsys.readouterr().err


def test_llamaproofs_own_demands_are_sound() -> None:
    every_ratio = requirement.parse("576/512@2-128:f16")
    for profile in ("default", "sm89 wheel", "ptx wheel"):
        assert set(every_ratio.cells) <= {
            cell for wanted in load_demands(profile).requirements for cell in wanted.cells
        }
    assert load_demands("sm89 wheel").against is not None


def test_what_builds_the_releases_names_demands_and_repeats_none() -> None:
    recipes = [(CHECKOUT / name).read_text(encoding="utf-8") for name in ("Justfile", ".ci/run")]
    proofs = [line for text in recipes for line in text.splitlines() if " prove " in line]
    assert len(proofs) == 3
    for line in proofs:
        for option in ("--require", "--cards", "--numbers", "--without"):
            assert option not in line

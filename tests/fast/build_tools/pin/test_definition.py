"""Claims: a pin says all that it must, and nothing is taken for a pin that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools.pin.definition import load_pin, pin_names
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import PIN

CHECKOUT = Path(__file__).resolve().parents[4]


def test_the_three_releases_are_pinned_by_what_their_archives_are() -> None:
    found = {
        name: (pin.sdist_sha256, pin.sdist_size, pin.llama_cpp_commit)
        for name in pin_names(CHECKOUT)
        for pin in [load_pin(CHECKOUT, name)]
    }
    assert found["llama-cpp-python-0.3.16"] == (
        "34ed0f9bd9431af045bb63d9324ae620ad0536653740e9bb163a2e1fcb973be6",
        50_688_636,
        "4227c9be4268ac844921b90f31595f81236bd317",
    )
    assert found["llama-cpp-python-0.3.17"][0] == (
        "39c31948d234ff351bf638f1e468d893dd29282dd4d47716a39c6a0a1e63b123"
    )
    assert found["llama-cpp-python-0.3.17"][2].startswith("49bfddec")
    assert found["llama-cpp-python-0.3.36"][0] == (
        "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
    )


def test_a_pin_is_read_back_as_written(checkout: Path) -> None:
    pin = load_pin(checkout, PIN)
    assert (pin.name, pin.top_folder, pin.reason) == ("toy-1.0", "toy-1.0", "for tests")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('reason = "for tests"\n', "", "lacks reason"),
        ('reason = "for tests"', 'reason = " "', "reason"),
        ("[tree]\nsha256", "[tree]\nsha512", "lacks sha256"),
        ("[sdist]", "[sdist]\nurl = 'x'", "says url"),
        ('file = "toy', 'file = "../toy', "file is '../toy"),
        ('version = "1.0"', 'version = "1.0; rm"', "version is"),
        ("size = ", "size = -", "not a number of bytes"),
        ('distribution = "toy"', 'distribution = "other"', "calls itself other-1.0"),
        ("[tree]", "[tree", "no TOML"),
        ("0123456789abcdef", "0123456789abcdeF", "commit is"),
    ],
)
def test_a_pin_that_does_not_say_what_it_must_is_refused(
    checkout: Path, old: str, new: str, said: str
) -> None:
    path = checkout / "vendor" / f"{PIN}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(BadInput) as caught:
        load_pin(checkout, PIN)
    assert said in caught.value.what
    assert caught.value.where == str(path)


def test_an_unknown_pin_is_answered_with_the_known_ones(checkout: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load_pin(checkout, "../vendor/toy-1.0")
    assert PIN in caught.value.hint

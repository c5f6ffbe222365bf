"""Claims: a policy is read whole or refused in words, and every line of it has its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.release.policy import read_policy
from tests.support.release.shop import DEMANDS, POLICY, edit

OURS = Path(__file__).parents[3] / "release.toml"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "demands.toml").write_text(DEMANDS)
    path = tmp_path / "release.toml"
    path.write_text(POLICY)
    return path


def test_a_policy_is_read(policy: Path) -> None:
    found = read_policy(policy)
    assert (found.title, found.url) == ("Small wheels, proved", "https://wheels.example/")
    first, second = found.variants
    assert first.cuda_major.value == 13
    assert first.archs.value == {"sm_89", "compute_89"}
    assert second.archs.value == {"compute_75", "compute_80"}
    assert first.platforms_of(["manylinux_2_35_x86_64"]) == ("manylinux_2_*_x86_64",)
    assert first.platforms_of(["linux_x86_64"]) == ()
    assert second.demands.value.left_out("work") is not None
    assert [proof.oldest for proof in found.proofs] == [2, 1, 1, 1]


def test_our_own_policy_is_read_and_gives_its_reasons() -> None:
    found = read_policy(OURS)
    assert {variant.cuda_major.value for variant in found.variants} >= {12, 13}
    for variant in found.variants:
        reasons = [variant.reason, variant.cuda_major.reason, variant.archs.reason]
        reasons += [variant.demands.reason, *(asked.reason for asked in variant.platforms)]
        assert all(reasons)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('reason = "For tests."', "", "the file has no reason"),
        ('reason = "The card of the incident."', 'reason = " "', "a text that says something"),
        ('oldest = 2\nreason = "It looks at RECORD."', "oldest = 2", "proof 1 has no reason"),
        ("oldest = 2", "oldest = 99", "asks for version 99 of abi, and this llamaproof makes"),
        ("oldest = 2", 'oldest = "2"', "must be a whole number"),
        ('name = "work"', 'name = "speed"', "asks for a proof that there is not: speed"),
        ('name = "work"', 'name = "abi"', "two of the same proof: abi"),
        ('name = "cu130-sm89"', 'name = "cu130/../x"', "a part of an address"),
        ('name = "cu130-sm89"', 'name = "files"', "a part of an address"),
        ('name = "cu130-ptx"', 'name = "cu130-sm89"', "two of the same variant"),
        ('archs = ["75-virtual", "80-virtual"]', 'archs = ["89"]',
         "two variants for the same wheel"),
        ('archs = ["89"]', 'archs = ["eighty"]', "is no GPU architecture"),
        ('archs = ["89"]', 'archs = ["cpu"]', "CUDA without GPU code"),
        ('major = "13", reason = "Drivers from 580 on." }\ncode = { archs = ["89"]',
         'major = "new", reason = "Drivers from 580 on." }\ncode = { archs = ["89"]',
         "it must be a number in quotes"),
        ("demands.toml:sm89", "demands.toml:sm90", "there are no demands for 'sm90'"),
        ("demands.toml:sm89", "other.toml:sm89", "cannot be read"),
        ('title = "CUDA 13 for L40S"', 'title = "CUDA 13 for L40S"\ncolour = "red"',
         "an entry that is not known: colour"),
        ('url = "https://wheels.example"', 'url = "wheels.example"', "it must be an address"),
        ('schema = "llamaproof.release-policy"', 'schema = "llamaproof.demands"', "this is no"),
        ("version = 1", "version = 2", "of version 2"),
        ("[[variant]]\nname", "[[kind]]\nname", "it must be a list of tables, [[...variant]]"),
        ("[[proof]]", "[[proofs]]", "an entry that is not known: proofs"),
    ],
)  # fmt: skip
def test_what_is_not_understood_whole_is_refused(
    policy: Path, old: str, new: str, said: str
) -> None:
    edit(policy, (old, new))
    with pytest.raises(BadInput) as refused:
        read_policy(policy)
    assert said in f"{refused.value.what} {refused.value.hint}"

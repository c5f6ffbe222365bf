"""Claims: evidence as `prove` writes it is what a release reads: proved, it is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.index.model import read_publication
from llamaproof.signing.signing_key import new_key
from tests.support.prove.small_data import in_place_of_minutes
from tests.support.prove.small_wheel import SmallWheel

DEMANDS = """
schema = "llamaproof.demands"
version = 1
[profile.default]
reason = "A small wheel."
[[profile.default.require]]
cells = "576/512@20:f16#1"
reason = "The model of the incident."
[profile.default.work]
card = "L40S"
reason = "The kept counts are of it."
[profile.default.cards]
names = ["L40S"]
reason = "One is enough."
[profile.default.against]
target = "the release without patches"
reason = "Nothing is to be worse."
"""
POLICY = """
schema = "llamaproof.release-policy"
version = 1
title = "Small wheels"
reason = "For tests."
[[variant]]
name = "cu130-ptx"
title = "CUDA 13"
reason = "All there is."
cuda = { major = "13", reason = "It is the newest." }
code = { archs = ["89-virtual"], reason = "It is small." }
demands = { profile = "demands.toml", reason = "All proofs." }
[[variant.platform]]
tag = "manylinux_2_*_x86_64"
reason = "Linux."
"""
PROOFS = ("abi", "dispatch", "numbers", "work")


def test_what_was_proved_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = SmallWheel().write(tmp_path / "dist")
    stock = SmallWheel(supported="r % 16 == 0", dispatched="r % 16 == 0").write(tmp_path / "stock")
    demands, policy, key = (tmp_path / name for name in ("demands.toml", "release.toml", "key"))
    demands.write_text(DEMANDS)
    asked = "".join(f'[[proof]]\nname = "{p}"\noldest = 1\nreason = "All."\n' for p in PROOFS)
    policy.write_text(POLICY.replace("[[variant]]", f"{asked}[[variant]]"))
    new_key(key)
    release = ["release", str(tmp_path / "dist"), "--policy", str(policy), "--key", str(key)]
    release += ["--out", str(tmp_path / "index")]
    weaker = ["prove", str(wheel), "--cards", "L40S", "--require", "576/512@16:f16#1"]
    with in_place_of_minutes():
        assert cli.main([*weaker, "--without", "work", "--without", "numbers"]) == 0
        capsys.readouterr()
        assert cli.main(release) == 2
        said = capsys.readouterr().out
        for code in ("proof.left-out", "demands.require", "demands.against", "demands.numbers"):
            assert f"[{code}]" in said, code
        assert (
            cli.main(["prove", str(wheel), "--demands", str(demands), "--against", str(stock)]) == 0
        )
    assert cli.main(release) == 0
    (published,) = read_publication(tmp_path / "index" / "publication.json").wheels
    evidence = published.evidence
    assert [proof.outcome for proof in evidence.proofs] == ["holds"] * 4
    assert evidence.against == "the release without patches"
    assert evidence.required == ("576/512@20:f16#1",)
    (card,) = evidence.cards
    assert (card.card, card.numbers_proved, card.models["GLM-4.7-Flash"]) == ("L40S", True, "yes")
    page = (tmp_path / "index" / "index.html").read_text()
    assert published.name in page or published.version in page
    assert json.loads((tmp_path / "index" / "history.json").read_text())["files"]

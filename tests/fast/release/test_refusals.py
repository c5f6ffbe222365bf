"""Claims: each reason why a wheel may not be published is found by name, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from llamaproof.signing.signing_key import new_key
from tests.support.release import shop as shops
from tests.support.release.shop import SM89, Shop, state_of

Document = dict[str, Any]


@dataclass(frozen=True)
class Planted:
    """Something wrong with a release, the code it is refused by, what is said, the exit code."""

    plant: Callable[[Shop], object]
    code: str
    said: str
    exit_code: int = 1


def evidence_that(change: Callable[[Document], object]) -> Callable[[Shop], object]:
    return lambda shop: shop.edit_evidence(shop.sm89, change)


def ptx_evidence_that(change: Callable[[Document], object]) -> Callable[[Shop], object]:
    return lambda shop: shop.edit_evidence(shop.ptx, change)


def another(**spoiled: Any) -> Callable[[Shop], object]:
    return lambda shop: shop.replace("cu130-sm89", replace(SM89, **spoiled))


def no_evidence(shop: Shop) -> None:
    shops.evidence_path(shop.sm89).unlink()


def damaged_evidence(shop: Shop) -> None:
    path = shops.evidence_path(shop.sm89)
    path.write_text(path.read_text()[:-100])


def evidence_of_the_other(shop: Shop) -> None:
    shops.evidence_path(shop.sm89).write_bytes(shops.evidence_path(shop.ptx).read_bytes())


def renamed(shop: Shop) -> None:
    """A wheel renamed to another version, and its evidence with it."""
    new = shop.sm89.with_name(shop.sm89.name.replace("1.0+", "2.0+"))
    shop.sm89.rename(new)
    shop.wheels["cu130-sm89"] = new
    shops.write_evidence(new, "cu130-sm89")


def cut_off(shop: Shop) -> None:
    shop.sm89.write_bytes(shop.sm89.read_bytes()[:-30])


def set_outcome(proof: str, outcome: str) -> Callable[[Document], object]:
    return lambda document: document[proof].update(outcome=outcome)


def without_card(document: Document) -> None:
    gpus = document["dispatch"]["proof"]["gpus"]
    document["dispatch"]["proof"]["gpus"] = [gpu for gpu in gpus if gpu["name"] != "RTX 4090"]


def easier_cells(document: Document) -> None:
    document["dispatch"]["proof"]["requirements"][0]["requirement"] = "576/512@16:f16#1"


def executed_elsewhere(document: Document) -> None:
    """The numbers of another wheel."""
    for one in document["numbers"]["proof"]["executed"]:
        one["sha256"] = "0" * 64


WHEELS: Mapping[str, Planted] = {
    "no evidence": Planted(no_evidence, "evidence.missing", "no evidence beside it", 2),
    "damaged evidence": Planted(damaged_evidence, "evidence.unreadable", "is no JSON", 2),
    "evidence of other bytes": Planted(
        evidence_of_the_other, "evidence.other-bytes", "evidence is of other bytes"
    ),
    "evidence of another name": Planted(
        evidence_that(lambda d: d["wheel"].update(name="other.whl")),
        "evidence.other-name",
        "called other.whl",
    ),
    "evidence of an older form": Planted(
        evidence_that(lambda d: d.update(version=1)), "evidence.unreadable", "of version 1", 2
    ),
    "a proof that found a defect": Planted(
        evidence_that(set_outcome("dispatch", "a defect was found")),
        "proof.defect",
        "its proof dispatch: a defect was found",
    ),
    "a proof that could not be checked": Planted(
        evidence_that(set_outcome("numbers", "could not be checked")), "proof.not-checked",
        "its proof numbers: could not be checked", 2,
    ),
    "a proof that was left out": Planted(
        evidence_that(set_outcome("work", "left out")), "proof.left-out",
        "its proof work: left out", 2,
    ),
    "a proof that had nothing to prove, of a wheel with GPU code": Planted(
        evidence_that(set_outcome("numbers", "nothing to prove")), "proof.not-made",
        "its proof numbers: nothing to prove", 2,
    ),
    "a proof that is not there": Planted(
        evidence_that(lambda d: d.pop("work")), "proof.missing", "has no proof work", 2
    ),
    "a proof that the policy does not name, with a defect": Planted(
        evidence_that(lambda d: d.update(more=shops.section("abi", {}, "a defect was found"))),
        "proof.defect",
        "its proof more: a defect was found",
    ),
    "a proof of an older version": Planted(
        evidence_that(lambda d: d["abi"].update(proof_version=1)), "proof.too-old",
        "its proof abi is of version 1, and the policy asks for 2", 2,
    ),
    "a proof from before there were versions": Planted(
        evidence_that(lambda d: d["dispatch"].pop("proof_version")), "proof.too-old",
        "of version 0", 2,
    ),
    "a card that was not examined": Planted(
        evidence_that(without_card), "demands.cards", "not examined on RTX 4090", 2
    ),
    "a card whose numbers were not executed": Planted(
        ptx_evidence_that(lambda d: d["numbers"]["proof"]["executed"].pop()), "demands.numbers",
        "not executed as A100", 2,
    ),
    "numbers that are another wheel's": Planted(
        evidence_that(executed_elsewhere), "demands.numbers", "not executed as L40S", 2
    ),
    "weaker cells": Planted(
        evidence_that(easier_cells), "demands.require",
        "2 of 2 cells of 576/512@20:f16#1 were not required", 2,
    ),
    "required cells that do not hold": Planted(
        evidence_that(lambda d: d["dispatch"]["proof"]["requirements"][0].update(holds=False)),
        "demands.require", "were not required", 2,
    ),
    "a comparison that was not made": Planted(
        evidence_that(lambda d: d["dispatch"]["proof"].pop("comparison")), "demands.against",
        "compared with nothing, and the policy asks for the release without patches", 2,
    ),
    "work that was judged for another card": Planted(
        evidence_that(lambda d: d["demands"]["work"].update(card="H200")), "demands.work",
        "for the H200, and not for the L40S", 2,
    ),
    "a renamed wheel": Planted(
        renamed, "wheel.version", "2.0+x.cu130.sm89 in the file name"
    ),
    "other tags in WHEEL": Planted(
        another(file_tag="py3-none-manylinux_2_36_x86_64"), "wheel.tags", "in WHEEL"
    ),
    "RECORD that is not true": Planted(
        another(record=[("llama_cpp/__init__.py,sha256=", "llama_cpp/__init__.py,sha256=0")]),
        "wheel.record", "llama_cpp/__init__.py has another hash",
    ),
    "a wheel cut off": Planted(cut_off, "wheel.unreadable", "not a readable wheel"),
    "a requirement for another CUDA": Planted(
        another(requires=("nvidia-cuda-runtime>=12.8,<13", "nvidia-cublas>=13,<14")),
        "wheel.requires", "needs libcudart.so.13, and METADATA requires nvidia-cuda-runtime<13",
    ),
    "a requirement that is not there": Planted(
        another(requires=("nvidia-cuda-runtime>=13.0.2,<14",)), "wheel.requires",
        "needs libcublas.so.13, and METADATA requires no package that brings it",
    ),
    "a library that nobody brings": Planted(
        another(versions={"libfancy.so.1": "FANCY_1"}), "wheel.needs",
        "libllama.so needs libfancy.so.1",
    ),
    "two versions of CUDA": Planted(
        another(cudart="libcudart.so.12"), "wheel.cuda", "CUDA 12 and CUDA 13"
    ),
    "a wheel of no variant": Planted(
        another(archs=("sm_90",)), "wheel.no-variant", "it has CUDA 13, sm_90, for manylinux_2_35"
    ),
    "a platform that no variant has": Planted(
        another(tag="py3-none-linux_x86_64"), "wheel.no-variant",
        "no variant of that kind; of that CUDA and code it has manylinux_2_*_x86_64",
    ),
    "a missing variant": Planted(
        lambda shop: shop.ptx.unlink(), "variant.missing",
        "there is no wheel of llama-cpp-python 1.0 for manylinux_2_*_x86_64",
    ),
    "a missing platform": Planted(
        lambda shop: shop.edit_policy(
            ("Linux of the last years.\"\n[[variant]]",
             "Linux of the last years.\"\n[[variant.platform]]\ntag = \"manylinux_2_*_aarch64\"\n"
             "reason = \"Arm.\"\n[[variant]]")
        ),
        "variant.missing", "for manylinux_2_*_aarch64, which the policy promises",
    ),
}  # fmt: skip


@pytest.mark.parametrize("planted", WHEELS.values(), ids=WHEELS)
def test_a_wheel_is_refused_by_name(
    shop: Shop, planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    planted.plant(shop)
    before = state_of(shop.folder)
    assert shop.release("--dry-run") == planted.exit_code
    said = capsys.readouterr().out
    assert f"[{planted.code}]" in said
    assert planted.said in said
    assert state_of(shop.folder) == before
    assert shop.release() == planted.exit_code
    assert f"[{planted.code}]" in capsys.readouterr().out
    assert not shop.index.exists()


def test_a_library_that_the_policy_names_may_be_needed(shop: Shop) -> None:
    shop.replace("cu130-sm89", replace(SM89, versions={"libfancy.so.1": "FANCY_1"}))
    named = '[[system]]\nlibrary = "libfancy.so.1"\nreason = "It comes with the driver."\n[[proof]]'
    shop.edit_policy(('[[proof]]\nname = "abi"', f'{named}\nname = "abi"'))
    assert shop.release() == 0


def test_two_wheels_of_one_name_that_differ_are_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shop.folder / "elsewhere" / shop.sm89.name
    other.parent.mkdir()
    other.write_bytes(shop.sm89.read_bytes() + b"\0")
    assert shop.release(also=other) == 1
    assert "and differ" in capsys.readouterr().err
    other.write_bytes(shop.sm89.read_bytes())
    assert shop.release(also=other) == 0


@pytest.mark.parametrize("given", ["nothing.whl", "empty", "a.txt"])
def test_what_is_no_wheel_is_refused(
    shop: Shop, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop.folder / "empty").mkdir()
    (shop.folder / "a.txt").write_text("")
    assert shop.release(also=shop.folder / given) == 2
    assert "wheel" in capsys.readouterr().err


def test_a_release_without_a_key_says_how_to_give_one(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.release(key=False) == 2
    assert "--key FILE" in capsys.readouterr().err
    assert shop.release("--keys", f"{shop.key}.pub", key=False) == 2
    assert "[signature.no-key]" in capsys.readouterr().out
    assert not shop.index.exists()


def test_a_foreign_key_is_refused(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = shop.folder / "keys" / "stranger"
    new_key(stranger)
    keys = ("--keys", f"{shop.key}.pub", "--key", str(stranger))
    assert shop.release(*keys, key=False) != 0
    assert shop.sm89.name in capsys.readouterr().out
    assert not shop.index.exists()


def test_a_folder_that_holds_something_else_is_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.index.mkdir()
    (shop.index / "thesis.txt").write_text("years of work\n")
    assert shop.release() == 2
    assert "not empty, and no index" in capsys.readouterr().err
    assert (shop.index / "thesis.txt").read_text() == "years of work\n"


def test_a_missing_policy_is_told(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    Path(shop.policy).unlink()
    assert shop.release() == 2
    assert "the release policy cannot be read" in capsys.readouterr().err

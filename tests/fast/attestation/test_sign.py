"""Signing writes every sidecar or none, says what the wheel says, and signs no foreign evidence."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llamaproof import kept_evidence
from llamaproof.attestation import sidecars, sign_wheel
from llamaproof.attestation.sidecars import PROVENANCE_SUFFIX, TESTS_SUFFIX
from llamaproof.errors import BadInput, DefectFound, LlamaproofError
from llamaproof.files import sha256_of, write_whole
from llamaproof.kept_evidence import DATA_SUFFIX, PAGE_SUFFIX
from llamaproof.reports.outcome import Outcome
from llamaproof.signing import times
from llamaproof.signing.signing_key import new_key
from tests.support.attestation.signed_wheel import MEMBER, WHEEL, Published, publish, write_evidence
from tests.support.wheel_facts import FACTS, MAKING


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "files")


def payload_of(envelope: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return members


def provenance_of(published: Published) -> dict[str, Any]:
    return payload_of(json.loads(published.beside(PROVENANCE_SUFFIX).read_text()))


def everything(published: Published) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in published.wheel.parent.iterdir()}


def test_a_statement_is_bound_to_the_wheel_by_name_and_hash(published: Published) -> None:
    statement = provenance_of(published)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    (subject,) = statement["subject"]
    digest = {"sha256": sha256_of(published.wheel)}
    assert subject == {"name": published.wheel.name, "digest": digest}


def test_provenance_names_everything_that_went_in_by_hash(published: Published) -> None:
    definition = provenance_of(published)["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {
        "pin": FACTS.pin,
        "series": ["0001-a.patch", "0002-b.patch"],
        "cuda": "13.0",
        "arch": ["89"],
    }
    found = {one["name"]: one["digest"] for one in definition["resolvedDependencies"]}
    assert found == {
        MAKING.sdist.file: {"sha256": MAKING.sdist.sha256},
        "llama.cpp": {"gitCommit": FACTS.llama_cpp_commit},
        **{patch.name: {"sha256": patch.sha256} for patch in FACTS.patches},
        "patched source": {"gitTree": FACTS.tree},
        **{name: {"sha256": sha256} for name, sha256 in MAKING.locks.items()},
        **{package.name: {"sha256": package.sha256} for package in MAKING.toolkit},
    }
    said_by = definition["internalParameters"]["said_by"]
    assert said_by["name"] == MEMBER


def test_of_a_wheel_of_anothers_making_it_says_that_nothing_is_known(tmp_path: Path) -> None:
    published = publish(tmp_path / "files", replace(WHEEL, files={}))
    definition = provenance_of(published)["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == []
    assert "nothing" in definition["internalParameters"]["known"]


def test_what_is_known_by_name_alone_is_no_dependency(tmp_path: Path) -> None:
    """A wheel from before the contents told hashes."""
    old = '{"schema": "llamaproof.wheel", "version": 2, "package_version": "1", "series": ["a"]}'
    published = publish(tmp_path / "files", replace(WHEEL, files={MEMBER: old.encode()}))
    definition = provenance_of(published)["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["series"] == ["a"]
    assert definition["resolvedDependencies"] == []
    assert "not the hashes" in definition["internalParameters"]["known"]


def test_a_wheel_whose_own_words_are_damaged_is_not_signed(tmp_path: Path) -> None:
    wheel = replace(WHEEL, files={MEMBER: b"{}"}).write(tmp_path / "files")
    with pytest.raises(BadInput):
        sign_wheel(wheel, None, new_key(tmp_path / "key"), sigstore=False)
    assert list(wheel.parent.iterdir()) == [wheel]


def test_each_proof_that_was_made_has_a_result_bound_to_the_evidence(published: Published) -> None:
    document = json.loads(published.beside(TESTS_SUFFIX).read_text())
    statements = [payload_of(envelope) for envelope in document["envelopes"]]
    kinds = {statement["predicateType"] for statement in statements}
    assert kinds == {"https://in-toto.io/attestation/test-result/v0.1"}
    predicates = [statement["predicate"] for statement in statements]
    assert [(one["result"], one["passedTests"]) for one in predicates] == [
        ("PASSED", ["abi"]),
        ("PASSED", ["dispatch"]),
    ]
    files = [published.beside(suffix) for suffix in (DATA_SUFFIX, PAGE_SUFFIX)]
    expected = [{"name": path.name, "digest": {"sha256": sha256_of(path)}} for path in files]
    assert all(one["configuration"] == expected for one in predicates)


def test_evidence_of_another_wheel_is_not_signed(tmp_path: Path) -> None:
    one = WHEEL.write(tmp_path / "one")
    two = replace(WHEEL, version="2.0").write(tmp_path / "two")
    evidence = write_evidence(two, {"abi": Outcome.HOLDS})
    with pytest.raises(DefectFound, match="and not of this wheel"):
        sign_wheel(one, evidence, new_key(tmp_path / "key"), sigstore=False)
    assert list(one.parent.iterdir()) == [one]


def test_a_full_disk_in_the_middle_leaves_all_as_it_was(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(published)
    write = write_whole
    written: list[Path] = []

    def full(path: Path, data: bytes) -> None:
        if len(written) == 1:
            monkeypatch.undo()
            raise LlamaproofError("no space left", where=path)
        written.append(path)
        write(path, data)

    monkeypatch.setattr(sidecars, "write_whole", full)
    other = new_key(tmp_path / "other")
    with pytest.raises(LlamaproofError, match="no space left"):
        published.signed_again(other)
    assert written and everything(published) == before
    assert published.signed_again(other).paths


def test_without_evidence_nothing_is_said_of_proofs(tmp_path: Path) -> None:
    wheel = WHEEL.write(tmp_path / "files")
    paths = sign_wheel(wheel, None, new_key(tmp_path / "key"), sigstore=False)
    assert not any(path.name.endswith(TESTS_SUFFIX) for path in paths)
    assert set(wheel.parent.iterdir()) == {wheel, *paths}


def test_the_same_at_the_same_time_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    """Ed25519 has no chance in it: a second run of a release that changes nothing can see that."""
    wheel = WHEEL.write(tmp_path / "files")
    write_evidence(wheel)
    key = new_key(tmp_path / "key")
    moment = times.parse("2026-11-30T12:00:00Z")

    def signed() -> dict[str, bytes]:
        evidence = kept_evidence.beside(wheel)
        paths = sign_wheel(wheel, evidence, key, signed_on=moment, sigstore=False)
        return {path.name: path.read_bytes() for path in paths}

    assert signed() == signed()

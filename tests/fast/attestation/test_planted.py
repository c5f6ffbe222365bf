"""Whatever somebody does to a published wheel, or to what lies beside it, is found by name."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llamaproof.attestation import WheelCheck, check_wheel
from llamaproof.attestation.sidecars import (
    LARGEST_SIGNED_BYTES,
    METADATA_SUFFIX,
    PROVENANCE_SUFFIX,
    SIGNATURE_SUFFIX,
    TESTS_SUFFIX,
)
from llamaproof.attestation.statement import PAYLOAD_TYPE
from llamaproof.kept_evidence import DATA_SUFFIX, PAGE_SUFFIX
from llamaproof.reports.outcome import Outcome
from llamaproof.signing import ssh_signature, times
from llamaproof.signing.envelope import sign
from llamaproof.signing.key_statements import write_statement
from llamaproof.signing.signing_key import new_key
from llamaproof.signing.trusted_keys import TrustedKeys, trusting
from tests.support.attestation.signed_wheel import (
    MEMBER,
    WHEEL,
    Published,
    changed,
    publish,
    write_evidence,
)
from tests.support.wheel_facts import FACTS

needs_ssh_keygen = pytest.mark.skipif(bool(ssh_signature.lacking()), reason=ssh_signature.lacking())


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "files")


def found(published: Published, trusted: TrustedKeys | None = None) -> WheelCheck:
    return check_wheel(published.wheel, published.trusted if trusted is None else trusted)


def codes(check: WheelCheck, outcome: Outcome) -> set[str]:
    return {finding.code for finding in check.findings if finding.outcome is outcome}


def payload_of(envelope: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return members


def resigned(published: Published, change: Callable[[dict[str, Any]], object]) -> None:
    """Sign a changed provenance with the right key: a fault of the publisher's own."""
    path = published.beside(PROVENANCE_SUFFIX)
    payload = payload_of(json.loads(path.read_text()))
    change(payload)
    envelope = sign(json.dumps(payload).encode(), PAYLOAD_TYPE, published.key)
    path.write_text(json.dumps(envelope))


def test_what_nobody_touched_holds(published: Published) -> None:
    check = found(published)
    assert check.outcome is Outcome.HOLDS, check.findings
    assert check.evidence is not None and check.evidence.wheel == published.wheel.name
    expected = {"file.agrees", "provenance.signed", "provenance.holds"}
    assert expected | {"tests.signed", "evidence.holds"} <= codes(check, Outcome.HOLDS)


def test_a_wheel_that_says_nothing_of_its_making_holds_and_that_is_noted(tmp_path: Path) -> None:
    others = replace(WHEEL, files={"llama_cpp/__init__.py": b""})
    check = found(publish(tmp_path / "files", others))
    assert check.outcome is Outcome.HOLDS
    assert "provenance.unknown-build" in codes(check, Outcome.NOTED)


def test_without_a_key_it_is_whole_and_who_signed_it_is_not_known(published: Published) -> None:
    check = found(published, TrustedKeys())
    assert check.outcome is Outcome.NOT_CHECKED
    assert {"provenance.no-key", "tests.no-key"} == codes(check, Outcome.NOT_CHECKED)
    assert published.key.public.key_id in str([f.words for f in check.findings])


# The wheel itself.


def test_another_hash_than_the_index_promised(published: Published) -> None:
    check = check_wheel(published.wheel, published.trusted, expected_sha256="0" * 64)
    assert codes(check, Outcome.DEFECT) == {"file.wrong-hash"}


@pytest.mark.parametrize("at", [0.2, 0.9])
def test_a_changed_byte(published: Published, at: float) -> None:
    data = bytearray(published.wheel.read_bytes())
    data[int(len(data) * at)] ^= 1
    published.wheel.write_bytes(data)
    check = found(published)
    assert check.outcome is Outcome.DEFECT
    assert {f.code for f in check.findings} & {"provenance.other-bytes", "file.damaged"}


def test_a_cut_off_wheel(published: Published) -> None:
    data = published.wheel.read_bytes()
    published.wheel.write_bytes(data[: len(data) // 2])
    assert codes(found(published), Outcome.DEFECT) == {"file.damaged"}


def test_altered_metadata_with_a_record_that_agrees(published: Published) -> None:
    replace(WHEEL, metadata="Summary: other\n").write(published.wheel.parent)
    check = found(published)
    assert {"provenance.other-bytes", "tests.other-bytes", "evidence.other-bytes"} <= codes(
        check, Outcome.DEFECT
    )
    assert "metadata.altered" in codes(check, Outcome.DEFECT)


def test_a_renamed_wheel_with_all_its_sidecars(published: Published) -> None:
    old, new = published.wheel.name, published.wheel.name.replace("1.0+", "9.9+")
    for path in list(published.wheel.parent.iterdir()):
        path.rename(path.with_name(path.name.replace(old, new)))
    check = check_wheel(published.wheel.with_name(new), published.trusted)
    assert {"wheel.version", "provenance.other-name", "tests.other-name"} <= codes(
        check, Outcome.DEFECT
    )
    assert "evidence.other-name" in codes(check, Outcome.DEFECT)


def test_a_link_in_place_of_a_wheel(published: Published) -> None:
    moved = published.wheel.rename(published.wheel.with_name("moved"))
    published.wheel.symlink_to(moved)
    check = found(published)
    assert codes(check, Outcome.NOT_CHECKED) == {"file.unreadable"}
    assert "symbolic link" in check.findings[0].words


def test_a_pipe_in_place_of_a_sidecar_does_not_hang(published: Published) -> None:
    path = published.beside(PROVENANCE_SUFFIX)
    path.unlink()
    os.mkfifo(path)
    assert "provenance.unreadable" in codes(found(published), Outcome.NOT_CHECKED)


@pytest.mark.parametrize(
    "suffix, code",
    [
        (PROVENANCE_SUFFIX, "provenance.unreadable"),
        (TESTS_SUFFIX, "tests.unreadable"),
        (DATA_SUFFIX, "evidence.unreadable"),
        (METADATA_SUFFIX, "metadata.unreadable"),
        (SIGNATURE_SUFFIX, "ssh-signature.unreadable"),
    ],
)
def test_a_link_in_place_of_a_sidecar(published: Published, suffix: str, code: str) -> None:
    path = published.beside(suffix)
    if not path.exists():
        path.write_bytes(b"")
    path.symlink_to(path.rename(path.with_name("moved")))
    check = found(published)
    assert check.outcome is Outcome.NOT_CHECKED
    assert code in codes(check, Outcome.NOT_CHECKED)


# Sidecars of another wheel, or of another build.


def test_sidecars_of_an_older_build_of_the_same_name(tmp_path: Path) -> None:
    old = publish(tmp_path / "old")
    new = publish(tmp_path / "new", replace(WHEEL, metadata="Summary: newer\n"), key=old.key)
    for path in old.wheel.parent.iterdir():
        if path != old.wheel:
            shutil.copy(path, new.wheel.parent)
    check = found(new)
    assert {"provenance.other-bytes", "tests.other-bytes", "evidence.other-bytes"} <= codes(
        check, Outcome.DEFECT
    )
    assert "older or newer build" in str([f.words for f in check.findings])


def test_evidence_of_an_older_build_alone(published: Published) -> None:
    path = published.beside(DATA_SUFFIX)
    changed(path, lambda members: members["wheel"].update(sha256="0" * 64))
    found_codes = codes(found(published), Outcome.DEFECT)
    assert found_codes == {"evidence.other-bytes", "evidence.altered"}


def test_evidence_and_sidecars_of_another_wheel(tmp_path: Path) -> None:
    one = publish(tmp_path / "one")
    two = publish(tmp_path / "two", replace(WHEEL, version="2.0+cu130"), key=one.key)
    for suffix in (PROVENANCE_SUFFIX, TESTS_SUFFIX, DATA_SUFFIX):
        shutil.copy(two.beside(suffix), one.beside(suffix))
    assert {"provenance.other-wheel", "tests.other-wheel", "evidence.other-wheel"} <= codes(
        found(one), Outcome.DEFECT
    )


def test_evidence_that_was_made_to_look_better(tmp_path: Path) -> None:
    bad = publish(tmp_path / "files", proofs={"abi": Outcome.HOLDS, "dispatch": Outcome.DEFECT})
    assert "evidence.defect" in codes(found(bad), Outcome.DEFECT)
    write_evidence(bad.wheel, {"abi": Outcome.HOLDS, "dispatch": Outcome.HOLDS})
    assert {"evidence.altered", "tests.contradicts"} <= codes(found(bad), Outcome.DEFECT)


def test_a_page_that_says_another_thing(published: Published) -> None:
    published.beside(PAGE_SUFFIX).write_text("all is well")
    check = found(published)
    assert codes(check, Outcome.DEFECT) == {"evidence.altered"}


def test_a_result_that_was_taken_out(published: Published) -> None:
    changed(published.beside(TESTS_SUFFIX), lambda members: members["envelopes"].pop())
    assert codes(found(published), Outcome.DEFECT) == {"tests.missing-proof"}


def test_a_result_that_stands_twice(published: Published) -> None:
    path = published.beside(TESTS_SUFFIX)
    changed(path, lambda members: members["envelopes"].append(members["envelopes"][0]))
    assert "tests.twice" in codes(found(published), Outcome.DEFECT)


def test_a_proof_that_could_not_be_made_is_signed_as_one_that_did_not_pass(tmp_path: Path) -> None:
    proofs = {"abi": Outcome.HOLDS, "dispatch": Outcome.NOT_CHECKED}
    signed = publish(tmp_path / "files", proofs=proofs)
    envelopes = json.loads(signed.beside(TESTS_SUFFIX).read_text())["envelopes"]
    results = [payload_of(envelope)["predicate"]["result"] for envelope in envelopes]
    assert results == ["PASSED", "FAILED"]
    assert found(signed).outcome is Outcome.NOT_CHECKED


# Keys.


def test_a_foreign_key(published: Published, tmp_path: Path) -> None:
    stranger = new_key(tmp_path / "stranger")
    check = found(published.signed_again(stranger))
    assert {"provenance.foreign-key", "tests.foreign-key"} <= codes(check, Outcome.DEFECT)
    assert stranger.public.key_id in str([f.words for f in check.findings])


def test_a_foreign_key_under_the_name_of_the_right_one(
    published: Published, tmp_path: Path
) -> None:
    right = published.key.public.key_id
    published.signed_again(new_key(tmp_path / "stranger"))

    def rename(members: Any) -> None:
        members["signatures"][0]["keyid"] = right

    changed(published.beside(PROVENANCE_SUFFIX), rename)
    assert "provenance.bad-signature" in codes(found(published), Outcome.DEFECT)


def test_a_revoked_key_counts_for_nothing_though_the_signature_is_older(
    published: Published,
) -> None:
    statement = write_statement(
        "revokes", published.key.public, at=times.now(), reason="stolen", by=published.key
    )
    trusted = published.trusted.with_statement(statement, where="here")
    check = found(published, trusted)
    assert {"provenance.revoked-key", "tests.revoked-key"} <= codes(check, Outcome.DEFECT)
    assert "stolen" in str([f.words for f in check.findings])


def test_a_key_whose_place_was_taken_counts_for_what_it_signed_before(
    published: Published, tmp_path: Path
) -> None:
    new = new_key(tmp_path / "new")
    statement = write_statement(
        "takes the place", new.public, at=times.now(), reason="rotated", by=published.key
    )
    trusted = published.trusted.with_statement(statement, where="here")
    assert found(published, trusted).outcome is Outcome.HOLDS

    def later(payload: dict[str, Any]) -> None:
        payload["predicate"]["runDetails"]["metadata"]["llamaproof_signedOn"] = (
            "2999-01-01T00:00:00Z"
        )

    resigned(published, later)
    assert "provenance.key-out-of-time" in codes(found(published, trusted), Outcome.DEFECT)


def test_a_second_signature_of_a_stranger_is_not_counted_and_is_named(
    published: Published, tmp_path: Path
) -> None:
    stranger = new_key(tmp_path / "stranger")
    path = published.beside(PROVENANCE_SUFFIX)
    payload = base64.b64decode(json.loads(path.read_text())["payload"])
    further = sign(payload, PAYLOAD_TYPE, stranger)["signatures"][0]
    changed(path, lambda members: members["signatures"].append(further))
    check = found(published)
    assert check.outcome is Outcome.HOLDS
    assert "provenance.further-key" in codes(check, Outcome.NOTED)
    assert found(published, trusting([new_key(tmp_path / "third").public])).outcome is (
        Outcome.DEFECT
    )


# Envelopes and statements.


def test_an_envelope_without_a_signature(published: Published) -> None:
    changed(published.beside(PROVENANCE_SUFFIX), lambda members: members["signatures"].clear())
    check = found(published)
    assert "provenance.damaged" in codes(check, Outcome.DEFECT)


def test_two_signatures_under_one_name(published: Published) -> None:
    path = published.beside(PROVENANCE_SUFFIX)
    changed(path, lambda members: members["signatures"].append(dict(members["signatures"][0])))
    assert "provenance.damaged" in codes(found(published), Outcome.DEFECT)


def test_a_payload_that_was_changed_after_it_was_signed(published: Published) -> None:
    def change(members: Any) -> None:
        payload = base64.b64decode(members["payload"]).replace(b'"cuda": "13.0"', b'"cuda": "12.4"')
        members["payload"] = base64.b64encode(payload).decode()

    changed(published.beside(PROVENANCE_SUFFIX), change)
    assert {"provenance.bad-signature", "provenance.contradicts"} <= codes(
        found(published), Outcome.DEFECT
    )


def test_an_envelope_of_a_foreign_payload_type(published: Published) -> None:
    path = published.beside(PROVENANCE_SUFFIX)
    payload = base64.b64decode(json.loads(path.read_text())["payload"])
    path.write_text(json.dumps(sign(payload, "text/plain", published.key)))
    check = found(published)
    assert "provenance.damaged" in codes(check, Outcome.DEFECT)
    assert "'text/plain'" in str([f.words for f in check.findings])


def test_a_member_that_stands_twice(published: Published) -> None:
    path = published.beside(PROVENANCE_SUFFIX)
    text = path.read_text()
    path.write_text(text.replace('"payloadType"', '"payloadType": "text/plain", "payloadType"', 1))
    assert "provenance.damaged" in codes(found(published), Outcome.DEFECT)


@pytest.mark.parametrize("suffix", [PROVENANCE_SUFFIX, TESTS_SUFFIX, DATA_SUFFIX])
def test_a_cut_off_document_never_holds(published: Published, suffix: str) -> None:
    path = published.beside(suffix)
    path.write_bytes(path.read_bytes()[:-20])
    assert found(published).outcome in (Outcome.DEFECT, Outcome.NOT_CHECKED)


def test_a_huge_sidecar_is_not_read(published: Published) -> None:
    path = published.beside(PROVENANCE_SUFFIX)
    with path.open("r+b") as stream:
        stream.truncate(LARGEST_SIGNED_BYTES + 1)
    assert "provenance.unreadable" in codes(found(published), Outcome.NOT_CHECKED)


@pytest.mark.parametrize(
    "suffix, code",
    [
        (PROVENANCE_SUFFIX, "provenance.missing"),
        (TESTS_SUFFIX, "tests.missing"),
        (DATA_SUFFIX, "evidence.missing"),
    ],
)
def test_a_missing_sidecar_is_not_taken_for_one_that_holds(
    published: Published, suffix: str, code: str
) -> None:
    published.beside(suffix).unlink()
    check = found(published)
    assert check.outcome is Outcome.NOT_CHECKED
    assert code in codes(check, Outcome.NOT_CHECKED)


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload.update(predicateType="https://slsa.dev/provenance/v2"),
        lambda payload: payload.update(_type="https://in-toto.io/Statement/v2"),
        lambda payload: payload["predicate"]["buildDefinition"].update(buildType="urn:other:v9"),
    ],
)
def test_an_unknown_version_is_not_taken_for_one_that_holds(
    published: Published, change: Callable[[dict[str, Any]], object]
) -> None:
    resigned(published, change)
    check = found(published)
    assert check.outcome is Outcome.NOT_CHECKED
    assert "provenance.unknown-version" in codes(check, Outcome.NOT_CHECKED)


def test_a_statement_about_two_things(published: Published) -> None:
    resigned(published, lambda payload: payload["subject"].append(payload["subject"][0]))
    assert "provenance.damaged" in codes(found(published), Outcome.DEFECT)


def test_provenance_that_says_another_thing_than_the_wheel(tmp_path: Path) -> None:
    published = publish(tmp_path / "files")
    other = replace(FACTS, tree="0" * 40).text().encode()
    replace(WHEEL, files={MEMBER: other}).write(published.wheel.parent)
    assert "provenance.contradicts" in codes(found(published), Outcome.DEFECT)


def test_a_wheel_that_says_nothing_cannot_have_provenance_that_does(published: Published) -> None:
    replace(WHEEL, files={}).write(published.wheel.parent)
    assert "provenance.contradicts" in codes(found(published), Outcome.DEFECT)


def test_metadata_that_is_not_the_wheels(published: Published) -> None:
    published.beside(METADATA_SUFFIX).write_text("Name: other\n")
    assert codes(found(published), Outcome.DEFECT) == {"metadata.altered"}


# The signature of OpenSSH's program.


@needs_ssh_keygen
def test_the_ssh_signature_holds_and_a_strangers_does_not(
    published: Published, tmp_path: Path
) -> None:
    assert "ssh-signature.holds" in codes(found(published), Outcome.HOLDS)
    other = publish(tmp_path / "other")
    shutil.copy(other.beside(SIGNATURE_SUFFIX), published.beside(SIGNATURE_SUFFIX))
    assert codes(found(published), Outcome.DEFECT) == {"ssh-signature.foreign-or-altered"}


@needs_ssh_keygen
def test_the_ssh_signature_of_a_revoked_key_counts_for_nothing(published: Published) -> None:
    statement = write_statement(
        "revokes", published.key.public, at=times.now(), reason="stolen", by=published.key
    )
    trusted = published.trusted.with_statement(statement, where="here")
    assert "ssh-signature.revoked-key" in codes(found(published, trusted), Outcome.DEFECT)


def test_without_opensshs_program_that_is_said_and_the_rest_works(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.beside(SIGNATURE_SUFFIX).write_text("a signature")
    monkeypatch.setenv("PATH", "/nowhere")
    check = found(published.signed_again())
    assert check.outcome is Outcome.HOLDS
    assert "ssh-signature.no-program" in codes(check, Outcome.NOTED)


def test_an_openssh_that_is_too_old_calls_no_signature_wrong(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "ssh-keygen"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'ssh-keygen: unknown option -- Y' >&2\nexit 1\n")
    old.chmod(0o755)
    published.beside(SIGNATURE_SUFFIX).write_text("a signature")
    monkeypatch.setenv("PATH", str(old.parent), prepend=":")
    check = found(published)
    assert check.outcome is Outcome.HOLDS
    assert "older than OpenSSH 8.1" in str([f.words for f in check.findings])

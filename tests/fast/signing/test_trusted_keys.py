"""Which keys count follows from signed statements alone, and cannot be written in by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llamaproof.errors import BadInput, DefectFound
from llamaproof.reports import document
from llamaproof.signing import times
from llamaproof.signing.identity import Identity
from llamaproof.signing.key_statements import Says, write_statement
from llamaproof.signing.signing_key import SigningKey, new_key
from llamaproof.signing.trusted_keys import (
    TrustedKeys,
    check_follows,
    read_trusted_keys,
    trusting,
)

NOW = times.parse("2026-11-30T12:00:00Z")


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], SigningKey]:
    made: dict[str, SigningKey] = {}

    def key(name: str) -> SigningKey:
        if name not in made:
            made[name] = new_key(tmp_path / name)
        return made[name]

    return key


Keys = Callable[[str], SigningKey]


def said(
    trusted: TrustedKeys, says: Says, about: SigningKey | Identity, by: SigningKey, day: int = 1
) -> TrustedKeys:
    named = about.public if isinstance(about, SigningKey) else about
    statement = write_statement(says, named, at=NOW + timedelta(days=day), reason="a reason", by=by)
    return trusted.with_statement(statement, where="the test")


def begun(keys: Keys) -> TrustedKeys:
    return trusting([keys("first").public], since=NOW)


def rotated(keys: Keys) -> TrustedKeys:
    return said(begun(keys), "takes the place", keys("second"), by=keys("first"))


def ids(*found: SigningKey) -> list[str]:
    return [key.public.key_id for key in found]


def test_a_key_takes_the_place_of_another(keys: Keys) -> None:
    trusted = rotated(keys)
    assert [key.public.key_id for key in trusted.keys] == ids(keys("first"), keys("second"))
    assert [key.public.key_id for key in trusted.in_use] == ids(keys("second"))
    first, second = trusted.keys
    assert first.until == second.since == NOW + timedelta(days=1)
    assert first.refusal(NOW) == "" and "after another key" in first.refusal(
        NOW + timedelta(days=2)
    )
    assert "before the key was in use" in second.refusal(NOW)


def test_of_a_revoked_key_nothing_counts_of_whatever_date(keys: Keys) -> None:
    trusted = said(rotated(keys), "revokes", keys("first"), by=keys("second"), day=9)
    first = trusted.keys[0]
    for moment in (NOW, NOW + timedelta(days=20), None):
        assert "was revoked" in first.refusal(moment) and "a reason" in first.refusal(moment)
    assert trusted.keys[1].refusal(NOW + timedelta(days=20)) == ""


def test_a_key_may_revoke_itself(keys: Keys) -> None:
    trusted = said(begun(keys), "revokes", keys("first"), by=keys("first"))
    assert trusted.in_use == () and trusted.counting == ()


def test_a_strangers_statement_is_refused(keys: Keys) -> None:
    for says, about in (("takes the place", "new"), ("revokes", "first")):
        with pytest.raises(DefectFound, match="not signed by a key of this file"):
            said(begun(keys), says, keys(about), by=keys("stranger"))  # type: ignore[arg-type]


def test_a_statement_with_a_further_signature_is_refused(keys: Keys) -> None:
    """One that is foreign, and one under the name of the key that signed."""
    first, stranger = keys("first"), keys("stranger")
    made = [
        write_statement("revokes", first.public, at=NOW, reason="a reason", by=by)
        for by in (first, stranger)
    ]
    further = made[1]["signatures"][0]
    with pytest.raises(DefectFound, match="not signed by a key of this file"):
        begun(keys).with_statement(
            {**made[0], "signatures": [*made[0]["signatures"], further]}, where="the test"
        )
    renamed = {**further, "keyid": first.public.key_id}
    with pytest.raises(DefectFound, match="not signed by a key of this file"):
        begun(keys).with_statement({**made[0], "signatures": [renamed]}, where="the test")


def test_a_revoked_key_says_nothing_any_more(keys: Keys) -> None:
    trusted = said(begun(keys), "revokes", keys("first"), by=keys("first"))
    with pytest.raises(DefectFound, match="signed by a revoked key"):
        said(trusted, "takes the place", keys("second"), by=keys("first"))


def test_a_place_is_given_once(keys: Keys) -> None:
    with pytest.raises(DefectFound, match="no place to give"):
        said(rotated(keys), "takes the place", keys("third"), by=keys("first"))
    with pytest.raises(DefectFound, match="known already"):
        said(rotated(keys), "takes the place", keys("first"), by=keys("second"))


def test_it_is_read_as_it_was_written(keys: Keys, tmp_path: Path) -> None:
    trusted = said(rotated(keys), "revokes", keys("first"), by=keys("second"))
    path = tmp_path / "keys.json"
    document.write(path, trusted.json())
    assert read_trusted_keys(path) == trusted


def revocation_taken_out(members: Any) -> None:
    members["keys"][0]["revoked"] = None


def statement_taken_out(members: Any) -> None:
    members["statements"].pop()


def key_put_in(members: Any) -> None:
    members["keys"][1]["public"] = members["keys"][0]["public"]


def time_changed(members: Any) -> None:
    members["keys"][0]["until"] = None


def identity_put_in(members: Any) -> None:
    members["identities"].append({"identity": "a@b", "issuer": "https://c", "trusted_by": "x"})


def statements_swapped(members: Any) -> None:
    members["statements"].reverse()


@pytest.mark.parametrize(
    "change",
    [
        revocation_taken_out,
        statement_taken_out,
        key_put_in,
        time_changed,
        identity_put_in,
        statements_swapped,
    ],
)
def test_what_was_written_in_by_hand_is_found(
    keys: Keys, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    trusted = said(rotated(keys), "revokes", keys("first"), by=keys("second"))
    members = json.loads(document.to_text(trusted.json()))
    change(members)
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(members))
    with pytest.raises(DefectFound):
        read_trusted_keys(path)


def test_a_public_key_alone_is_taken_and_a_private_one_is_not(keys: Keys, tmp_path: Path) -> None:
    key = keys("first")
    assert read_trusted_keys(tmp_path / "first.pub").public(key.public.key_id) == key.public
    with pytest.raises(BadInput, match="this is a private key"):
        read_trusted_keys(tmp_path / "first")


@pytest.mark.parametrize("text", ["", "{}", "{", '{"schema": "llamaproof.keys", "version": 99}'])
def test_what_is_no_file_of_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(BadInput):
        read_trusted_keys(path)


def test_newer_keys_follow_from_those_that_are_trusted(keys: Keys) -> None:
    new = said(rotated(keys), "revokes", keys("first"), by=keys("second"))
    check_follows(rotated(keys), begun(keys), where="new")
    check_follows(new, rotated(keys), where="new")
    check_follows(new, trusting([keys("first").public, keys("second").public]), where="new")


def test_keys_of_somebody_else_do_not_follow(keys: Keys) -> None:
    others = trusting([keys("stranger").public], since=NOW)
    with pytest.raises(DefectFound, match="do not follow"):
        check_follows(others, begun(keys), where="new")
    both = trusting([keys("first").public, keys("stranger").public], since=NOW)
    with pytest.raises(DefectFound, match="it begins with"):
        check_follows(both, begun(keys), where="new")


def test_what_was_said_before_must_still_be_said(keys: Keys) -> None:
    revoked = said(rotated(keys), "revokes", keys("first"), by=keys("second"))
    with pytest.raises(DefectFound, match="is not all in it"):
        check_follows(rotated(keys), revoked, where="new")
    earlier = trusting([keys("first").public], since=NOW - timedelta(days=100))
    with pytest.raises(DefectFound, match="is not all in it"):
        check_follows(earlier, begun(keys), where="new")


def test_a_key_that_a_revoked_one_brought_in_is_not_followed(keys: Keys) -> None:
    stolen = said(rotated(keys), "revokes", keys("first"), by=keys("second"))
    with pytest.raises(DefectFound, match="which is revoked"):
        check_follows(stolen, begun(keys), where="new")


def test_an_identity_that_a_revoked_key_brought_in_is_not_followed(keys: Keys) -> None:
    workflow = Identity(identity="a workflow", issuer="https://issuer")
    trusted = said(rotated(keys), "trusts", workflow, by=keys("second"))
    check_follows(trusted, rotated(keys), where="new")
    stolen = said(trusted, "revokes", keys("second"), by=keys("first"))
    with pytest.raises(DefectFound, match="a workflow by https://issuer was brought in by"):
        check_follows(stolen, rotated(keys), where="new")


def test_a_statement_of_an_unknown_kind_is_refused(keys: Keys) -> None:
    with pytest.raises(DefectFound, match="nothing is known of a statement"):
        said(begun(keys), "praises", keys("first"), by=keys("first"))  # type: ignore[arg-type]

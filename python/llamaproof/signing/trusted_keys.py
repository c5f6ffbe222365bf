"""Which keys are trusted, from when, until when, and which are revoked: `keys.json`.

The file is a record that only grows. It begins with keys that are trusted because whoever has the
file trusts them; each further key, and each revocation, is a statement signed by a key before it.
The table of keys in the file is what follows from that, and is checked when it is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from llamaproof.errors import BadInput, DefectFound
from llamaproof.reports import document
from llamaproof.reports.document import Schema
from llamaproof.signing import times
from llamaproof.signing.envelope import signatures_of
from llamaproof.signing.identity import Identity
from llamaproof.signing.key_statements import KeyStatement, read_statement
from llamaproof.signing.public_key import PublicKey, public_key
from llamaproof.signing.trusted_key import Revocation, TrustedIdentity, TrustedKey

SCHEMA = Schema(name="llamaproof.keys", version=1)
FILE_NAME = "keys.json"

_LARGEST_BYTES = 4 * 1024 * 1024
_HINT = "give the publisher's keys.json, or his public key: a line `ssh-ed25519 AAAA...`"


@dataclass(frozen=True, kw_only=True)
class TrustedKeys:
    """The keys whose signatures count.

    Attributes:
        statements: the signed statements that the file holds, as JSON has them.
    """

    keys: tuple[TrustedKey, ...] = ()
    identities: tuple[TrustedIdentity, ...] = ()
    statements: tuple[Mapping[str, Any], ...] = ()

    def find(self, key_id: str) -> TrustedKey | None:
        """The key of an id; a revoked key is found as well."""
        return next((key for key in self.keys if key.public.key_id == key_id), None)

    def public(self, key_id: str) -> PublicKey | None:
        """Its public part."""
        found = self.find(key_id)
        return None if found is None else found.public

    @property
    def in_use(self) -> tuple[TrustedKey, ...]:
        """The keys that sign now."""
        return tuple(key for key in self.keys if key.until is None and key.revoked is None)

    @property
    def counting(self) -> tuple[TrustedKey, ...]:
        """The keys that are not revoked."""
        return tuple(key for key in self.keys if key.revoked is None)

    def json(self) -> dict[str, Any]:
        """The versioned document."""
        return SCHEMA.document(
            keys=[key.json() for key in self.keys],
            identities=[one.json() for one in self.identities],
            statements=list(self.statements),
        )

    def with_statement(self, members: Mapping[str, Any], *, where: object) -> TrustedKeys:
        """The keys, after one more statement of theirs.

        Raises:
            DefectFound: it is not signed by a key that may say so.
        """
        statement = read_statement(members, where=where)
        after = _after(self, statement, where)
        return dataclasses.replace(after, statements=(*self.statements, members))


def trusting(publics: Iterable[PublicKey], *, since: datetime | None = None) -> TrustedKeys:
    """Keys that are trusted because they were given."""
    return TrustedKeys(keys=tuple(TrustedKey(public=one, since=since) for one in publics))


def read_trusted_keys(path: Path) -> TrustedKeys:
    """The keys of a `keys.json`, or the one of a `.pub` file.

    Raises:
        BadInput: it is neither, or of a version that is not known here.
        DefectFound: a statement in it is not signed by a key that may say so, or the table of keys
            is not what follows from the statements.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise BadInput("this is too large to be a file of keys", where=path, hint=_HINT)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the keys cannot be read: {error}", where=path, hint=_HINT) from error
    if "PRIVATE KEY" in text:
        raise BadInput("this is a private key: only its public part is needed", where=path,
                       hint=f"give {path.name}.pub, and keep this file to yourself")  # fmt: skip
    if not text.lstrip().startswith("{"):
        return trusting([public_key(text, where=path)])
    members = document.read(path, SCHEMA, dict, hint=_HINT)
    try:
        return _followed(members, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path.name} is damaged: {error!r}", where=path, hint=_HINT) from error


def check_follows(new: TrustedKeys, old: TrustedKeys, *, where: object) -> None:
    """That newer keys follow from those that are trusted already.

    A key or an identity that was brought in by a key that is revoked now is not followed: whoever
    stole the one could have brought in the other.

    Raises:
        DefectFound: they do not follow.
    """
    known = {key.public.key_id for key in old.keys}
    found = {key.public.key_id for key in new.keys}
    kept = new.statements[: len(old.statements)] == old.statements
    if not kept or not known <= found or not _begins_as(new, old):
        raise _not_following("what the trusted file says is not all in it", where)
    strangers = {key.public.key_id for key in new.keys if not key.introduced_by} - known
    if strangers:
        raise _not_following(f"it begins with {', '.join(sorted(strangers))}", where)
    brought_in = {
        **{key.public.key_id: key.introduced_by for key in new.keys},
        **{str(one.identity): one.trusted_by for one in new.identities},
    }
    known |= {str(one.identity) for one in old.identities}
    for name, key_id in brought_in.items():
        by = new.find(key_id)
        if name not in known and by is not None and by.revoked is not None:
            why = f"{name} was brought in by {key_id}, which is revoked"
            raise _not_following(why, where)


def _begins_as(new: TrustedKeys, old: TrustedKeys) -> bool:
    """Whether the keys that the old file begins with are in use from the same day on."""
    of_new = {key.public.key_id: key.since for key in new.keys}
    return all(
        key.since in (None, of_new.get(key.public.key_id))
        for key in old.keys
        if not key.introduced_by
    )


def _not_following(why: str, where: object) -> DefectFound:
    return DefectFound(
        f"these keys do not follow from those that are trusted: {why}",
        where=where,
        hint="ask the publisher, in a way that does not lead over the same server",
    )


def _followed(members: Mapping[str, Any], path: Path) -> TrustedKeys:
    table = members["keys"]
    roots = tuple(
        TrustedKey(public=public_key(row["public"]), since=times.parse(row["from"]))
        for row in table
        if row["introduced_by"] is None
    )
    found = TrustedKeys(keys=roots)
    for statement in members["statements"]:
        found = found.with_statement(statement, where=path)
    identities = [one.json() for one in found.identities]
    if [key.json() for key in found.keys] != table or identities != members["identities"]:
        raise DefectFound(
            "the table of keys is not what follows from the signed statements",
            where=path,
            hint="somebody wrote into this file by hand: get it again",
        )
    return found


def _after(trusted: TrustedKeys, statement: KeyStatement, where: object) -> TrustedKeys:
    """What is trusted after a statement of one of the keys."""
    by = _signer(trusted, statement, where)
    about = statement.about
    if isinstance(about, Identity):
        others = tuple(one for one in trusted.identities if one.identity != about)
        more = (TrustedIdentity(identity=about, trusted_by=by.public.key_id),)
        kept = (*others, *more) if statement.says == "trusts" else others
        return dataclasses.replace(trusted, identities=kept)
    if statement.says == "takes the place":
        return _after_rotation(trusted, by, about, statement, where)
    if trusted.find(about.key_id) is None:
        raise DefectFound(f"{about.key_id} is revoked, and is no key of this file", where=where)
    revoked = Revocation(at=statement.at, reason=statement.reason)
    keys = tuple(
        dataclasses.replace(key, revoked=key.revoked or revoked) if key.public == about else key
        for key in trusted.keys
    )
    return dataclasses.replace(trusted, keys=keys)


def _after_rotation(
    trusted: TrustedKeys, by: TrustedKey, new: PublicKey, statement: KeyStatement, where: object
) -> TrustedKeys:
    if trusted.find(new.key_id) is not None:
        raise DefectFound(f"{new.key_id} cannot take a place: it is known already", where=where)
    if by.until is not None:
        raise DefectFound(f"{by.public.key_id} has no place to give any more", where=where)
    ended = (
        dataclasses.replace(key, until=statement.at) if key is by else key for key in trusted.keys
    )
    key = TrustedKey(public=new, since=statement.at, introduced_by=by.public.key_id)
    return dataclasses.replace(trusted, keys=(*ended, key))


def _signer(trusted: TrustedKeys, statement: KeyStatement, where: object) -> TrustedKey:
    """The one key that signed it, if it may say anything."""
    signatures = signatures_of(statement.signed, trusted.public)
    if len(signatures.good) != 1 or signatures.bad or signatures.unknown:
        raise DefectFound(
            f"a statement ({statement}) is not signed by a key of this file",
            where=where,
            hint="do not trust it: get it again from the publisher",
        )
    by = trusted.find(signatures.good[0].key_id)
    assert by is not None
    if by.revoked is not None:
        raise DefectFound(f"a statement ({statement}) is signed by a revoked key", where=where)
    return by

"""Who signs in a release, and whose signatures count."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from llamaproof.errors import BadInput, DefectFound
from llamaproof.index import layout
from llamaproof.release.published import Published
from llamaproof.signing import times
from llamaproof.signing.signing_key import ENVIRONMENT, HOW_TO_GIVE_ONE, SigningKey, load_key
from llamaproof.signing.trusted_keys import (
    TrustedKeys,
    check_follows,
    read_trusted_keys,
    trusting,
)

# A standard of reproducible builds: the time, in seconds since 1970, that what is made bears.
_EPOCH = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True, kw_only=True)
class Signing:
    """Who signs, and whose signatures count.

    Attributes:
        key: None where what lies beside a wheel was signed before.
        moment: that new statements and new wheels bear.
    """

    key: SigningKey | None
    trusted: TrustedKeys
    moment: datetime


def moment() -> datetime:
    """The time that what is made now bears.

    Raises:
        BadInput: the environment says one that is none.
    """
    said = os.environ.get(_EPOCH, "")
    if not said:
        return times.now()
    try:
        return datetime.fromtimestamp(int(said), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise BadInput(
            f"{_EPOCH} is {said!r}, which is no time", hint="a number of seconds since 1970"
        ) from error


def signing_for(key_file: Path | None, keys_file: Path | None, published: Published) -> Signing:
    """Who signs in a release, and whose signatures count.

    Args:
        key_file: of the private key; None for the one that the environment names, if any.
        keys_file: the publisher's keys.json; None for the one in the index, or the key alone.

    Raises:
        BadInput: a file cannot be read, or there is no key at all; the message says how to give
            one.
        DefectFound: the keys that are given do not follow from those in the index.
    """
    named = key_file or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    key = None if named is None else load_key(named)
    now = moment()
    return Signing(key=key, trusted=_trusted(keys_file, published, key, now), moment=now)


def _trusted(
    keys_file: Path | None, published: Published, key: SigningKey | None, now: datetime
) -> TrustedKeys:
    """The keys that count: those that are given, if they follow from those in the index."""
    path = published.index / layout.KEYS
    old = read_trusted_keys(path) if path.is_file() else None
    if keys_file is not None:
        given = read_trusted_keys(keys_file)
        if old is not None:
            _check_follows(given, old, keys_file)
        return given
    if old is not None:
        return old
    if key is None:
        raise BadInput("there is no key to sign with", hint=HOW_TO_GIVE_ONE)
    return trusting([key.public], since=now)


def _check_follows(given: TrustedKeys, old: TrustedKeys, keys_file: Path) -> None:
    """The same, said to the publisher himself."""
    try:
        check_follows(given, old, where=keys_file)
    except DefectFound as error:
        raise DefectFound(
            error.what,
            where=keys_file,
            hint="publish a rotation before the revocation of the key that signed it. Where it is "
            f"too late, remove {layout.KEYS} from the index, and give everybody the new keys: "
            "nobody who trusts the old ones can follow",
        ) from error

"""in-toto Statement v1: a claim about one wheel, bound to it by its name and its SHA-256."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llamaproof.errors import DefectFound
from llamaproof.reports import strict_json
from llamaproof.reports.document import to_text

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The wheel that a statement is about: its file name and its SHA-256 in hex."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A claim about a wheel.

    Attributes:
        predicate_type: the kind of claim, with its version: a URI.
        predicate: the claim.
    """

    subject: Subject
    predicate_type: str
    predicate: Mapping[str, Any]

    def payload(self) -> bytes:
        """The bytes that are signed."""
        subject = {"name": self.subject.name, "digest": {"sha256": self.subject.sha256}}
        return to_text(
            {
                "_type": STATEMENT_TYPE,
                "subject": [subject],
                "predicateType": self.predicate_type,
                "predicate": dict(self.predicate),
            }
        ).encode()


class UnknownKind(Exception):
    """A statement of a type or version that is not known here: nothing can be said of it."""


def read_statement(payload: bytes, *, where: object) -> Statement:
    """Read a statement about exactly one wheel.

    Raises:
        DefectFound: it is damaged, or about several things.
        UnknownKind: it is a statement of another version.
    """
    try:
        members = strict_json.parse(payload)
        kind = members["_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise DefectFound(f"the signed statement is damaged: {error!r}", where=where) from error
    if kind != STATEMENT_TYPE:
        raise UnknownKind(f"it is a statement of the type {kind!r}")
    try:
        return _parsed(members)
    except (ValueError, KeyError, TypeError) as error:
        raise DefectFound(f"the signed statement is damaged: {error!r}", where=where) from error


def _parsed(members: Mapping[str, Any]) -> Statement:
    (subject,) = members["subject"]
    sha256 = subject["digest"]["sha256"]
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256")
    predicate = members["predicate"]
    name, predicate_type = subject["name"], members["predicateType"]
    if not isinstance(predicate, dict) or not isinstance(name, str):
        raise TypeError("a member is of another type than it must be")
    if not isinstance(predicate_type, str):
        raise TypeError("its predicateType is no text")
    return Statement(
        subject=Subject(name=name, sha256=sha256),
        predicate_type=predicate_type,
        predicate=predicate,
    )

"""METADATA and WHEEL, which are laid out as e-mail headers, read and written by their own rules."""

from __future__ import annotations

import email.policy
from email.generator import BytesGenerator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path


def read_headers(path: Path) -> Message:
    """The headers of a file, and its body as it is."""
    with path.open("rb") as stream:
        return BytesParser(policy=email.policy.compat32).parse(stream)


def write_headers(path: Path, message: Message) -> None:
    """Write them back: no line is folded, and no line of the body changed."""
    with path.open("wb") as stream:
        BytesGenerator(stream, mangle_from_=False, maxheaderlen=0).flatten(message)

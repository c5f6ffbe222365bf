"""Moments as signed documents write them: UTC, to the second, `2026-11-30T22:15:00Z`."""

from __future__ import annotations

from datetime import datetime, timezone

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def now() -> datetime:
    """This moment."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def to_text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime(_FORM)


def parse(text: object) -> datetime:
    """The moment that a text names.

    Raises:
        ValueError: it names none.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time")
    return datetime.strptime(text, _FORM).replace(tzinfo=timezone.utc)

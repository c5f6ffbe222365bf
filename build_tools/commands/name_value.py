"""Settings on a command line, as `NAME=VALUE` words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llamaproof.errors import BadInput


def pairs(words: Sequence[str], known: Mapping[str, str], command: str) -> dict[str, str]:
    """Read the words.

    Args:
        known: the settings that there are, and what each is for.
        command: whose settings they are, for the message.

    Raises:
        BadInput: a word is none of them.
    """
    return dict(_pair(word, known, command) for word in words)


def described(known: Mapping[str, str]) -> str:
    """The settings and what each is for, on a line."""
    return "; ".join(f"{name}={text}" for name, text in known.items())


def _pair(word: str, known: Mapping[str, str], command: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or name not in known:
        raise BadInput(f"{word!r} is no setting of {command}", hint=described(known))
    return name, value

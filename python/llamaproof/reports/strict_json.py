"""JSON that means one thing to every reader: no member twice, no number that is none."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse(text: str | bytes) -> Any:
    """The value of a JSON text, in UTF-8 where it is bytes.

    Where a member stands twice one reader takes the first and another the last, so that the two can
    be told different things.

    Raises:
        ValueError: it is no JSON, a member stands twice, or a number is NaN or infinite.
    """
    decoded = text.decode("utf-8") if isinstance(text, bytes) else text
    try:
        return json.loads(decoded, object_pairs_hook=_members, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the member {name!r} stands twice")
        found[name] = value
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")

"""JSON documents that say what they are: the schema, its version, and the tool that wrote them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from llamaproof import __version__
from llamaproof.errors import BadInput
from llamaproof.files import write_whole
from llamaproof.reports import strict_json

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A kind of document; docs/schemas.md tells what each holds.

    Attributes:
        name: as in `llamaproof.abi`.
        version: raised with every change that a reader of the document must know of.
    """

    name: str
    version: int

    def document(self, **members: Any) -> dict[str, Any]:
        """A document of this schema: its head, then its members."""
        return {
            "schema": self.name,
            "version": self.version,
            "tool": __version__,
            **members,
        }


def to_text(document: Mapping[str, Any]) -> str:
    """JSON in lines: every finding, cell and result stands whole on a line of its own.

    So two documents are compared line by line, and `grep` finds what belongs together. A number
    that is not finite becomes null: JSON has no word for it.
    """
    return _in_lines(_finite(document), "\n") + "\n"


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document whole or not at all.

    Raises:
        LlamaproofError: it cannot be written.
    """
    write_whole(path, to_text(document))


def read(path: Path, schema: Schema, parse: Callable[[dict[str, Any]], T], *, hint: str) -> T:
    """What `parse` makes of a document's members.

    Args:
        hint: where a document of this schema comes from.

    Raises:
        BadInput: it cannot be read, is of another schema or version, or is damaged.
    """
    return read_as(path, schema, lambda _, members: parse(members), hint=hint)


def read_as(
    path: Path, schema: Schema, parse: Callable[[str, dict[str, Any]], T], *, hint: str
) -> T:
    """The same, where `parse` is also told the version of the tool that wrote the document."""
    try:
        document = strict_json.parse(path.read_bytes())
    except OSError as error:
        what = f"cannot read {path.name}: {error.strerror}"
        raise BadInput(what, where=path, hint=hint) from error
    except ValueError as error:
        raise BadInput(f"{path.name} is no JSON: {error}", where=path, hint=hint) from error
    expect(document, schema, where=path, hint=hint)
    members = {name: document[name] for name in document if name not in _HEAD}
    try:
        return parse(str(document.get("tool", "")), members)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path.name} is damaged: {error!r}", where=path, hint=hint) from error


def expect(document: object, schema: Schema, *, where: object, hint: str) -> None:
    """See that a document is of a schema, in the version that is known here.

    Raises:
        BadInput: it is not.
    """
    head = document if isinstance(document, dict) else {}
    if head.get("schema") != schema.name:
        said = f"its schema is {head['schema']!r}" if "schema" in head else "it states no schema"
        raise BadInput(f"this is no {schema.name} document: {said}", where=where, hint=hint)
    version = head.get("version")
    if version == schema.version:
        return
    if isinstance(version, int) and version > schema.version:
        by = head.get("tool", "not named")
        hint = f"use the llamaproof that wrote it (version {by}), or a newer one"
    raise BadInput(
        f"this {schema.name} document is of version {version!r}, and only version "
        f"{schema.version} is known here",
        where=where,
        hint=hint,
    )


_HEAD = frozenset(Schema(name="", version=0).document())


def _in_lines(value: Any, newline: str) -> str:
    """JSON text; `newline` is a line's end, with the indent of the line after it."""
    if not isinstance(value, (dict, list)) or _fits_a_line(value, 2):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inner = newline + " "
    if isinstance(value, list):
        items = (_in_lines(item, inner) for item in value)
        return f"[{inner}{f',{inner}'.join(items)}{newline}]"
    items = (f"{json.dumps(name)}: {_in_lines(item, inner)}" for name, item in value.items())
    return f"{{{inner}{f',{inner}'.join(items)}{newline}}}"


def _fits_a_line(value: Any, depth: int) -> bool:
    """Whether a value is nested so deep at most, with no list of lists or of objects in it."""
    if not isinstance(value, (dict, list)):
        return True
    if isinstance(value, list):
        return not any(isinstance(item, (dict, list)) for item in value)
    return depth > 0 and all(_fits_a_line(item, depth - 1) for item in value.values())


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value

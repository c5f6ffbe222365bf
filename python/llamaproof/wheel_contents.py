"""What a wheel of this project says is in it: `llama_cpp/llamaproof.json`."""

from __future__ import annotations

import json
from typing import Any

from llamaproof.reports import document
from llamaproof.reports.document import Schema
from llamaproof.target import Target

FILE_NAME = "llamaproof.json"
SCHEMA = Schema(name="llamaproof.wheel", version=2)


def read_contents(target: Target) -> dict[str, Any]:
    """Its members; nothing for a target of another's making, which has no such file.

    Raises:
        BadInput: the file is there, and is damaged or of a version that is not known here.
    """
    path = target.package / FILE_NAME if target.package is not None else None
    if path is None or not path.is_file():
        return {}
    text = path.read_bytes()
    if _is_of_the_first_form(text):
        first: dict[str, Any] = json.loads(text)
        return {**first, "package_version": first["version"]}
    return document.read(path, SCHEMA, dict, hint="get the wheel anew, or build it again")


def _is_of_the_first_form(text: bytes) -> bool:
    """Whether a wheel is from the time when `schema` was a number and `version` the package's."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("schema") == 1 and "version" in found

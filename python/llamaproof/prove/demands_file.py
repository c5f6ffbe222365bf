"""Reading demands.toml: what is not understood whole is refused in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from llamaproof import shadow
from llamaproof.dispatch import requirement
from llamaproof.errors import BadInput
from llamaproof.prove.demands import MAY_BE_LEFT_OUT, Cards, Demand, Demands
from llamaproof.reports.document import Schema, expect
from llamaproof.toml import Table, read_toml

SCHEMA = Schema(name="llamaproof.demands", version=1)
DEFAULT_FILE = Path(__file__).with_name("demands.toml")
DEFAULT_PROFILE = "default"

_EXPLAINED = f"the entries are explained in llamaproof's own {DEFAULT_FILE.name}"
_Value = TypeVar("_Value")


def load_demands(named: str = DEFAULT_PROFILE) -> Demands:
    """The demands of a profile of llamaproof's own (`NAME`), or of a file (`FILE`, `FILE:NAME`).

    Raises:
        BadInput: there is no such profile or file, or the file is not understood whole.
    """
    match = re.fullmatch(r"(?P<file>.+\.toml)(?::(?P<profile>.+))?", named)
    if match is None:
        return _read(DEFAULT_FILE, named)
    return _read(Path(match["file"]), match["profile"] or DEFAULT_PROFILE)


def _read(path: Path, profile: str) -> Demands:
    """One profile; every other of the file must be sound too."""
    document = read_toml(path, "the demands")
    expect(document, SCHEMA, where=path, hint=f"compare it with {DEFAULT_FILE.name} of llamaproof")
    top = Table(document, path, "the file", hint=_EXPLAINED)
    profiles = top.table("profile")
    top.end("schema", "version")
    tables = {name: profiles.table(name, f"profile.{name}") for name in profiles.names}
    if DEFAULT_PROFILE not in tables:
        raise top.bad(f"has no profile {DEFAULT_PROFILE!r}, which completes the others")
    found = {name: _demands(name, own, tables[DEFAULT_PROFILE]) for name, own in tables.items()}
    if profile not in found:
        raise BadInput(
            f"there are no demands for {profile!r}",
            where=path,
            hint=f"there are demands for: {', '.join(found)}",
        )
    return found[profile]


def _demands(name: str, own: Table, default: Table) -> Demands:
    table = own.completed_by(default)
    demands = Demands(
        profile=name,
        reason=own.text("reason"),
        work=_demand(table.table("work"), "card", shadow.find_gpu),
        require=tuple(_demand(t, "cells", requirement.parse) for t in table.tables("require")),
        cards=_cards(table, "cards"),
        numbers=_cards(table, "numbers"),
        against=_demand(table.table("against"), "target", str) if "against" in table else None,
        without=tuple(_demand(t, "proof", _proof) for t in table.tables("without")),
    )
    table.end("reason")
    if demands.contradiction:
        raise table.bad(f"contradicts itself: {demands.contradiction}")
    return demands


def _demand(table: Table, key: str, parse: Callable[[str], _Value]) -> Demand[_Value]:
    """An entry with a value and its reason, and nothing more."""
    demand = Demand(value=table.parsed(key, parse, table.text(key)), reason=table.text("reason"))
    table.end()
    return demand


def _cards(table: Table, key: str) -> Cards | None:
    if key not in table:
        return None
    entry = table.table(key)
    cards = entry.parsed("names", shadow.parse_gpus, entry.texts("names"))
    demand = Demand(value=cards, reason=entry.text("reason"))
    entry.end()
    return demand


def _proof(name: str) -> str:
    if name not in MAY_BE_LEFT_OUT:
        raise BadInput(
            f"{name!r} is no proof that may be left out",
            hint=f"these may be: {', '.join(MAY_BE_LEFT_OUT)}",
        )
    return name

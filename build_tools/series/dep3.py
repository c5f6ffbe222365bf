"""Patch headers as DEP-3 (Debian's Patch Tagging Guidelines) has them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass

_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*):[ \t]*(.*)")
_PERSON = re.compile(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>")
_URL = re.compile(r"https?://\S+")
_ORIGIN = re.compile(r"(upstream|backport|vendor|other)\b[ ,:]*(.*)", re.DOTALL)

_KNOWN = re.compile(
    r"Description|Subject|Origin|Bug|Bug-[A-Za-z-]+|Forwarded|Author|From|Reviewed-by|Acked-by"
    r"|Last-Update|Applied-Upstream"
)
_REPEATABLE = ("Author", "From", "Bug", "Reviewed-by", "Acked-by")
# The standard's two names for one field.
_ALIASES = {"Subject": "Description", "From": "Author"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is to be said of a patch.

    Attributes:
        description: a short line; more paragraphs may follow after an empty line.
        author: `Name <address>`.
        origin: where the change comes from, when it is not the author's own.
        bug: address of the report that it answers.
        forwarded: `no`, `not-needed`, or the address where it was sent.
        applied_upstream: the release or commit that has it, where one has.
        last_update: the day on which this was last true.
    """

    description: str
    author: str
    last_update: datetime.date
    forwarded: str = ""
    origin: str = ""
    bug: str = ""
    applied_upstream: str = ""

    def text(self) -> bytes:
        """As the patch carries it."""
        fields = (
            ("Description", self.description),
            ("Author", self.author),
            ("Origin", self.origin),
            ("Bug", self.bug),
            ("Forwarded", self.forwarded),
            ("Applied-Upstream", self.applied_upstream),
            ("Last-Update", self.last_update.isoformat()),
        )
        return "".join(f"{name}: {_folded(value)}\n" for name, value in fields if value).encode()


def fields_of(header: bytes) -> Mapping[str, str]:
    """A header's fields; of one that is repeated the last."""
    return dict(_fields(header.decode("utf-8", "replace")))


def problems_of(header: bytes) -> tuple[str, ...]:
    """Each way in which a header does not say what a reader of the series needs, in words."""
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError:
        return ("the header is not UTF-8",)
    listed = _fields(text)
    fields = dict(listed)
    return (
        *_form_problems(text, [name for name, _ in listed]),
        *([] if fields.get("Description") else ["Description is missing"]),
        *_author_problems([value for name, value in listed if name == "Author"]),
        *_origin_problems(fields),
        *_date_problems(fields.get("Last-Update", "")),
    )


def _fields(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        if field := _FIELD.fullmatch(line):
            found.append((_ALIASES.get(field[1], field[1]), [field[2].strip()]))
        elif line.startswith(" ") and found:
            found[-1][1].append("" if line.strip() == "." else line.strip())
    return [(name, "\n".join(lines).strip()) for name, lines in found]


def _form_problems(text: str, names: list[str]) -> list[str]:
    problems = []
    if text and not text.endswith("\n\n"):
        problems.append("no empty line between header and diff")
    for line in text.rstrip("\n").split("\n") if text.strip() else ():
        if not line.startswith(" ") and not _FIELD.fullmatch(line):
            problems.append(f"the line {line!r} is neither a field nor the rest of one")
    problems += [f"{name} is no field of DEP-3" for name in names if not _KNOWN.fullmatch(name)]
    once = {name for name in names if name not in _REPEATABLE}
    return problems + [f"{name} stands twice" for name in sorted(once) if names.count(name) > 1]


def _author_problems(authors: list[str]) -> list[str]:
    if not authors:
        return ["Author is missing"]
    return [f"Author is {a!r}, not `Name <address>`" for a in authors if not _PERSON.fullmatch(a)]


def _origin_problems(fields: Mapping[str, str]) -> list[str]:
    origin, forwarded = fields.get("Origin", ""), fields.get("Forwarded", "")
    problems = []
    if not origin and not forwarded:
        problems.append("neither Origin nor Forwarded says whose change it is")
    if origin and not _URL.match(origin):
        known = _ORIGIN.fullmatch(origin)
        if known is None:
            problems.append(f"Origin is {origin!r}: expected an address, upstream, backport, ...")
        elif known[1] in ("upstream", "backport") and not known[2]:
            problems.append(f"Origin says {known[1]} but not of what")
    # DEP-3 takes any other word to mean that the patch was sent.
    if forwarded and forwarded not in ("no", "not-needed") and not _URL.match(forwarded):
        problems.append(f"Forwarded is {forwarded!r}: expected no, not-needed or an address")
    if "Applied-Upstream" in fields and not fields["Applied-Upstream"]:
        problems.append("Applied-Upstream says neither release nor commit")
    return problems


def _date_problems(text: str) -> list[str]:
    if not text:
        return ["Last-Update is missing"]
    try:
        datetime.datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return [f"Last-Update is {text!r}, not a date like 2026-01-31"]
    return []


def _folded(value: str) -> str:
    """More lines than one, as continuation lines; an empty one is a dot."""
    first, *rest = value.strip().split("\n")
    return "\n".join([first.strip(), *(f" {line.rstrip() or '.'}" for line in rest)])

"""Markdown pages with parts that are made: found by their marks, and written anew.

A made part stands between `<!-- made: NAME -->` and `<!-- end -->`, each on a line of its own. The
test command holds it against what is made of the checkout now. A printed part stands between
`<!-- printed: NAME -->` and `<!-- end -->`: the output of a command on wheels, which are not there
where the tests run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llamaproof.errors import BadInput
from llamaproof.files import write_whole

Kind = Literal["made", "printed"]
Maker = Callable[[], str]

_START = re.compile(r"<!-- (made|printed): ([^>]+?) -->")
_END = "<!-- end -->"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a page that a command makes.

    Attributes:
        first: index of the line after its opening mark.
        stop: index of its closing mark.
        text: the lines between, with their ends.
    """

    page: Path
    kind: Kind
    name: str
    first: int
    stop: int
    text: str

    @property
    def where(self) -> str:
        """For an error: page, line and name."""
        return f"{self.page}:{self.first}: {self.name}"


def pages_of(checkout: Path) -> tuple[Path, ...]:
    """The pages that may have such parts: those at the root and those of docs/."""
    return tuple(sorted([*checkout.glob("*.md"), *checkout.glob("docs/**/*.md")]))


def parts_of(page: Path) -> tuple[Part, ...]:
    """The parts of a page, in order.

    Raises:
        BadInput: a mark has no partner.
    """
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    return tuple(_parts(page, lines))


def _parts(page: Path, lines: list[str]) -> Iterator[Part]:
    opened: tuple[Kind, str, int] | None = None
    for index, line in enumerate(lines):
        start = _START.fullmatch(line.strip())
        if start is not None and opened is None:
            kind: Kind = "made" if start.group(1) == "made" else "printed"
            opened = (kind, start.group(2), index + 1)
        elif line.strip() == _END and opened is not None:
            kind, name, first = opened
            text = "".join(lines[first:index])
            yield Part(page=page, kind=kind, name=name, first=first, stop=index, text=text)
            opened = None
        elif start is not None or line.strip() == _END:
            raise _without_partner(page, index, line)
    if opened is not None:
        raise _without_partner(page, opened[2] - 1, lines[opened[2] - 1])


def renewed(page: Path, kind: Kind, makers: Mapping[str, Maker]) -> str:
    """The text of a page with its parts of one kind made anew.

    Raises:
        BadInput: a part has a name that nobody makes.
    """
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    for part in reversed(parts_of(page)):
        if part.kind == kind:
            lines[part.first : part.stop] = [_maker_of(part, makers)()]
    return "".join(lines)


def renew(page: Path, kind: Kind, makers: Mapping[str, Maker]) -> bool:
    """Write a page's parts of one kind anew; whether anything changed."""
    text = renewed(page, kind, makers)
    if text == page.read_text(encoding="utf-8"):
        return False
    write_whole(page, text)
    return True


def stale_parts(checkout: Path, makers: Mapping[str, Maker]) -> tuple[str, ...]:
    """The made parts that are no longer what is made, each in words."""
    return tuple(
        f"{part.where} is stale"
        for page in pages_of(checkout)
        for part in parts_of(page)
        if part.kind == "made" and part.text != _maker_of(part, makers)()
    )


def _maker_of(part: Part, makers: Mapping[str, Maker]) -> Maker:
    if part.name not in makers:
        raise BadInput(
            "nobody makes this part",
            where=part.where,
            hint=f"one of: {', '.join(sorted(makers))}",
        )
    return makers[part.name]


def _without_partner(page: Path, index: int, line: str) -> BadInput:
    return BadInput(
        f"the mark `{line.strip()}` has no partner",
        where=f"{page}:{index + 1}",
        hint=f"a part begins with `<!-- made: NAME -->` and ends with `{_END}`",
    )

"""The first page of an index: which wheel for which card, what is offered, whom to trust."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamaproof.index.finder import CardsOfOneSm, Choice, current_wheels, wheels_by_card
from llamaproof.index.layout import KEYS, PAGE_FOR_PEOPLE
from llamaproof.index.model import Publication, PublishedWheel, Variant
from llamaproof.reports.blocks import (
    Block,
    Command,
    Definitions,
    Heading,
    Joined,
    Linked,
    Paragraph,
    Table,
    Verbatim,
    Words,
)


@dataclass(frozen=True, kw_only=True)
class ShownKey:
    """A key that signs this index's wheels, or did.

    Attributes:
        key_id: its fingerprint.
        public: the line that OpenSSH writes.
        state: from when to when its signatures count, or why they do not, in words.
    """

    key_id: str
    public: str
    state: str


def front_page(publication: Publication, keys: Sequence[ShownKey]) -> Iterator[Block]:
    """The page at the root, block by block."""
    yield Heading(text=publication.title, level=1)
    yield Paragraph(
        text="Every wheel here was examined before it was published, and what was proved of it "
        "lies beside it. Find your card, go to the wheel, and install it with its hash."
    )
    yield from _which_wheel(publication)
    yield from _what_is_offered(publication)
    yield from _yanked(publication)
    yield from _whom_to_trust(keys)


def page_of_variant(variant: Variant) -> str:
    """Where the page of a variant lies, below the root."""
    return f"{variant.name}/{PAGE_FOR_PEOPLE}"


def _which_wheel(publication: Publication) -> Iterator[Block]:
    rows = wheels_by_card(publication)
    yield Heading(text="Which wheel for your card", anchor="cards")
    yield Paragraph(
        text="This prints your card, its compute capability (8.9 is sm_89) and your driver:"
    )
    yield Command(lines=("nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv",))
    yield Paragraph(
        text="Take the first wheel of your card's row that your driver is new enough for. PTX is "
        "compiled by the driver at the first use, which takes a while."
    )
    served = [row for row in rows if row.choices]
    if served:
        yield Table(
            title="Wheels by card",
            head=("card", "wheel, the best first"),
            rows=[(_cards(row), _choices(row.choices)) for row in served],
        )
    without = [_cards(row) for row in rows if not row.choices]
    if without:
        yield Paragraph(text=f"No wheel here runs on: {'; '.join(without)}.")
    yield from _for_the_cpu(publication)


def _cards(row: CardsOfOneSm) -> str:
    return f"{', '.join(row.cards)} (sm_{row.sm})"


def _choices(choices: Sequence[Choice]) -> Joined:
    parts: list[str | Linked] = []
    for choice in choices:
        parts += ["; " if parts else "", _link(choice.variant), f": {_needs(choice)}"]
    return Joined(tuple(parts))


def _needs(choice: Choice) -> str:
    words = choice.driver
    if choice.form == "PTX":
        words += ", PTX"
    if not choice.is_proved:
        words += ", not proved for this card"
    return words


def _link(variant: Variant) -> Linked:
    return Linked(variant.name, page_of_variant(variant))


def _for_the_cpu(publication: Publication) -> Iterator[Block]:
    links: list[str | Linked] = []
    for variant in publication.variants:
        if variant.cuda_major is None:
            links += [", " if links else "", _link(variant)]
    if links:
        yield Paragraph(text=Joined(("Without an NVIDIA card: ", *links, ".")))


def _what_is_offered(publication: Publication) -> Iterator[Block]:
    yield Heading(text="The wheels", anchor="wheels")
    for variant in publication.variants:
        wheels = current_wheels(publication, variant)
        yield Heading(text=variant.title, level=3)
        yield Paragraph(text=variant.reason)
        if not wheels:
            yield Paragraph(text="None can be had at present.")
            continue
        yield Definitions(rows=[(wheel.name, _brief(wheel)) for wheel in wheels])
        yield Paragraph(text=Joined((_link(variant), ": how to install it, what was proved of it")))


def _brief(wheel: PublishedWheel) -> str:
    return f"version {wheel.version}, {wheel.published}; proofs in all: {wheel.evidence.outcome}"


def _yanked(publication: Publication) -> Iterator[Block]:
    yanked = [wheel for wheel in publication.wheels if wheel.yanked is not None]
    if not yanked:
        return
    yield Heading(text="Yanked wheels", anchor="yanked")
    yield Paragraph(
        text="These are not to be taken any more. pip and uv pass over them, but for a pin with == "
        "on just that version."
    )
    yield Definitions(
        rows=tuple((wheel.name, wheel.yanked or "no reason given") for wheel in yanked)
    )


def _whom_to_trust(keys: Sequence[ShownKey]) -> Iterator[Block]:
    yield Heading(text="Keys", anchor="keys")
    if not keys:
        yield Paragraph(text="The wheels here are not signed: nothing but the hash can be checked.")
        return
    yield Paragraph(
        text=Joined(
            (
                "Wheels and what was proved of them are signed by these keys. A page can be "
                "changed by whoever can change the wheels: compare the fingerprint with one that "
                "you have from elsewhere, and keep ",
                Linked(KEYS, KEYS),
                ".",
            )
        )
    )
    for key in keys:
        rows: tuple[tuple[str, Words], ...] = (
            ("fingerprint", Verbatim(key.key_id)),
            ("its signatures", key.state),
            ("public key", Verbatim(key.public)),
        )
        yield Definitions(rows=rows)

"""The pages of an index that people read: HTML that needs nothing else, made alike each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.index.cost_pictures import cost_pictures, counted_work
from llamaproof.index.finder import current_wheels
from llamaproof.index.front_page import ShownKey, front_page, page_of_variant
from llamaproof.index.layout import PAGE_FOR_PEOPLE
from llamaproof.index.model import Publication, PublishedWheel
from llamaproof.index.variant_page import variant_page
from llamaproof.reports.blocks import Block, Paragraph
from llamaproof.reports.pages import to_html


def pages_for_people(
    publication: Publication, files: Path, keys: Sequence[ShownKey] = ()
) -> dict[str, bytes]:
    """Each page's text by its path below the root of the index.

    Args:
        files: the folder with the wheels and what lies beside them.
    """
    pages = {PAGE_FOR_PEOPLE: to_html(list(front_page(publication, keys))).encode()}
    for variant in publication.variants:
        wheels = current_wheels(publication, variant)
        pictures = {wheel.name: _pictures(wheel, files) for wheel in wheels}
        blocks = list(variant_page(publication, variant, pictures))
        pages[page_of_variant(variant)] = to_html(blocks).encode()
    return pages


def _pictures(wheel: PublishedWheel, files: Path) -> list[Block]:
    """Of a wheel's counted work; a paragraph in their place where there are none."""
    sidecar = wheel.sidecar("evidence")
    if sidecar is None:
        return [Paragraph(text="No work was counted.")]
    try:
        record = counted_work(files / sidecar.name)
    except BadInput as error:
        return [Paragraph(text=f"What was counted cannot be shown: {error.what}.")]
    if record is None:
        return [Paragraph(text="No work was counted.")]
    found: list[Block] = list(cost_pictures(record))
    return found or [Paragraph(text="Nothing was counted of head sizes 576/512.")]

"""The page of a variant: its wheel, how to install it, what was proved of it and what was not."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from llamaproof import shadow
from llamaproof.errors import BadInput
from llamaproof.index.drivers import driver_words
from llamaproof.index.finder import current_wheels
from llamaproof.index.install import NO_ADDRESS, ways_to_install
from llamaproof.index.layout import KEYS, PAGE_FOR_PEOPLE, file_url
from llamaproof.index.model import (
    CardAnswer,
    ProofSummary,
    Publication,
    PublishedWheel,
    Role,
    Variant,
)
from llamaproof.prove import bindings, numbers, placement, work
from llamaproof.reports.blocks import (
    Block,
    Command,
    Definitions,
    Heading,
    Joined,
    Linked,
    Paragraph,
    Verbatim,
    Words,
)
from llamaproof.reports.outcome import Outcome

_TITLES = {module.NAME: module.TITLE for module in (bindings, placement, numbers, work)}
_BESIDE: dict[Role, str] = {
    "evidence page": "the evidence in full, for people",
    "evidence": "the evidence in full, as JSON",
    "provenance": "provenance: what it was made from",
    "tests": "the proofs' results, signed",
    "signature": "signature, for ssh-keygen",
    "sigstore": "signature, for sigstore",
    "metadata": "its METADATA",
}
_CANNOT_BE_SEEN = (
    "The kernels' PTX is executed without a GPU: a fault of NVIDIA's compiler or driver, and how "
    "long anything takes, cannot be seen so. Where attention runs is exact."
)


def variant_page(
    publication: Publication, variant: Variant, pictures: Mapping[str, Sequence[Block]]
) -> Iterator[Block]:
    """The page of a variant, block by block.

    Args:
        pictures: by a current wheel's name, of its benchmark, or why there are none.
    """
    wheels = current_wheels(publication, variant)
    yield Heading(text=variant.title, level=1)
    yield Paragraph(
        text=Joined((variant.reason, " ", Linked("All wheels", f"../{PAGE_FOR_PEOPLE}")))
    )
    if not wheels:
        yield Paragraph(text="No wheel of this kind can be had at present.")
    for wheel in wheels:
        blocks = _wheel(publication, variant, wheel, pictures[wheel.name])
        yield from blocks if len(wheels) == 1 else _told_apart(blocks, wheel)
    yield from _others(publication, variant, wheels)


def _told_apart(blocks: Iterable[Block], wheel: PublishedWheel) -> Iterator[Block]:
    """The sections of one wheel of several, each under a title that says whose it is."""
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            yield replace(block, text=f"{block.text}: {wheel.name}", anchor="")
        else:
            yield block


def _wheel(
    publication: Publication, variant: Variant, wheel: PublishedWheel, pictures: Sequence[Block]
) -> Iterator[Block]:
    yield Heading(text="The wheel", anchor="wheel")
    yield Definitions(rows=tuple(_facts(variant, wheel)))
    yield Heading(text="How to install it", anchor="install")
    if not publication.url:
        yield Paragraph(text=f"Write the address of this index for {NO_ADDRESS}")
    for way in ways_to_install(publication, wheel):
        yield Heading(text=way.title, level=3)
        yield Paragraph(text=way.why)
        yield Command(lines=way.lines)
    yield from _proved(variant, wheel)
    yield Heading(text="What attention costs", anchor="benchmark")
    yield from pictures
    yield from _beside(publication, wheel)


def _facts(variant: Variant, wheel: PublishedWheel) -> Iterator[tuple[str, Words]]:
    facts = wheel.facts
    yield "file", Linked(wheel.name, f"../{file_url(wheel.name)}")
    yield "sha256", Verbatim(wheel.sha256)
    yield "size", f"{wheel.size / 1e6:.1f} MB"
    yield "published", wheel.published
    if variant.cuda_major is not None:
        cuda = facts.cuda or str(variant.cuda_major)
        yield "CUDA", cuda
        yield "built for", " ".join(facts.cuda_arch) or "not said"
        least = driver_words(cuda, compiles_ptx=False)
        newest = driver_words(cuda, compiles_ptx=True)
        by_ptx = "" if least == newest else f"; where it must compile PTX, {newest}"
        yield "needs", f"{least}{by_ptx}"
    yield "Python", wheel.requires_python or "any"
    yield "platform", ", ".join(facts.platforms)
    yield "depends on", ", ".join(facts.requires) or "nothing"
    if facts.patches:
        yield f"patches ({len(facts.patches)})", ", ".join(facts.patches)
    yield "the same bytes when built again", _REPRODUCIBLE[facts.reproducible]


_REPRODUCIBLE = {True: "yes, it says", False: "no, it says", None: "it does not say"}


def _proved(variant: Variant, wheel: PublishedWheel) -> Iterator[Block]:
    evidence = wheel.evidence
    holding = [proof for proof in evidence.proofs if proof.outcome == Outcome.HOLDS.value]
    others = [proof for proof in evidence.proofs if proof not in holding]
    yield Heading(text="What was proved of it", anchor="proved")
    yield Paragraph(text=f"In all: {evidence.outcome}. By llamaproof {evidence.tool}.")
    yield Definitions(rows=tuple(_proof(proof) for proof in holding))
    demanded: list[tuple[str, Words]] = []
    if evidence.required:
        demanded.append(("that these cells run on the GPU", ", ".join(evidence.required)))
    if evidence.against:
        demanded.append(("that no cell is worse than in", evidence.against))
    if demanded:
        yield Heading(text="What was demanded", level=3)
        yield Definitions(rows=demanded)
    if evidence.cards:
        yield Heading(text="On each card", level=3)
        yield Definitions(rows=tuple(_card(answer) for answer in evidence.cards))
    yield Heading(text="What was not", anchor="not-proved")
    if others:
        yield Definitions(rows=tuple(_proof(proof) for proof in others))
    yield from _left_open(variant, evidence.cards)
    yield Paragraph(text=_CANNOT_BE_SEEN)


def _proof(proof: ProofSummary) -> tuple[str, Words]:
    return _TITLES.get(proof.name, proof.name), f"{proof.outcome}: {proof.words}"


def _card(answer: CardAnswer) -> tuple[str, Words]:
    by_word: dict[str, list[str]] = {}
    for model, word in answer.models.items():
        by_word.setdefault(word, []).append(model)
    on_gpu = by_word.pop("yes", [])
    words = [f"attention on the GPU for {len(on_gpu)} of {len(answer.models)} models"]
    words += [f"{_WORDS.get(word, word)}: {', '.join(names)}" for word, names in by_word.items()]
    words.append("its numbers were proved" if answer.numbers_proved else "numbers not proved")
    return f"{answer.card} (sm_{answer.sm})", "; ".join(words)


_WORDS = {"CPU": "on the CPU", "aborts": "it aborts"}


def _left_open(variant: Variant, cards: Sequence[CardAnswer]) -> Iterator[Block]:
    examined = {answer.card for answer in cards}
    by_sm = {answer.sm: answer.card for answer in cards}
    silent = [f"{name}{_stand_in(name, by_sm)}" for name in variant.cards if name not in examined]
    if silent:
        yield Paragraph(text=f"Not examined: {', '.join(silent)}.")
    placed_only = [answer.card for answer in cards if not answer.numbers_proved]
    if placed_only:
        yield Paragraph(text=f"Kernels not executed as on: {', '.join(placed_only)}.")


def _stand_in(name: str, by_sm: dict[int, str]) -> str:
    try:
        sm = shadow.find_gpu(name).sm
    except BadInput:
        return ""
    return f" (of the same sm as {by_sm[sm]}, which was)" if sm in by_sm else ""


def _beside(publication: Publication, wheel: PublishedWheel) -> Iterator[Block]:
    yield Heading(text="How to check it", anchor="check")
    url = f"{publication.url or NO_ADDRESS}{file_url(wheel.name)}#sha256={wheel.sha256}"
    yield Paragraph(
        text=Joined(
            (
                "With a copy of ",
                Linked(KEYS, f"../{KEYS}"),
                " that you trust, this checks the hash, who signed it, what it was made from and "
                "what was proved of it:",
            )
        )
    )
    yield Command(lines=(shlex.join(("llamaproof", "verify", url, "--key", KEYS)),))
    rows: list[tuple[str, Words]] = []
    for role, words in _BESIDE.items():
        sidecar = wheel.sidecar(role)
        if sidecar is not None:
            rows.append((words, Linked(sidecar.name, f"../{file_url(sidecar.name)}")))
    yield Definitions(rows=rows)


def _others(
    publication: Publication, variant: Variant, current: Sequence[PublishedWheel]
) -> Iterator[Block]:
    others = [one for one in publication.of_variant(variant.name) if one not in current]
    if others:
        yield Heading(text="Other versions", anchor="others")
        yield Definitions(
            rows=tuple(
                (one.version, _state(one)) for one in sorted(others, key=lambda one: one.published)
            )
        )


def _state(wheel: PublishedWheel) -> Words:
    where = Linked(wheel.name, f"../{file_url(wheel.name)}")
    said = f", published {wheel.published}"
    if wheel.yanked is not None:
        said += f"; yanked: {wheel.yanked or 'no reason given'}"
    return Joined((where, said))

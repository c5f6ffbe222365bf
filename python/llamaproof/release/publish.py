"""One release, as one transaction: the next index is built beside the old one, checked, and put
in its place in one step.

Whatever ends a run before that step leaves the index as it was, and what was built so far is gone
on with by the next run. After it, only the old index remains to be removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from llamaproof.attestation.check import check_wheel
from llamaproof.attestation.sign import sign_wheel
from llamaproof.index import layout
from llamaproof.index.front_page import ShownKey
from llamaproof.index.model import Publication, PublishedWheel
from llamaproof.index.pages_for_people import pages_for_people
from llamaproof.index.simple import simple_pages
from llamaproof.release.beside_wheel import BROUGHT, SIGNED, lying_beside, name_beside
from llamaproof.release.candidate import Candidate
from llamaproof.release.client_check import check_index, served
from llamaproof.release.exchange import next_folder, put_in_place
from llamaproof.release.keys_at_hand import Signing
from llamaproof.release.published import Published
from llamaproof.release.refusal import Refusal
from llamaproof.release.stage import Stage
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome
from llamaproof.signing import times
from llamaproof.signing.trusted_key import TrustedKey
from llamaproof.signing.trusted_keys import TrustedKeys

# What a run does, in order, as `tell` is told of it.
STEPS = ("files", "signatures", "pages", "disk", "check", "exchange", "clean")

Tell = Callable[[str, str], None]


def publish(
    published: Published,
    publication: Publication,
    new: Sequence[Candidate],
    signing: Signing,
    tell: Tell,
) -> tuple[bool, Publication, list[Refusal]]:
    """Have the index serve a publication.

    Args:
        publication: all but the new wheels, whose sidecars are not made yet.
        tell: is told each step, and what it is about.

    Returns:
        Whether the index is another now, what it serves, and why it was refused; refused, it is as
        it was.

    Raises:
        LlamaproofError: the disk is full, or a file changed meanwhile; the index is as it was.
    """
    stage = Stage(next_folder(published.index))
    _stage_files(stage, published, publication, new, tell)
    refusals = list(_sign(stage, publication, new, signing, tell))
    if refusals:
        return False, publication, refusals
    publication = _with_wheels(stage, publication, new, signing.moment)
    tell("pages", "")
    _stage_pages(stage, published, publication, signing.trusted)
    stage.drop_the_rest()
    if stage.is_same_as(published.index):
        stage.remove()
        return False, publication, []
    tell("disk", "")
    stage.sync()
    refusals = check_as_client(stage.folder, publication, lambda name: tell("check", name))
    if refusals:
        return False, publication, refusals
    tell("exchange", "")
    put_in_place(stage.folder, published.index)
    tell("clean", "")
    if stage.folder.exists():
        stage.remove()
    return True, publication, []


def check_as_client(
    folder: Path, publication: Publication, tell: Callable[[str], None]
) -> list[Refusal]:
    """Serve an index to this machine alone, and see it as its clients do."""
    with served(folder) as address:
        return list(check_index(address, publication, tell))


def _stage_files(
    stage: Stage,
    published: Published,
    publication: Publication,
    new: Sequence[Candidate],
    tell: Tell,
) -> None:
    """The files of old wheels as they are, those of new ones as copies."""
    given = {one.name: one for one in new}
    for wheel in publication.wheels:
        tell("files", wheel.name)
        if wheel.name in given:
            continue
        for name in (wheel.name, *(one.name for one in wheel.sidecars)):
            stage.link(layout.file_path(name), published.file(name))
    for one in new:
        tell("files", one.name)
        _stage_candidate(stage, one)


def _stage_candidate(stage: Stage, one: Candidate) -> None:
    stage.copy(layout.file_path(one.name), one.path, one.sha256)
    stage.write(layout.file_path(name_beside(one.name, "metadata")), one.words.metadata)
    brought = {sidecar.role: sidecar for sidecar in lying_beside(one.path)}
    for role in (*BROUGHT, *SIGNED):
        name = layout.file_path(name_beside(one.name, role))
        sidecar = brought.get(role)
        if sidecar is not None:
            sha256 = one.evidence_sha256 if role == "evidence" else sidecar.sha256
            stage.copy(name, one.path.with_name(sidecar.name), sha256)
        elif role in BROUGHT:
            # Of a run that was interrupted, for evidence that is another now.
            stage.path(name).unlink(missing_ok=True)


def _sign(
    stage: Stage,
    publication: Publication,
    new: Sequence[Candidate],
    signing: Signing,
    tell: Tell,
) -> Iterator[Refusal]:
    """Have every wheel signed by a key that is trusted; what is, is left as it is."""
    names = [*(wheel.name for wheel in publication.wheels), *(one.name for one in new)]
    for name in sorted(set(names)):
        tell("signatures", name)
        wheel = stage.path(layout.file_path(name))
        refusals = list(_unsigned(wheel, signing))
        if refusals and signing.key is not None:
            evidence = wheel.with_name(name_beside(name, "evidence"))
            made = sign_wheel(wheel, evidence, signing.key, signed_on=signing.moment)
            for path in made:
                stage.keep(layout.file_path(path.name))
            refusals = list(_unsigned(wheel, signing))
        yield from refusals


def _unsigned(wheel: Path, signing: Signing) -> Iterator[Refusal]:
    """Why a wheel is not signed as it must be."""
    check = check_wheel(wheel, signing.trusted)
    for finding in check.findings:
        if finding.outcome in (Outcome.DEFECT, Outcome.NOT_CHECKED):
            yield Refusal(
                code=finding.code,
                about=wheel.name,
                what=finding.words,
                hint="sign it: give a key that is trusted with --key FILE",
                outcome=finding.outcome,
            )


def _with_wheels(
    stage: Stage, publication: Publication, new: Sequence[Candidate], moment: datetime
) -> Publication:
    """The publication with its new wheels, and with what now lies beside each."""
    before = {wheel.name: wheel for wheel in publication.wheels}
    made = {one.name: _new_wheel(one, before.get(one.name), moment) for one in new}
    wheels = []
    for name, wheel in sorted({**before, **made}.items()):
        sidecars = tuple(lying_beside(stage.path(layout.file_path(name))))
        for sidecar in sidecars:
            stage.keep(layout.file_path(sidecar.name))
        wheels.append(replace(wheel, sidecars=sidecars))
    return replace(publication, wheels=tuple(wheels))


def _new_wheel(one: Candidate, before: PublishedWheel | None, moment: datetime) -> PublishedWheel:
    return PublishedWheel(
        name=one.name,
        sha256=one.sha256,
        size=one.size,
        project=one.project,
        version=one.words.version,
        requires_python=one.words.requires_python,
        variant=one.variant.name,
        published=before.published if before is not None else times.to_text(moment),
        yanked=before.yanked if before is not None else None,
        facts=one.facts,
        evidence=one.proofs.summary(),
        sidecars=(),
    )


def _stage_pages(
    stage: Stage, published: Published, publication: Publication, trusted: TrustedKeys
) -> None:
    for name, source in _of_others(published, publication):
        stage.link(name, source)
    files = stage.path(layout.FILES)
    for name, content in pages_of(published, publication, trusted, files).items():
        stage.write(name, content)


def pages_of(
    published: Published, publication: Publication, trusted: TrustedKeys, files: Path
) -> dict[str, bytes]:
    """Every file of an index but those in `files/`, by its path below the root."""
    people = pages_for_people(publication, files, tuple(_shown_keys(trusted)))
    history = published.history.with_wheels(publication.wheels)
    documents = {
        layout.PUBLICATION: publication.json(),
        layout.HISTORY: history.json(),
        layout.KEYS: trusted.json(),
    }
    return {
        **simple_pages(publication),
        **people,
        **{name: document.to_text(one).encode() for name, one in documents.items()},
    }


def _of_others(published: Published, publication: Publication) -> Iterator[tuple[str, Path]]:
    """Files at the root that somebody else put there, such as `robots.txt`: they stay."""
    if published.publication is None:
        return
    variants = (*published.publication.variants, *publication.variants)
    ours = {
        *(layout.FILES, layout.SIMPLE, layout.PAGE_FOR_PEOPLE),
        *(layout.PUBLICATION, layout.HISTORY, layout.KEYS),
        *(variant.name for variant in variants),
    }
    for top in sorted(published.index.iterdir()):
        if top.name not in ours:
            inside = [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.is_file())
            yield from ((path.relative_to(published.index).as_posix(), path) for path in inside)


def _shown_keys(trusted: TrustedKeys) -> Iterator[ShownKey]:
    for key in trusted.keys:
        yield ShownKey(key_id=key.public.key_id, public=key.public.text, state=_state(key))


def _state(key: TrustedKey) -> str:
    """From when to when a key's signatures count, in words."""
    if key.revoked is not None:
        at = times.to_text(key.revoked.at)
        return f"revoked on {at}: {key.revoked.reason}. Nothing that it signed counts"
    since = f"from {times.to_text(key.since)} on" if key.since is not None else "it signs"
    return f"{since}, until {times.to_text(key.until)}" if key.until is not None else since

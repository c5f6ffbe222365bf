"""From what a release is given to what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof.index import layout
from llamaproof.index.model import Publication, Variant
from llamaproof.release.beside_wheel import name_beside
from llamaproof.release.candidate import Candidate, examine
from llamaproof.release.collect import collect
from llamaproof.release.completeness import missing
from llamaproof.release.exchange import sole_use
from llamaproof.release.keys_at_hand import Signing, signing_for
from llamaproof.release.policy import AskedVariant, Policy, read_policy
from llamaproof.release.publish import pages_of, publish
from llamaproof.release.published import Published, damaged_files, other_bytes, read_published
from llamaproof.release.refusal import Refusal
from llamaproof.release.report import ListedWheel, Report
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import Tell, progress
from llamaproof.signing.signing_key import HOW_TO_GIVE_ONE


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a release is given.

    Attributes:
        given: wheels, and folders of wheels.
        key: the file of the private key; None for the one that the environment names, if any.
        keys: the publisher's keys.json; None for the one in the index, or the key alone.
        renew: whether newer evidence takes the place of what was published.
    """

    given: tuple[Path, ...]
    policy: Path
    index: Path
    key: Path | None
    keys: Path | None
    dry_run: bool
    renew: bool


def release(asked: Asked, printer: Printer) -> Report:
    """Publish wheels, or say why not.

    Raises:
        LlamaproofError: something given is not there or not understood, or the index cannot be
            written; it is as it was.
    """
    policy = read_policy(asked.policy)
    wheels = collect(asked.given)
    with contextlib.ExitStack() as held:
        if not asked.dry_run:
            held.enter_context(sole_use(asked.index, printer.line))
        published = read_published(asked.index)
        signing = signing_for(asked.key, asked.keys, published)
        candidates, refusals = _examined(wheels, policy)
        damaged = _damaged(published)
        refusals += other_bytes(published, candidates)
        refusals += _not_put_back(damaged, published, candidates)
        if not refusals:
            refusals += missing(policy, candidates, published.wheels)
        new = [one for one in candidates if _is_new(one, published, damaged, asked, printer)]
        refusals += _without_signature(new, signing)
        publication = _assembled(policy, published)
        if refusals:
            return _report(asked, publication, refusals=refusals)
        if asked.dry_run:
            changed = bool(new) or _pages_differ(published, publication, signing)
            return _report(asked, publication, new=new, changed=changed)
        return _published(asked, published, publication, new, signing)


def _published(
    asked: Asked,
    published: Published,
    publication: Publication,
    new: Sequence[Candidate],
    signing: Signing,
) -> Report:
    with steps_told() as tell:
        changed, publication, refusals = publish(published, publication, new, signing, tell)
    return _report(asked, publication, new=new, changed=changed, refusals=refusals)


@contextlib.contextmanager
def steps_told() -> Iterator[StepTell]:
    """Tell each step of a publication as it is taken."""
    with progress("release") as tell:
        yield StepTell(tell)


class StepTell:
    """Tells each step, and what it is about, as progress."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._done = 0

    def __call__(self, step: str, about: str) -> None:
        self._done += 1
        self._tell(self._done, f"{step} {about}".rstrip())


def _examined(wheels: Sequence[Path], policy: Policy) -> tuple[list[Candidate], list[Refusal]]:
    found = []
    with progress("wheels examined", len(wheels)) as tell:
        for number, wheel in enumerate(wheels, start=1):
            found.append(examine(wheel, policy))
            tell(number, wheel.name)
    candidates = [one.candidate for one in found if one.candidate is not None]
    return candidates, [refusal for one in found for refusal in one.refusals]


def _damaged(published: Published) -> dict[str, Refusal]:
    if not published.wheels:
        return {}
    with progress("published files held against their hashes", len(published.wheels)) as tell:
        done = iter(range(1, len(published.wheels) + 1))
        return damaged_files(published, lambda name: tell(next(done), name))


def _not_put_back(
    damaged: Mapping[str, Refusal], published: Published, candidates: Sequence[Candidate]
) -> Iterator[Refusal]:
    """What is damaged, but for wheels that are given again with the bytes that they had."""
    back = set()
    for one in candidates:
        wheel = published.wheel(one.name)
        if wheel is not None and wheel.sha256 == one.sha256:
            back.add(one.name)
    yield from (refusal for name, refusal in damaged.items() if name not in back)


def _is_new(
    one: Candidate, published: Published, damaged: Mapping[str, Refusal], asked: Asked,
    printer: Printer,
) -> bool:  # fmt: skip
    """Whether a wheel is not in the index as it should be."""
    wheel = published.wheel(one.name)
    if wheel is None or one.name in damaged:
        return True
    evidence = wheel.sidecar("evidence")
    if evidence is not None and evidence.sha256 == one.evidence_sha256:
        return False
    if not asked.renew:
        said = "its evidence is another than was published; --renew publishes it"
        printer.line(f"{one.name}: {said}")
    return asked.renew


def _without_signature(new: Sequence[Candidate], signing: Signing) -> Iterator[Refusal]:
    if signing.key is not None:
        return
    for one in new:
        if not one.path.with_name(name_beside(one.name, "provenance")).is_file():
            yield Refusal(
                code="signature.no-key",
                about=one.name,
                what="nobody signed it, and there is no key to sign it with",
                hint=HOW_TO_GIVE_ONE,
                outcome=Outcome.NOT_CHECKED,
            )


def _assembled(policy: Policy, published: Published) -> Publication:
    """The publication as far as it is known before the new wheels are signed."""
    return Publication(
        title=policy.title,
        url=policy.url,
        variants=tuple(_variants(policy, published)),
        wheels=published.wheels,
    )


def _variants(policy: Policy, published: Published) -> Iterator[Variant]:
    """Those of the policy, and those that it no longer has and of which there are wheels."""
    names = {variant.name for variant in policy.variants}
    yield from (_variant(variant) for variant in policy.variants)
    if published.publication is not None:
        for variant in published.publication.variants:
            if variant.name not in names and published.publication.of_variant(variant.name):
                yield variant


def _variant(asked: AskedVariant) -> Variant:
    cards = asked.demands.value.cards
    return Variant(
        name=asked.name,
        title=asked.title,
        reason=asked.reason,
        cuda_major=asked.cuda_major.value,
        cards=() if cards is None else tuple(gpu.name for gpu in cards.value),
    )


def _pages_differ(published: Published, publication: Publication, signing: Signing) -> bool:
    files = published.index / layout.FILES
    pages = pages_of(published, publication, signing.trusted, files)
    return any(
        not (path := published.index / name).is_file() or path.read_bytes() != content
        for name, content in pages.items()
    )


def _report(
    asked: Asked,
    publication: Publication,
    *,
    new: Sequence[Candidate] = (),
    changed: bool = False,
    refusals: Sequence[Refusal] = (),
) -> Report:
    return Report(
        policy=asked.policy.name,
        index=str(asked.index),
        dry_run=asked.dry_run,
        changed=changed,
        wheels=tuple(listed_wheels(publication, new)),
        refusals=tuple(refusals),
    )


def listed_wheels(publication: Publication, new: Sequence[Candidate]) -> Iterator[ListedWheel]:
    """The wheels of a publication with those that are new, by name."""
    rows = {
        wheel.name: ListedWheel(
            name=wheel.name,
            sha256=wheel.sha256,
            variant=wheel.variant,
            state="as it was" if wheel.yanked is None else "yanked",
        )
        for wheel in publication.wheels
    }
    for one in new:
        rows[one.name] = ListedWheel(
            name=one.name, sha256=one.sha256, variant=one.variant.name, state="new"
        )
    yield from (rows[name] for name in sorted(rows))

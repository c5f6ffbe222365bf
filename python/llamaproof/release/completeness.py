"""Whether all that the policy promises is there: each variant, for each platform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llamaproof.index.model import PublishedWheel
from llamaproof.release.candidate import Candidate, public_version
from llamaproof.release.policy import Policy
from llamaproof.release.refusal import Refusal


def missing(
    policy: Policy, candidates: Sequence[Candidate], published: Iterable[PublishedWheel]
) -> Iterator[Refusal]:
    """A refusal for each wheel that is promised of a version that is released now, and not there.

    A wheel that is published already counts, unless it is yanked.
    """
    there = {
        (wheel.project, public_version(wheel.version), wheel.variant, platform)
        for wheel in published
        if wheel.yanked is None
        for variant in policy.variants
        if variant.name == wheel.variant
        for platform in variant.platforms_of(wheel.facts.platforms)
    } | {
        (one.project, one.release, one.variant.name, platform)
        for one in candidates
        for platform in one.platforms
    }
    for project, release in sorted({(one.project, one.release) for one in candidates}):
        for variant in policy.variants:
            for asked in variant.platforms:
                if (project, release, variant.name, asked.value) not in there:
                    yield Refusal(
                        code="variant.missing",
                        about=variant.name,
                        what=f"there is no wheel of {project} {release} for {asked.value}, which "
                        f"the policy promises: {variant.reason}",
                        hint="build and prove it, or take it out of the policy",
                    )

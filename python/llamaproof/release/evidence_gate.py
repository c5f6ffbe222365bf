"""Whether the evidence of a wheel is of it, holds, and was made by what the policy asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llamaproof import kept_evidence, shadow
from llamaproof.binary.code_on_card import Arch
from llamaproof.dispatch import requirement
from llamaproof.errors import LlamaproofError
from llamaproof.files import sha256_of
from llamaproof.kept_evidence import KeptProof
from llamaproof.prove import work
from llamaproof.prove.demands import Demands
from llamaproof.release.kept_proofs import KeptProofs, read_proofs
from llamaproof.release.policy import AskedVariant, Policy
from llamaproof.release.refusal import Refusal
from llamaproof.reports.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The wheel whose evidence is judged.

    Attributes:
        sha256: of its bytes, in hex.
        archs: of its GPU code, as nvcc writes them.
    """

    path: Path
    sha256: str
    archs: frozenset[str]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def prove_again(self) -> str:
        return f"prove it: llamaproof prove {self.name}"


@dataclass(frozen=True, kw_only=True)
class JudgedEvidence:
    """Evidence that was read, and the SHA-256 of its file, in hex."""

    sha256: str
    proofs: KeptProofs


def judge_evidence(
    subject: Subject, variant: AskedVariant, policy: Policy
) -> tuple[JudgedEvidence | None, list[Refusal]]:
    """The evidence beside a wheel, and every reason why it is not enough."""
    path = kept_evidence.beside(subject.path)
    if not path.is_file():
        missing = _refusal(
            subject, "evidence.missing", "there is no evidence beside it", Outcome.NOT_CHECKED
        )
        return None, [missing]
    try:
        # Its hash is taken before it is read: what is published is what was judged, or refused.
        sha256 = sha256_of(path)
        proofs = read_proofs(path)
        refusals = list(_judge(proofs, subject, variant, policy))
        return JudgedEvidence(sha256=sha256, proofs=proofs), refusals
    except LlamaproofError as error:
        unread = _refusal(subject, "evidence.unreadable", error.what, Outcome.NOT_CHECKED)
        return None, [unread]


def _judge(
    proofs: KeptProofs, subject: Subject, variant: AskedVariant, policy: Policy
) -> Iterator[Refusal]:
    about = proofs.evidence
    if about.sha256 != subject.sha256:
        what = f"its evidence is of other bytes: sha256 {about.sha256}, and not {subject.sha256}"
        yield _refusal(subject, "evidence.other-bytes", what)
        return
    if about.wheel != subject.name:
        what = f"its evidence is of a wheel that is called {about.wheel}"
        yield _refusal(subject, "evidence.other-name", what)
    demands = variant.demands.value
    yield from _judge_outcomes(proofs, subject, variant, policy)
    yield from _judge_demands(proofs, subject, demands)


def _judge_outcomes(
    proofs: KeptProofs, subject: Subject, variant: AskedVariant, policy: Policy
) -> Iterator[Refusal]:
    """Each proof that is asked for: it is there, holds, and is new enough."""
    demands = variant.demands.value
    # A proof that the policy does not ask for, and that found a defect, is a defect all the same.
    names = {asked.name for asked in policy.proofs}
    for proof in proofs.evidence.proofs:
        wrong = proof.outcome in (Outcome.DEFECT, Outcome.NOT_CHECKED)
        if wrong and proof.name not in names:
            yield _not_holding(proof, subject)
    for asked in policy.proofs:
        name = asked.name
        found = proofs.evidence.proof(name)
        if found is None:
            yield _refusal(
                subject,
                "proof.missing",
                f"its evidence has no proof {name}: {asked.reason}",
                Outcome.NOT_CHECKED,
            )
            continue
        if found.outcome is Outcome.LEFT_OUT and demands.left_out(name) is not None:
            continue
        if not _may_stand(found.outcome, variant):
            yield _not_holding(found, subject)
        elif found.proof_version < asked.oldest:
            yield _refusal(
                subject,
                "proof.too-old",
                f"its proof {name} is of version {found.proof_version}, and the policy asks "
                f"for {asked.oldest}: {asked.reason}",
                Outcome.NOT_CHECKED,
            )


def _may_stand(outcome: Outcome, variant: AskedVariant) -> bool:
    """A proof holds; of a wheel without GPU code there may be nothing to prove."""
    without_gpu = variant.cuda_major.value is None
    return outcome is Outcome.HOLDS or (without_gpu and outcome is Outcome.NOTHING_TO_PROVE)


def _not_holding(proof: KeptProof, subject: Subject) -> Refusal:
    outcome = proof.outcome
    codes = {
        Outcome.DEFECT: "proof.defect",
        Outcome.NOT_CHECKED: "proof.not-checked",
        Outcome.LEFT_OUT: "proof.left-out",
    }
    return _refusal(
        subject,
        codes.get(outcome, "proof.not-made"),
        f"its proof {proof.name}: {outcome.value}: {proof.words}",
        Outcome.DEFECT if outcome is Outcome.DEFECT else Outcome.NOT_CHECKED,
    )


def _judge_demands(proofs: KeptProofs, subject: Subject, asked: Demands) -> Iterator[Refusal]:
    """That what was demanded of the wheel is no weaker than what the policy asks."""
    if not subject.archs:
        return
    cards = asked.cards.value if asked.cards is not None else _served_cards(subject.archs)
    executed = asked.numbers.value if asked.numbers is not None else cards[:1]
    yield from _missing_cards(subject, "examined on", cards, proofs.examined_cards, "demands.cards")
    if asked.left_out("numbers") is None:
        yield from _missing_cards(
            subject, "executed as", executed, proofs.executed_cards, "demands.numbers"
        )
    yield from _missing_cells(proofs, subject, asked)
    if asked.against is not None and not proofs.compared_with:
        what = f"it was compared with nothing, and the policy asks for {asked.against.value}"
        yield _weaker(subject, "demands.against", what, asked)
    judged_for = proofs.work_card
    if asked.left_out(work.NAME) is None and judged_for != asked.work.value.name:
        what = f"its work was judged for the {judged_for}, and not for the {asked.work.value.name}"
        yield _weaker(subject, "demands.work", what, asked)


def _served_cards(archs: Iterable[str]) -> tuple[shadow.Gpu, ...]:
    """A card of each sm that the code runs on, as `llamaproof prove` takes them by itself."""
    codes = [Arch.parse(arch) for arch in archs]
    return tuple(
        gpu for gpu in shadow.representatives() if any(code.runs_on(gpu.sm) for code in codes)
    )


def _missing_cards(
    subject: Subject, done: str, asked: Iterable[shadow.Gpu], there: Iterable[str], code: str
) -> Iterator[Refusal]:
    found = set(there)
    missing = [gpu.name for gpu in asked if gpu.name not in found]
    if missing:
        what = f"it was not {done} {', '.join(missing)}, which the policy asks for"
        yield _refusal(subject, code, what, Outcome.NOT_CHECKED)


def _missing_cells(proofs: KeptProofs, subject: Subject, asked: Demands) -> Iterator[Refusal]:
    held = [requirement.parse(text) for text in proofs.requirements]
    for wanted in asked.requirements:
        shown = {cell for one in held if one.says_as_much_of(wanted) for cell in one.cells}
        missing = [cell for cell in wanted.cells if cell not in shown]
        if missing:
            what = (
                f"{len(missing)} of {len(wanted.cells)} cells of {wanted.text} were not required "
                f"of it, such as {missing[0]}"
            )
            yield _weaker(subject, "demands.require", what, asked)


def _weaker(subject: Subject, code: str, what: str, asked: Demands) -> Refusal:
    return Refusal(
        code=code,
        about=subject.name,
        what=what,
        hint=f"{subject.prove_again} --demands {asked.profile!r}",
        outcome=Outcome.NOT_CHECKED,
    )


def _refusal(subject: Subject, code: str, what: str, outcome: Outcome = Outcome.DEFECT) -> Refusal:
    return Refusal(
        code=code, about=subject.name, what=what, hint=subject.prove_again, outcome=outcome
    )

"""An index as a publisher of two CUDAs has it, as far as its pages for people go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from llamaproof import shadow
from llamaproof.attention.familiar_models import FAMILIAR_MODELS
from llamaproof.index.front_page import ShownKey
from llamaproof.index.model import CardAnswer, Publication, PublishedWheel, Variant
from llamaproof.index.pages_for_people import pages_for_people
from tests.support.index.evidence_files import kept, write_evidence
from tests.support.index.publications import wheel_of

_KEY = ShownKey(
    key_id="SHA256:0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
    public="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm",
    state="count from 2026-11-30 on",
)


def publication() -> Publication:
    """Four variants; of the first also an older wheel, which is yanked."""
    first = _wheel("cu130-sm89", "13.0", ("89",), ("L40S",))
    yanked = replace(
        first,
        name=first.name.replace(".18.", ".17."),
        version=first.version.replace(".18.", ".17."),
        yanked="attention at 512 tokens gives inf from 128K cells on",
    )
    return Publication(
        title="llama-cpp-python for CUDA, patched and proved",
        url="https://wheels.example/",
        variants=(
            _variant("cu130-sm89", "CUDA 13, machine code for sm_89", 13, ("L40S", "RTX 4090")),
            _variant("cu130-ptx", "CUDA 13, PTX for sm_75 and newer", 13, ("T4", "A100", "H200")),
            _variant("cu124-sm89", "CUDA 12, machine code for sm_89", 12, ("L40S", "RTX 4090")),
            _variant("cu124-ptx", "CUDA 12, PTX for sm_60, 70 and 75", 12, ("P100", "V100", "T4")),
        ),
        wheels=(
            first,
            yanked,
            _wheel(
                "cu130-ptx", "13.0", ("75-virtual", "80-virtual", "90-virtual"),
                ("T4", "A100", "RTX 3090", "L40S", "H200", "RTX 5090"),
            ),
            _wheel("cu124-sm89", "12.4", ("89",), ("L40S",)),
            _wheel(
                "cu124-ptx", "12.4", ("60-virtual", "70-virtual", "75-virtual"),
                ("P100", "GTX 1080 Ti", "V100", "T4"),
            ),
        ),
    )  # fmt: skip


def make_site(folder: Path) -> Publication:
    """Write the pages into a folder, those of the first variant with pictures."""
    found = publication()
    write_evidence(found, folder / "files", None)
    write_evidence(found, folder / "files", kept("0.3.36").to_json(), "cu130-sm89")
    for path, text in pages_for_people(found, folder / "files", (_KEY,)).items():
        page = folder / path
        page.parent.mkdir(exist_ok=True)
        page.write_bytes(text)
    return found


def _variant(name: str, title: str, cuda_major: int, cards: tuple[str, ...]) -> Variant:
    reason = "Machine code starts at once; PTX is compiled by the driver, and serves newer cards."
    return Variant(name=name, title=title, reason=reason, cuda_major=cuda_major, cards=cards)


def _wheel(
    variant: str, cuda: str, archs: tuple[str, ...], cards: tuple[str, ...]
) -> PublishedWheel:
    wheel = wheel_of(variant, cuda)
    models = {model.name: "yes" for model in FAMILIAR_MODELS}
    answers = tuple(
        CardAnswer(
            card=name,
            sm=shadow.find_gpu(name).sm,
            numbers_proved=name == cards[0],
            models={**models, "Mistral Small 4": "CPU"},
        )
        for name in cards
    )
    return replace(
        wheel,
        facts=replace(wheel.facts, cuda_arch=archs),
        evidence=replace(wheel.evidence, cards=answers),
    )

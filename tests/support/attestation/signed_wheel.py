"""A small wheel with everything beside it, signed, for tests that spoil one thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llamaproof import kept_evidence
from llamaproof.attestation import sign_wheel
from llamaproof.attestation.sidecars import METADATA_SUFFIX, beside
from llamaproof.files import sha256_of
from llamaproof.kept_evidence import PAGE_SUFFIX
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.signing import times
from llamaproof.signing.signing_key import SigningKey, new_key
from llamaproof.signing.trusted_keys import TrustedKeys, trusting
from llamaproof.wheel_archive.members import members_of_wheel
from llamaproof.wheel_archive.words import read_words
from llamaproof.wheel_contents import FILE_NAME
from tests.support.wheel_archive.plain_wheel import PlainWheel
from tests.support.wheel_facts import FACTS

PROOFS: Mapping[str, Outcome] = {
    "abi": Outcome.HOLDS,
    "dispatch": Outcome.HOLDS,
    "numbers": Outcome.LEFT_OUT,
}
MEMBER = f"llama_cpp/{FILE_NAME}"
WHEEL = PlainWheel(
    project="llama_cpp_python", version="1.0+cu130", files={MEMBER: FACTS.text().encode()}
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A wheel with its sidecars, the key that signed it, and the keys that a verifier trusts."""

    wheel: Path
    key: SigningKey
    trusted: TrustedKeys
    paths: tuple[Path, ...] = field(default=())

    def beside(self, suffix: str) -> Path:
        return beside(self.wheel, suffix)

    def signed_again(self, key: SigningKey | None = None) -> Published:
        """The same wheel, signed as it lies there now."""
        evidence = kept_evidence.beside(self.wheel)
        paths = sign_wheel(
            self.wheel, evidence if evidence.is_file() else None, key or self.key, sigstore=False
        )
        return replace(self, paths=paths)


def publish(
    folder: Path,
    made: PlainWheel = WHEEL,
    *,
    proofs: Mapping[str, Outcome] = PROOFS,
    key: SigningKey | None = None,
) -> Published:
    """Write a wheel, its evidence and its METADATA, and sign them.

    The key, where none is given, is `key` in a folder beside.
    """
    wheel = made.write(folder)
    write_evidence(wheel, proofs)
    with members_of_wheel(wheel) as members:
        beside(wheel, METADATA_SUFFIX).write_bytes(read_words(members, wheel.name).metadata)
    if key is None:
        keys = folder.parent / f"keys of {folder.name}"
        keys.mkdir(parents=True, exist_ok=True)
        key = new_key(keys / "key")
    trusted = trusting([key.public], since=times.now())
    return Published(wheel=wheel, key=key, trusted=trusted).signed_again()


def write_evidence(wheel: Path, proofs: Mapping[str, Outcome] = PROOFS) -> Path:
    """The evidence of a wheel, and its page."""
    path = kept_evidence.beside(wheel)
    members: dict[str, Any] = {
        name: {"outcome": outcome.value, "proof_version": 1, "words": f"{name} said", "proof": None}
        for name, outcome in proofs.items()
    }
    document.write(
        path,
        kept_evidence.SCHEMA.document(
            wheel={"name": wheel.name, "sha256": sha256_of(wheel)},
            outcome=worst(proofs.values()).value,
            demands={"profile": "default"},
            **members,
        ),
    )
    beside(wheel, PAGE_SUFFIX).write_text("<p>evidence</p>\n", encoding="utf-8")
    return path


def changed(path: Path, change: Callable[[Any], object]) -> None:
    """Change the JSON of a file in place, and leave all else as it is."""
    members = json.loads(path.read_text(encoding="utf-8"))
    change(members)
    path.write_text(json.dumps(members), encoding="utf-8")

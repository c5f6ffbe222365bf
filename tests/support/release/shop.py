"""A publisher in a folder: two small wheels with evidence, a policy, a key; and releasing them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import cli
from llamaproof.files import sha256_of
from llamaproof.kept_evidence import SCHEMA
from llamaproof.prove.proof_versions import version_of
from llamaproof.signing.signing_key import new_key
from tests.support.abi.toy_wheel import ToyWheel, write_wheel

# When everything here is made, in seconds since 1970, so that it is alike each time.
EPOCH = "1790000000"
REQUIRED = "576/512@20:f16#1"
SM89 = ToyWheel(version="1.0+x.cu130.sm89")
PTX = ToyWheel(
    version="1.0+x.cu130.ptx",
    archs=("compute_75", "compute_80"),
    cuda_arch=("75-virtual", "80-virtual"),
)
CARDS = {"cu130-sm89": ("L40S", "RTX 4090"), "cu130-ptx": ("T4", "A100")}
_SMS = {"L40S": 89, "RTX 4090": 89, "T4": 75, "A100": 80}

DEMANDS = f"""
schema = "llamaproof.demands"
version = 1
[profile.default]
reason = "Small wheels."
[[profile.default.require]]
cells = "{REQUIRED}"
reason = "The model of the incident."
[profile.default.work]
card = "L40S"
reason = "The kept counts are of it."
[profile.sm89]
reason = "Machine code for two cards."
[profile.sm89.cards]
names = ["L40S", "RTX 4090"]
reason = "They are of sm_89."
[profile.sm89.against]
target = "the release without patches"
reason = "Nothing is to be worse."
[profile.ptx]
reason = "PTX for older cards."
[profile.ptx.cards]
names = ["T4", "A100"]
reason = "Each takes one of them."
[profile.ptx.numbers]
names = ["T4", "A100"]
reason = "Each PTX is another."
[[profile.ptx.without]]
proof = "work"
reason = "The kept counts are of sm_89."
"""

POLICY = """
schema = "llamaproof.release-policy"
version = 1
title = "Small wheels, proved"
url = "https://wheels.example"
reason = "For tests."
[[proof]]
name = "abi"
oldest = 2
reason = "It looks at RECORD."
[[proof]]
name = "dispatch"
oldest = 1
reason = "Where attention runs is what people come for."
[[proof]]
name = "numbers"
oldest = 1
reason = "Right numbers."
[[proof]]
name = "work"
oldest = 1
reason = "No more work."
[[variant]]
name = "cu130-sm89"
title = "CUDA 13 for L40S"
reason = "The card of the incident."
cuda = { major = "13", reason = "Drivers from 580 on." }
code = { archs = ["89"], reason = "Machine code, and PTX for what comes." }
demands = { profile = "demands.toml:sm89", reason = "All that can be shown." }
[[variant.platform]]
tag = "manylinux_2_*_x86_64"
reason = "Linux of the last years."
[[variant]]
name = "cu130-ptx"
title = "CUDA 13 for others"
reason = "Whoever has no wheel of the card's own sm."
cuda = { major = "13", reason = "Drivers from 580 on." }
code = { archs = ["75-virtual", "80-virtual"], reason = "The oldest that CUDA 13 has." }
demands = { profile = "demands.toml:ptx", reason = "All that can be shown." }
[[variant.platform]]
tag = "manylinux_2_*_x86_64"
reason = "Linux of the last years."
"""


@dataclass(frozen=True)
class Shop:
    """The folder of a publisher.

    Attributes:
        wheels: by variant.
    """

    folder: Path
    wheels: dict[str, Path]

    @property
    def dist(self) -> Path:
        return self.folder / "dist"

    @property
    def index(self) -> Path:
        return self.folder / "index"

    @property
    def policy(self) -> Path:
        return self.folder / "release.toml"

    @property
    def key(self) -> Path:
        return self.folder / "keys" / "key"

    @property
    def sm89(self) -> Path:
        return self.wheels["cu130-sm89"]

    @property
    def ptx(self) -> Path:
        return self.wheels["cu130-ptx"]

    def arguments(
        self, *more: str, key: bool = True, also: Path | None = None, index: Path | None = None
    ) -> list[str]:
        """Those of `llamaproof` that release what is in dist/.

        Args:
            also: another wheel or folder.
            index: another than its own.
        """
        signer = ["--key", str(self.key)] if key else []
        given = [str(self.dist), *([] if also is None else [str(also)])]
        place = ["--policy", str(self.policy), "--out", str(index or self.index)]
        return ["release", *given, *place, *signer, *more]

    def release(
        self, *more: str, key: bool = True, also: Path | None = None, index: Path | None = None
    ) -> int:
        """Release what is in dist/; returns the exit code."""
        return cli.main(self.arguments(*more, key=key, also=also, index=index))

    def published(self, name: str) -> Path:
        """A file of the index that lies beside the wheels, or is one."""
        return self.index / "files" / name

    def edit_policy(self, *changes: tuple[str, str]) -> None:
        edit(self.policy, *changes)

    def edit_evidence(self, wheel: Path, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the document beside a wheel."""
        path = evidence_path(wheel)
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    def replace(self, variant: str, toy: ToyWheel) -> Path:
        """Have another wheel of a variant, with evidence."""
        old = self.wheels[variant]
        for path in old.parent.glob(f"{old.name}*"):
            path.unlink()
        self.wheels[variant] = wheel_with_evidence(self.dist, variant, toy)
        return self.wheels[variant]


def open_shop(folder: Path) -> Shop:
    """Two wheels with evidence, a policy and a key."""
    wheels = {
        "cu130-sm89": wheel_with_evidence(folder / "dist", "cu130-sm89", SM89),
        "cu130-ptx": wheel_with_evidence(folder / "dist", "cu130-ptx", PTX),
    }
    (folder / "release.toml").write_text(POLICY)
    (folder / "demands.toml").write_text(DEMANDS)
    (folder / "keys").mkdir()
    shop = Shop(folder=folder, wheels=wheels)
    new_key(shop.key)
    return shop


def wheel_with_evidence(folder: Path, variant: str, toy: ToyWheel) -> Path:
    """A wheel, and beside it evidence that holds."""
    wheel = write_wheel(folder, toy)
    write_evidence(wheel, variant)
    return wheel


def write_evidence(wheel: Path, variant: str) -> None:
    document = evidence(wheel, variant)
    evidence_path(wheel).write_text(json.dumps(document))
    wheel.with_name(f"{wheel.name}.evidence.html").write_text("<p>evidence</p>\n")


def evidence_path(wheel: Path) -> Path:
    return wheel.with_name(f"{wheel.name}.evidence.json")


def evidence(wheel: Path, variant: str) -> dict[str, Any]:
    """A document as `prove` writes it, as far as a release looks into it."""
    cards = CARDS[variant]
    sha256 = sha256_of(wheel)
    with_work = variant == "cu130-sm89"
    dispatch: dict[str, Any] = {
        "gpus": [{"name": card, "sm": _SMS[card]} for card in cards],
        "requirements": [{"requirement": REQUIRED, "holds": True, "unmet": []}],
        "models": [
            {
                "name": "GLM-4.7-Flash",
                "cards": {card: {"attention": "yes", "where": ""} for card in cards},
            }
        ],
    }
    if with_work:
        against = {"name": "stock.whl", "version": "1.0+stock", "sha256": "0" * 64}
        dispatch["comparison"] = {"against": against, "counts": {}, "changes": []}
    executed = [
        {"gpu": card, "sha256": sha256, "outcome": "holds"} for card in cards[: 1 + (not with_work)]
    ]
    return SCHEMA.document(
        wheel={"name": wheel.name, "sha256": sha256},
        outcome="holds",
        demands={"profile": variant, "work": {"card": "L40S"}, "against": None},
        abi=section("abi", {}),
        dispatch=section("dispatch", dispatch),
        numbers=section("numbers", {"executed": executed}),
        work=section("work", {}) if with_work else section("work", None, "left out"),
    )


def section(name: str, proof: dict[str, Any] | None, outcome: str = "holds") -> dict[str, Any]:
    return {
        "outcome": outcome,
        "proof_version": version_of(name),
        "words": f"{name}: {outcome}",
        "proof": proof,
    }


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Change texts that are in a file."""
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def state_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Each file of a folder by its path: its hash, and when it was written, in nanoseconds."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def bytes_of(folder: Path) -> dict[str, str]:
    """Each file of a folder by its path: its hash."""
    return {name: digest for name, (digest, _) in state_of(folder).items()}


def environment() -> dict[str, str]:
    """The environment of a child that releases, with a fixed time."""
    return {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}

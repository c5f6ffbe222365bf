"""How a wheel of an index is installed, with its hash: lines to be typed as they stand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from llamaproof.index.layout import file_url, simple_root
from llamaproof.index.model import Publication, PublishedWheel

# Stands for the address of an index that does not say where it is reached.
NO_ADDRESS = "https://ADDRESS-OF-THIS-PAGE/"


@dataclass(frozen=True, kw_only=True)
class Install:
    """One way to install a wheel.

    Attributes:
        title: which.
        why: when to take it, and what of it is checked.
        lines: shell lines.
    """

    title: str
    why: str
    lines: tuple[str, ...]


def ways_to_install(publication: Publication, wheel: PublishedWheel) -> Iterator[Install]:
    """Every way, the shortest first."""
    root = publication.url or NO_ADDRESS
    pinned = f"{wheel.project}=={wheel.version}"
    index = f"{root}{simple_root(wheel.variant)}/"
    direct = f"{wheel.project} @ {root}{file_url(wheel.name)}#sha256={wheel.sha256}"
    hashed = f"{pinned} --hash=sha256:{wheel.sha256}"
    listed = f"{wheel.project}.txt"
    from_index = ("pip", "install", "--extra-index-url", index)
    yield Install(
        title="pip or uv, this very file",
        why="The hash is a part of the address: a file of other bytes is refused. What the wheel "
        "depends on comes from where your pip takes it.",
        lines=(
            shlex.join(("pip", "install", direct)),
            shlex.join(("uv", "pip", "install", direct)),
        ),
    )
    yield Install(
        title="pip, from the index, by hash",
        why=_PIN,
        lines=(
            f"echo {shlex.quote(hashed)} > {listed}",
            shlex.join((*from_index, "--no-deps", "--require-hashes", "-r", listed)),
            shlex.join((*from_index, pinned)),
        ),
    )
    yield Install(
        title="uv, in a project that it locks",
        why="uv.lock then holds the hash, and every later `uv sync` checks it. uv asks this index "
        "for this package alone.",
        lines=(shlex.join(("uv", "add", pinned, "--index", f"llamaproof={index}")),),
    )


_PIN = (
    "The version is pinned with == because pip asks this index and its usual one alike and takes "
    "the highest version: without the pin a newer release there wins over this wheel. "
    "--require-hashes refuses a file of other bytes, whatever the index says. The last line finds "
    "the wheel there, and adds what it depends on."
)

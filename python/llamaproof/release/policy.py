"""What may be published, as data: variants, what each must be, and the proofs it must have."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llamaproof.binary.code_on_card import archs_of_cmake_item
from llamaproof.index import layout
from llamaproof.prove.demands import Demand, Demands
from llamaproof.prove.demands_file import load_demands
from llamaproof.prove.proof_versions import UNNUMBERED, version_of
from llamaproof.reports.document import Schema, expect
from llamaproof.toml import Table, read_toml

SCHEMA = Schema(name="llamaproof.release-policy", version=1)

_EXPLAINED = "the entries are explained in docs/release.md"
_NO_CUDA = "none"
# Part of a URL and of a folder's name, alike on every server and file system.
_VARIANT_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class AskedProof:
    """A proof that every wheel must have.

    Attributes:
        oldest: the number that it must have been made with, or a newer one.
    """

    name: str
    oldest: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class AskedVariant:
    """A kind of wheel that is promised, and what makes a wheel one of it.

    Attributes:
        name: a part of a URL.
        cuda_major: of the CUDA libraries that it needs; None for none.
        archs: of its GPU code, as nvcc writes them: `sm_89`, `compute_89`.
        platforms: patterns of platform tags; a wheel for each is promised.
        demands: what its evidence must have been made by, or by something stronger.
    """

    name: str
    title: str
    reason: str
    cuda_major: Demand[int | None]
    archs: Demand[frozenset[str]]
    platforms: tuple[Demand[str], ...]
    demands: Demand[Demands]

    def platforms_of(self, tags: Iterable[str]) -> tuple[str, ...]:
        """The promised platforms that a wheel with these platform tags serves."""
        listed = tuple(tags)
        return tuple(asked.value for asked in self.platforms if fnmatch.filter(listed, asked.value))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may be published.

    Attributes:
        title: of the index, for people.
        url: where it will be reached, ending in a slash; empty where that is not said.
        proofs: that every wheel must have.
        system_libraries: that a wheel may need and bring nothing for, each with its reason.
    """

    path: Path
    title: str
    reason: str
    url: str
    proofs: tuple[AskedProof, ...]
    system_libraries: tuple[Demand[str], ...]
    variants: tuple[AskedVariant, ...]


def read_policy(path: Path) -> Policy:
    """Read a policy file; what is not understood whole is refused.

    Raises:
        BadInput: it cannot be read, or an entry says nothing, is not known, or is not there.
    """
    document = read_toml(path, "the release policy")
    expect(document, SCHEMA, where=path, hint=_EXPLAINED)
    top = Table(document, path, "the file", hint=_EXPLAINED)
    policy = Policy(
        path=path,
        title=top.text("title"),
        reason=top.text("reason"),
        url=_url(top),
        proofs=tuple(_proof(table) for table in top.tables("proof")),
        system_libraries=tuple(_plain(table, "library") for table in top.tables("system")),
        variants=tuple(_variant(table, path.parent) for table in top.tables("variant")),
    )
    top.end("schema", "version")
    if not policy.variants:
        raise top.bad("promises no variant", "write one: [[variant]]")
    if not policy.proofs:
        raise top.bad("asks for no proof", "write one: [[proof]]")
    _refuse_twins(top, "variant", [variant.name for variant in policy.variants])
    _refuse_twins(top, "proof", [proof.name for proof in policy.proofs])
    _refuse_same_kind(top, policy.variants)
    return policy


def _url(top: Table) -> str:
    if "url" not in top:
        return ""
    url = top.text("url")
    if not re.fullmatch(r"(https?|file)://\S+", url):
        raise top.bad(f"has url = {url!r}: it must be an address, such as https://host/folder/")
    return url if url.endswith("/") else url + "/"


def _proof(table: Table) -> AskedProof:
    asked = AskedProof(
        name=table.text("name"), oldest=table.number("oldest"), reason=table.text("reason")
    )
    newest = version_of(asked.name)
    if newest == UNNUMBERED:
        raise table.bad(f"asks for a proof that there is not: {asked.name}")
    if asked.oldest > newest:
        raise table.bad(
            f"asks for version {asked.oldest} of {asked.name}, and this llamaproof makes {newest}",
            "use the llamaproof that the policy was written for, or a newer one",
        )
    table.end()
    return asked


def _plain(table: Table, key: str) -> Demand[str]:
    demand = Demand(value=table.text(key), reason=table.text("reason"))
    table.end()
    return demand


def _variant(table: Table, folder: Path) -> AskedVariant:
    name = table.text("name")
    if not _VARIANT_NAME.fullmatch(name) or name in (layout.FILES, layout.SIMPLE):
        raise table.bad(
            f"has name = {name!r}: it becomes a part of an address",
            "write small letters, digits, and - or . between them, as in cu130-sm89",
        )
    variant = AskedVariant(
        name=name,
        title=table.text("title"),
        reason=table.text("reason"),
        cuda_major=_cuda(table.table("cuda")),
        archs=_archs(table.table("code")),
        platforms=tuple(_plain(each, "tag") for each in table.tables("platform")),
        demands=_demands(table.table("demands"), folder),
    )
    table.end()
    if not variant.platforms:
        raise table.bad("promises no platform", "write one: [[variant.platform]]")
    if (variant.cuda_major.value is None) != (not variant.archs.value):
        raise table.bad("has GPU code without CUDA, or CUDA without GPU code")
    return variant


def _cuda(table: Table) -> Demand[int | None]:
    text = table.text("major")
    if text != _NO_CUDA and not text.isdigit():
        raise table.bad(f'has major = {text!r}: it must be a number in quotes, or "{_NO_CUDA}"')
    demand = Demand(value=None if text == _NO_CUDA else int(text), reason=table.text("reason"))
    table.end()
    return demand


def _archs(table: Table) -> Demand[frozenset[str]]:
    items = [item for item in table.texts("archs") if item != "cpu"]
    archs = (arch for item in items for arch in table.parsed("archs", archs_of_cmake_item, item))
    demand = Demand(value=frozenset(map(str, archs)), reason=table.text("reason"))
    table.end()
    return demand


def _demands(table: Table, folder: Path) -> Demand[Demands]:
    def load(named: str) -> Demands:
        # A file is looked for beside the policy, wherever that was started from.
        return load_demands(str(folder / named) if ".toml" in named else named)

    profile = table.text("profile")
    demand = Demand(value=table.parsed("profile", load, profile), reason=table.text("reason"))
    table.end()
    return demand


def _refuse_twins(top: Table, what: str, names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise top.bad(f"has two of the same {what}: {', '.join(twins)}")


def _refuse_same_kind(top: Table, variants: Iterable[AskedVariant]) -> None:
    """A wheel is of one variant: no two may ask for the same CUDA, code and platform."""
    seen: dict[tuple[object, ...], str] = {}
    for variant in variants:
        for platform in variant.platforms:
            kind = (variant.cuda_major.value, variant.archs.value, platform.value)
            other = seen.setdefault(kind, variant.name)
            if other != variant.name:
                raise top.bad(
                    f"has two variants for the same wheel: {other} and {variant.name}",
                    "let them differ in cuda, code or platform",
                )

"""Where wheels are: a file, a folder, or an address, from which they and their sidecars come."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from llamaproof.attestation.check import check_wheel
from llamaproof.attestation.findings import Finding, WheelCheck, defect, noted, unchecked
from llamaproof.attestation.sidecars import (
    LARGEST_EVIDENCE_BYTES,
    LARGEST_SIGNED_BYTES,
    METADATA_SUFFIX,
    PROVENANCE_SUFFIX,
    SIGNATURE_SUFFIX,
    SIGSTORE_SUFFIX,
    TESTS_SUFFIX,
)
from llamaproof.download import LARGEST_WHEEL_BYTES, NotThere, fetch_file, is_url
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.files import sha256_of
from llamaproof.kept_evidence import DATA_SUFFIX, PAGE_SUFFIX
from llamaproof.reports.progress import progress
from llamaproof.signing.trusted_keys import TrustedKeys
from llamaproof.verify.index import wheels_at
from llamaproof.verify.index_page import WheelLink

_SIDECARS = {
    METADATA_SUFFIX: LARGEST_SIGNED_BYTES,
    PROVENANCE_SUFFIX: LARGEST_SIGNED_BYTES,
    TESTS_SUFFIX: LARGEST_SIGNED_BYTES,
    SIGNATURE_SUFFIX: LARGEST_SIGNED_BYTES,
    SIGSTORE_SUFFIX: LARGEST_SIGNED_BYTES,
    DATA_SUFFIX: LARGEST_EVIDENCE_BYTES,
    PAGE_SUFFIX: LARGEST_EVIDENCE_BYTES,
}


def checks(
    place: str, trusted: TrustedKeys, begin: Callable[[str], None] = lambda _name: None
) -> Iterator[WheelCheck]:
    """Check each wheel of a place, one after the other.

    Args:
        place: a wheel, a folder that holds wheels, or the address of a wheel or an index.
        begin: is told the name of each wheel before it is read, which can take a while.

    Raises:
        BadInput: there is no wheel.
        LlamaproofError: a page of an index cannot be fetched.
    """
    if is_url(place):
        for link in wheels_at(place):
            begin(link.name)
            yield _check_link(link, trusted)
        return
    for wheel in _wheels(Path(place)):
        begin(wheel.name)
        yield check_wheel(wheel, trusted)


def _wheels(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        if not path.is_symlink() and not path.exists():
            raise BadInput("there is no such file or folder", where=path)
        return (path,)
    found = tuple(sorted(path.glob("*.whl")))
    if not found:
        raise BadInput(
            "there is no wheel in this folder",
            where=path,
            hint="give a wheel, a folder with *.whl in it, or an address",
        )
    return found


def _check_link(link: WheelLink, trusted: TrustedKeys) -> WheelCheck:
    """Fetch a wheel and what lies beside it to a folder of its own, and check it there."""
    if not link.name or "/" in link.name or "\\" in link.name or link.name.startswith("."):
        raise BadInput(f"{link.name!r} is no file name of a wheel", where=link.url)
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        wheel = Path(scratch) / link.name
        try:
            with progress(f"{link.name}, MiB") as tell:
                fetch_file(link.url, wheel, LARGEST_WHEEL_BYTES, tell)
            lost = list(_fetch_beside(link, wheel))
        except LlamaproofError as error:
            words = f"{error.what} ({error.where})" if error.where else error.what
            findings = (unchecked("file", "file.not-fetched", words),)
            return WheelCheck(wheel=link.name, sha256="", findings=findings)
        found = check_wheel(wheel, trusted, expected_sha256=link.sha256)
        said = [*_said_by_page(link, wheel), *lost]
    return WheelCheck(
        wheel=found.wheel,
        sha256=found.sha256,
        findings=(*said, *found.findings),
        evidence=found.evidence,
    )


def _fetch_beside(link: WheelLink, wheel: Path) -> Iterator[Finding]:
    """Fetch the sidecars; one that is not there is not fetched, and the check will say so."""
    base, question, query = link.url.partition("?")
    for suffix, largest in _SIDECARS.items():
        path = wheel.with_name(wheel.name + suffix)
        try:
            fetch_file(f"{base}{suffix}{question}{query}", path, largest)
        except NotThere:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        except LlamaproofError as error:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            words = f"{path.name}: {error.what}"
            yield unchecked("file", "file.sidecar-not-fetched", words)


def _said_by_page(link: WheelLink, wheel: Path) -> Iterator[Finding]:
    """What the page says beside the link."""
    if not link.sha256:
        words = "its address gives no sha256, so any bytes would be taken for it"
        yield noted("file", "file.no-hash", words)
    if link.yanked is not None:
        reason = link.yanked or "no reason is given"
        words = f"yanked by its publisher ({reason}): pip and uv take it only where it is pinned"
        yield noted("file", "file.yanked", words)
    metadata = wheel.with_name(wheel.name + METADATA_SUFFIX)
    if not link.metadata_sha256:
        return
    if not metadata.is_file():
        words = f"the page promises {metadata.name}, and there is none"
        yield defect("metadata", "metadata.missing", words)
    elif sha256_of(metadata) != link.metadata_sha256.lower():
        words = f"{metadata.name} has another sha256 than the page gives"
        yield defect("metadata", "metadata.wrong-hash", words)

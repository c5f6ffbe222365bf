"""A pinned sdist: fetched once, its hash checked each time."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from build_tools.pin.definition import Pin
from build_tools.progress import Report, of_pip
from llamaproof.errors import BadInput, CommandFailed
from llamaproof.files import sha256_of
from llamaproof.process import run

SDIST_CACHE = Path(".cache") / "sdist"

_FOUND_BY_PIP = re.compile(r"\bGot\s+([0-9a-f]{64})")


def fetch_sdist(pin: Pin, cache: Path, report: Report) -> Path:
    """The pinned archive, from the cache or through pip; its hash is checked either way.

    Raises:
        BadInput: what is there, or what came, is not the pinned archive.
        CommandFailed: pip could not bring it.
    """
    archive = cache / pin.sdist_file
    if archive.exists():
        check_sdist(pin, archive, hint="delete the file: the next run fetches it again")
        return archive
    report(f"pin: downloading {pin.sdist_file} ({pin.sdist_size / 1e6:.1f} MB)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as scratch:
        downloaded = _download(pin, Path(scratch), report)
        check_sdist(pin, downloaded, hint="what pip is configured to ask gave another archive")
        downloaded.replace(archive)
    return archive


def check_sdist(pin: Pin, archive: Path, *, hint: str) -> None:
    """Compare an archive with its pin, before anything opens it.

    Raises:
        BadInput: its hash is another.
    """
    found = sha256_of(archive)
    if found != pin.sdist_sha256:
        size = archive.stat().st_size
        raise BadInput(
            f"{archive.name} is not the archive that {pin.path.name} names: "
            f"expected sha256 {pin.sdist_sha256} ({pin.sdist_size} bytes), "
            f"found {found} ({size} bytes)",
            where=archive,
            hint=hint,
        )


def _download(pin: Pin, scratch: Path, report: Report) -> Path:
    requirements = scratch / "requirements.txt"
    requirement = f"{pin.distribution}=={pin.version} --hash=sha256:{pin.sdist_sha256}\n"
    requirements.write_text(requirement, encoding="utf-8")
    # pip runs the archive's build backend to read its metadata: --require-hashes makes it check
    # the archive before that.
    command = (
        sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:",
        "--no-build-isolation", "--disable-pip-version-check", "--require-hashes",
        "-r", str(requirements), "-d", str(scratch),
    )  # fmt: skip
    try:
        run(command, on_line=of_pip(report))
    except CommandFailed as error:
        found = _FOUND_BY_PIP.search("\n".join(error.output))
        if found is None:
            raise
        raise BadInput(
            f"pip was given another {pin.sdist_file} than {pin.path.name} names: "
            f"expected sha256 {pin.sdist_sha256}, found {found[1]}",
            where=pin.path,
            hint="nothing was unpacked; find out who changed the archive before changing the pin",
        ) from error
    downloaded = scratch / pin.sdist_file
    if not downloaded.is_file():
        others = sorted(p.name for p in scratch.iterdir() if p != requirements)
        raise BadInput(f"pip brought {others}, not {pin.sdist_file}", where=pin.path)
    return downloaded

"""An index brought back from where it is published, so that the next release continues it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from llamaproof.download import LARGEST_WHEEL_BYTES, fetch_file
from llamaproof.errors import BadInput, DefectFound, LlamaproofError
from llamaproof.files import sha256_of
from llamaproof.index.layout import FILES, HISTORY, KEYS, PUBLICATION, file_path
from llamaproof.index.model import Publication, read_publication

# The pages are made anew by a release; these three and the files are what it starts from.
_DOCUMENTS = (PUBLICATION, HISTORY, KEYS)
_HINT = "see that the index is published there; the first release has none to continue"

Tell = Callable[[int, str], None]


def fetch_index(address: str, folder: Path, tell: Tell) -> Publication:
    """Bring the documents, the wheels and what lies beside them; each held against its hash.

    Args:
        address: of the index's root, ending in a slash.
        folder: must not be there yet; it appears whole or not at all.
        tell: is told how many files are there, and the last one's name.

    Raises:
        BadInput: the folder is there already, or what the index says of itself is damaged.
        DefectFound: a file is not what the index says.
        LlamaproofError: something cannot be fetched or written.
    """
    if folder.exists():
        raise BadInput(
            "the folder is there already", where=folder, hint="move it away, or release into it"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        found = _fetch_into(address, scratch, tell)
        scratch.chmod(0o755)
        scratch.replace(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return found


def _fetch_into(address: str, folder: Path, tell: Tell) -> Publication:
    for name in _DOCUMENTS:
        _fetch(address + name, folder / name)
    found = read_publication(folder / PUBLICATION)
    (folder / FILES).mkdir()
    for number, (name, sha256) in enumerate(_files_of(found), start=1):
        path = file_path(name)
        digest = _fetch(address + quote(path, safe="/"), folder / path)
        if digest != sha256:
            raise DefectFound(
                f"{name} has sha256 {digest}, and the index says {sha256}",
                where=address + path,
                hint="a published file never changes: put it back before anything is released",
            )
        tell(number, name)
    return found


def _files_of(publication: Publication) -> Iterator[tuple[str, str]]:
    for wheel in publication.wheels:
        for name, sha256 in (
            (wheel.name, wheel.sha256),
            *((s.name, s.sha256) for s in wheel.sidecars),
        ):
            if "/" in name or name in ("", ".", ".."):
                raise BadInput(f"{name!r} is no file's name", where=PUBLICATION)
            yield name, sha256


def _fetch(address: str, path: Path) -> str:
    """Write what an address gives to a file; returns its SHA-256."""
    try:
        fetch_file(address, path, LARGEST_WHEEL_BYTES)
    except LlamaproofError as error:
        what = f"cannot be fetched: {error.what}"
        raise LlamaproofError(what, where=error.where, hint=error.hint or _HINT) from error
    return sha256_of(path)


def _unwritable(folder: Path, error: OSError) -> LlamaproofError:
    return LlamaproofError(
        f"the index cannot be written: {error.strerror or error}",
        where=folder,
        hint="choose a folder that may be written to and has space left",
    )

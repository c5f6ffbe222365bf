"""An index, seen as its clients see it: served, its links followed, each hash and name held.

Nothing here trusts how the index was made: what a page offers is fetched and hashed, and held
against what was to be published.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from llamaproof.errors import LlamaproofError
from llamaproof.index import client, layout
from llamaproof.index.client import Offered
from llamaproof.index.model import Publication, PublishedWheel
from llamaproof.release.refusal import Refusal
from llamaproof.reports.outcome import of_exit_code

Tell = Callable[[str], None]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine alone; yields its address, which ends in a slash.

    Raises:
        LlamaproofError: nothing can be served here.
    """
    handler = functools.partial(_Quiet, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    except OSError as error:
        raise LlamaproofError(
            f"the index cannot be served to be checked: {error.strerror or error}",
            hint="a port of the loopback interface is needed",
        ) from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """What is fetched is not news."""
        del format, args


def check_index(address: str, publication: Publication, tell: Tell) -> Iterator[Refusal]:
    """Every difference between what is to be published and what a client gets.

    Args:
        address: of the root, ending in a slash.
        tell: is told each file before it is fetched.
    """
    for variant in ("", *(one.name for one in publication.variants)):
        check = functools.partial(_check_root, address, variant, publication)
        yield from _guarded(layout.simple_root(variant), check)
    for wheel in publication.wheels:
        tell(wheel.name)
        yield from _guarded(wheel.name, functools.partial(_check_files, address, wheel))


def _guarded(about: str, check: Callable[[], Iterator[Refusal]]) -> Iterator[Refusal]:
    """What a check found; also where it could not go on."""
    try:
        yield from check()
    except LlamaproofError as error:
        yield Refusal(
            code="index.page",
            about=about,
            what=f"{error.where}: {error.what}",
            hint=error.hint,
            outcome=of_exit_code(error.exit_code),
        )


def _check_root(address: str, variant: str, publication: Publication) -> Iterator[Refusal]:
    """The pages of one root: that they offer the wheels of its variant, and no others."""
    expected = publication.of_variant(variant)
    root = f"{address}{layout.simple_root(variant)}/"
    projects = client.read_projects(root)
    if list(projects) != sorted({wheel.project for wheel in expected}):
        yield _wrong("index.projects", root, f"it lists {', '.join(projects) or 'no project'}")
    if client.read_projects_json(f"{root}index.json") != projects:
        yield _wrong("index.json", root, "the HTML and the JSON beside it differ")
    for project in projects:
        page = f"{root}{project}/"
        offered = client.read_project(page)
        if client.read_project_json(f"{page}index.json") != offered:
            yield _wrong("index.json", page, "the HTML and the JSON beside it differ")
        wanted = publication.of_project(project, variant)
        yield from _check_page(page, offered, {wheel.name: wheel for wheel in wanted}, address)


def _check_page(
    page: str, offered: tuple[Offered, ...], wanted: dict[str, PublishedWheel], address: str
) -> Iterator[Refusal]:
    names = [one.name for one in offered]
    for name in sorted(set(wanted) - set(names)):
        yield _wrong("index.missing", page, f"it does not offer {name}")
    for name in sorted(set(names) - set(wanted)):
        yield _wrong("index.extra", page, f"it offers {name}, which is not to be there")
    for one in offered:
        wheel = wanted.get(one.name)
        if wheel is not None and one != _as_offered(wheel, address):
            yield _wrong("index.link", page, f"it says other things of {one.name}: {one}")


def _as_offered(wheel: PublishedWheel, address: str) -> Offered:
    metadata = wheel.sidecar("metadata")
    return Offered(
        name=wheel.name,
        address=_address(address, wheel.name),
        sha256=wheel.sha256,
        requires_python=wheel.requires_python,
        metadata_sha256=metadata.sha256 if metadata is not None else "",
        yanked=wheel.yanked,
    )


def _check_files(address: str, wheel: PublishedWheel) -> Iterator[Refusal]:
    """A wheel and what lies beside it: there, and of these bytes."""
    files = [(wheel.name, wheel.sha256, wheel.size)]
    files += [(one.name, one.sha256, one.size) for one in wheel.sidecars]
    for name, sha256, size in files:
        found = client.fetch_sha256(_address(address, name))
        if found != (sha256, size):
            yield _wrong(
                "index.other-bytes",
                name,
                f"{found[1]} bytes of sha256 {found[0]} are served, and {size} of {sha256} were "
                "published",
            )


def _address(address: str, name: str) -> str:
    return address + quote(layout.file_path(name), safe="/")


def _wrong(code: str, about: str, what: str) -> Refusal:
    return Refusal(code=code, about=about, what=what, hint="do not serve it; publish it anew")

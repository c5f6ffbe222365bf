"""Fetching over http, https and file, with a time limit and a size limit."""

from __future__ import annotations

import http.client
import io
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from llamaproof import __version__
from llamaproof.errors import LlamaproofError
from llamaproof.reports.progress import Tell

SCHEMES = ("https", "http", "file")
TIMEOUT_S = 30.0
LARGEST_PAGE_BYTES = 32 * 1024 * 1024
LARGEST_WHEEL_BYTES = 8 * 1024**3

_BLOCK = 1 << 20
# What an index is asked for: both forms of its pages, HTML rather.
_ACCEPT = "text/html, application/vnd.pypi.simple.v1+html;q=0.9, */*;q=0.1"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of an index: where it was found after redirects, its type, its bytes."""

    url: str
    content_type: str
    data: bytes


class NotThere(LlamaproofError):
    """The server says that there is nothing at the address."""


def is_url(text: str) -> bool:
    """Whether a text is an address that can be fetched."""
    return urllib.parse.urlsplit(text).scheme in SCHEMES and "://" in text


def fetch_page(url: str) -> Page:
    """Fetch a page.

    Raises:
        NotThere: there is none.
        LlamaproofError: it could not be fetched whole.
    """
    into = io.BytesIO()
    with opened(url) as response:
        _copy(response, into, LARGEST_PAGE_BYTES, url)
        kind = str(response.headers.get_content_type())
        return Page(url=str(response.geturl()), content_type=kind, data=into.getvalue())


def fetch_file(url: str, path: Path, largest: int, tell: Tell | None = None) -> None:
    """Fetch a file to `path`.

    Args:
        largest: bytes; more are not fetched.
        tell: is told of each MiB.

    Raises:
        NotThere: there is none.
        LlamaproofError: it could not be fetched whole.
    """
    with opened(url) as response, path.open("wb") as into:
        _copy(response, into, largest, url, tell)


def _copy(response: Any, into: IO[bytes], largest: int, url: str, tell: Tell | None = None) -> None:
    promised = response.headers.get("Content-Length")
    total = int(promised) if promised and promised.isdigit() else None
    done = 0
    while block := response.read(_BLOCK):
        done += len(block)
        if done > largest:
            raise LlamaproofError(f"more than {largest} bytes are not fetched", where=url)
        into.write(block)
        if tell is not None:
            tell(done >> 20, total=None if total is None else total >> 20)
    if total is not None and done != total:
        raise LlamaproofError(f"only {done} of {total} bytes came", where=url, hint="try again")


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """The answer of a server, or a file, to be read.

    Raises:
        NotThere: there is nothing at the address.
        LlamaproofError: it cannot be reached, or breaks off.
    """
    request = urllib.request.Request(
        url, headers={"User-Agent": f"llamaproof/{__version__}", "Accept": _ACCEPT}
    )
    try:
        with _opener().open(request, timeout=TIMEOUT_S) as response:
            yield response
    except urllib.error.HTTPError as error:
        what = f"the server says {error.code} {error.reason}"
        kind = NotThere if error.code in (404, 410) else LlamaproofError
        raise kind(what, where=url) from error
    except urllib.error.URLError as error:
        missing = isinstance(error.reason, FileNotFoundError) or "No such file" in str(error.reason)
        kind = NotThere if missing else LlamaproofError
        raise kind(f"it cannot be fetched: {error.reason}", where=url) from error
    except (http.client.HTTPException, TimeoutError, ValueError) as error:
        raise LlamaproofError(f"it cannot be fetched whole: {error!r}", where=url) from error


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https alone, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = (urllib.parse.urlsplit(url).scheme for url in (req.full_url, newurl))
        if new not in ("http", "https") or (old, new) == ("https", "http"):
            raise urllib.error.URLError(f"it leads from {old} to {new}, and that is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Of the handlers that are meant: urllib's own set knows ftp and data as well."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.FileHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        Redirects(),
    ):
        opener.add_handler(handler)
    return opener

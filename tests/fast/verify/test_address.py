"""Wheels at an address: of an index on the loopback, or of files; and what a page can get wrong."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from llamaproof import download
from llamaproof.attestation import WheelCheck
from llamaproof.attestation.sidecars import METADATA_SUFFIX
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.files import sha256_of
from llamaproof.reports.outcome import Outcome
from llamaproof.verify.index import wheels_at
from llamaproof.verify.places import checks
from tests.support.attestation.signed_wheel import Published, publish


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path, handler: type[Quiet] = Quiet) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index of one wheel: `simple/`, a project's page below it, and `files/`."""

    root: Path
    published: Published

    @property
    def page(self) -> Path:
        return self.root / "simple" / "llama-cpp-python" / "index.html"

    def link(self, *, sha256: str = "", attributes: str = "") -> None:
        """Write the page of the project anew."""
        wheel = self.published.wheel
        fragment = f"#sha256={sha256 or sha256_of(wheel)}"
        href = f"../../files/{wheel.name}{fragment}"
        self.page.write_text(
            f'<!DOCTYPE html><html><body><a href="{href}" {attributes}>w</a></body></html>\n'
        )


@pytest.fixture
def index(tmp_path: Path) -> Index:
    root = tmp_path / "index"
    made = Index(root=root, published=publish(root / "files"))
    made.page.parent.mkdir(parents=True)
    (root / "simple" / "index.html").write_text('<html><a href="llama-cpp-python/">x</a></html>')
    made.link()
    return made


@pytest.fixture
def address(index: Index) -> Iterator[str]:
    with served(index.root) as url:
        yield url


def check(url: str, index: Index) -> WheelCheck:
    (found,) = checks(url, index.published.trusted)
    return found


def codes(found: WheelCheck, outcome: Outcome) -> set[str]:
    return {finding.code for finding in found.findings if finding.outcome is outcome}


@pytest.mark.parametrize("where", ["simple/", "simple/llama-cpp-python/"])
def test_a_root_and_a_page(index: Index, address: str, where: str) -> None:
    found = check(address + where, index)
    assert found.outcome is Outcome.HOLDS, found.findings
    assert "file.hash" in codes(found, Outcome.HOLDS)


def test_a_folder_of_files_without_a_server(index: Index) -> None:
    found = check((index.root / "simple").as_uri(), index)
    assert found.outcome is Outcome.HOLDS, found.findings


def test_the_address_of_a_wheel(index: Index, address: str) -> None:
    wheel = index.published.wheel
    url = f"{address}files/{wheel.name}"
    assert check(f"{url}#sha256={sha256_of(wheel)}", index).outcome is Outcome.HOLDS
    assert "file.wrong-hash" in codes(check(f"{url}#sha256={'0' * 64}", index), Outcome.DEFECT)
    assert "file.no-hash" in codes(check(url, index), Outcome.NOTED)


def test_the_json_form_of_a_page(index: Index) -> None:
    wheel = index.published.wheel
    page = index.root / "page.json"
    page.write_text(
        f'{{"meta": {{}}, "name": "x", "files": [{{"url": "files/{wheel.name}", '
        f'"hashes": {{"sha256": "{sha256_of(wheel)}"}}, "yanked": "it aborts"}}]}}'
    )
    found = check(page.as_uri(), index)
    assert found.outcome is Outcome.HOLDS, found.findings
    assert "file.yanked" in codes(found, Outcome.NOTED)


def test_a_wrong_hash_on_the_page(index: Index, address: str) -> None:
    index.link(sha256="0" * 64)
    assert "file.wrong-hash" in codes(check(address + "simple/", index), Outcome.DEFECT)


def test_a_yanked_wheel_is_named_with_the_reason(index: Index, address: str) -> None:
    index.link(attributes='data-yanked="it aborts on T4"')
    found = check(address + "simple/", index)
    assert "it aborts on T4" in str([f.words for f in found.findings if f.code == "file.yanked"])


def test_the_hash_of_the_metadata_on_the_page(index: Index, address: str) -> None:
    right = sha256_of(index.published.beside(METADATA_SUFFIX))
    index.link(attributes=f'data-core-metadata="sha256={right}"')
    assert check(address + "simple/", index).outcome is Outcome.HOLDS
    index.link(attributes=f'data-core-metadata="sha256={"0" * 64}"')
    assert "metadata.wrong-hash" in codes(check(address + "simple/", index), Outcome.DEFECT)
    index.published.beside(METADATA_SUFFIX).unlink()
    assert "metadata.missing" in codes(check(address + "simple/", index), Outcome.DEFECT)


def test_a_page_cut_off_in_the_middle(index: Index, address: str) -> None:
    text = index.page.read_text()
    index.page.write_text(text[: text.index("</body>")])
    with pytest.raises(BadInput, match="was cut off"):
        check(address + "simple/", index)


def test_a_page_that_leads_to_ones_own_files(index: Index, address: str) -> None:
    index.page.write_text(f'<html><a href="{index.published.wheel.as_uri()}">w</a></html>')
    with pytest.raises(BadInput, match="is not followed"):
        check(address + "simple/", index)


def test_a_page_without_wheels(index: Index, address: str) -> None:
    index.page.write_text("<html></html>")
    with pytest.raises(BadInput, match="no wheel is named there"):
        check(address + "simple/", index)


def test_a_wheel_that_the_page_names_and_that_is_gone(index: Index, address: str) -> None:
    index.published.wheel.unlink()
    # The page still names its hash.
    found = next(iter(checks(address + "simple/", index.published.trusted)))
    assert found.outcome is Outcome.NOT_CHECKED
    assert codes(found, Outcome.NOT_CHECKED) == {"file.not-fetched"}


def test_an_answer_cut_off_in_the_middle(index: Index) -> None:
    class CutOff(Quiet):
        def do_GET(self) -> None:
            if not self.path.endswith(".whl"):
                super().do_GET()
                return
            data = index.published.wheel.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])

    with served(index.root, CutOff) as url:
        found = check(url + "simple/", index)
    assert codes(found, Outcome.NOT_CHECKED) == {"file.not-fetched"}


def test_an_answer_that_is_too_long_is_left(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LARGEST_PAGE_BYTES", 10)
    with pytest.raises(LlamaproofError, match="more than 10 bytes"):
        list(wheels_at(address + "simple/"))


def test_it_is_not_led_from_the_network_to_files(index: Index) -> None:
    target = index.page.as_uri()

    class Leads(Quiet):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()

    with served(index.root, Leads) as url, pytest.raises(LlamaproofError, match="not allowed"):
        list(wheels_at(url))


@pytest.mark.parametrize("to, followed", [("https://b/", True), ("http://b/", False)])
def test_it_is_not_led_from_https_to_http(to: str, followed: bool) -> None:
    handler = download.Redirects()
    request = urllib.request.Request("https://a/")
    if followed:
        led = handler.redirect_request(request, None, 302, "Found", Message(), to)
        assert led is not None and led.full_url == to
    else:
        with pytest.raises(urllib.error.URLError, match="not followed"):
            handler.redirect_request(request, None, 302, "Found", Message(), to)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(LlamaproofError, match="cannot be fetched"):
        list(wheels_at("http://127.0.0.1:1/simple/"))

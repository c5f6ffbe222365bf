"""Pages as Chromium shows them: what a person would see, measured by a script in the browser.

No driver is needed: a page of ours shows the page in a frame of any width, looks at it when it has
loaded, and writes what it saw as JSON; `--dump-dom` prints that.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from llamaproof.process import run

Scheme = Literal["light", "dark"]

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_EYES = Path(__file__).with_name("eyes.html")
_SEEN = re.compile(r'<pre id="seen">(.*?)</pre>', re.DOTALL)


def find_chromium() -> str | None:
    """The program, under any of its names."""
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the browser shows of a page.

    Attributes:
        text: that is visible.
        rows: the visible text of each table row, a text for each cell.
        links: text and target, the target relative to the site.
        headings: level and text, in order.
        tables: the caption of each table; empty where it has none.
        pictures: the label of each picture and its width in pixels.
        too_wide: pixels that the page is wider than the screen: it would scroll sideways.
        sticking_out: what of the page does so, as far as it is in no frame of its own.
        contrasts: the least contrast of text with what is behind it, and that text.
    """

    title: str
    language: str
    text: str
    rows: list[list[str]]
    links: list[tuple[str, str]]
    headings: list[tuple[int, str]]
    tables: list[str]
    pictures: list[tuple[str, float]]
    too_wide: int
    sticking_out: list[str]
    contrasts: list[tuple[float, str]]


@dataclass(kw_only=True)
class Browser:
    """A browser that sees one folder, served on the loopback.

    Attributes:
        asked: the paths that it has asked the server for.
    """

    program: str
    address: str
    profile: Path
    asked: list[str] = field(default_factory=list)

    def see(self, page: str, *, width: int = 360, scheme: Scheme = "light") -> Seen:
        """Show a page of the folder on a screen of so many pixels, and say what is there."""
        url = f"{self.address}/eyes.html?width={width}&page={page}"
        dom = self.run("--dump-dom", url, scheme=scheme)
        found = _SEEN.search(dom)
        assert found, dom
        members: dict[str, Any] = json.loads(html.unescape(found.group(1)))
        members["links"] = [
            (text, target.removeprefix(self.address + "/")) for text, target in members["links"]
        ]
        return Seen(**{name: _tuples(value) for name, value in members.items()})

    def picture(self, page: str, path: Path, *, scheme: Scheme = "light", height: int) -> None:
        """A screenshot of a page, as wide as the narrowest window of the browser's own."""
        size = (f"--screenshot={path}", "--hide-scrollbars", f"--window-size=500,{height}")
        self.run(*size, f"{self.address}/{page}", scheme=scheme)

    def run(self, *arguments: str, scheme: Scheme = "light") -> str:
        """Start it with arguments; returns what it prints."""
        dark = "0" if scheme == "dark" else "1"
        command = (
            self.program, "--headless", "--disable-gpu", f"--user-data-dir={self.profile}",
            f"--blink-settings=preferredColorScheme={dark}",
            # Nothing but the server may be reached, whatever a page asks for.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            # Its sandbox needs a user of its own, which a container's root is not.
            *(("--no-sandbox",) if os.geteuid() == 0 else ()),
            *arguments,
        )  # fmt: skip
        return run(command, silence_limit_s=120).output


@contextlib.contextmanager
def browser_on(folder: Path, scratch: Path) -> Iterator[Browser]:
    """A browser that sees a folder; the page that looks is put beside the others."""
    program = find_chromium()
    assert program is not None
    shutil.copy(_EYES, folder / "eyes.html")
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        yield Browser(program=program, address=address, profile=scratch, asked=asked)
    finally:
        server.shutdown()
        server.server_close()


def _tuples(value: Any) -> Any:
    """JSON's pairs as tuples, its lists of texts as they are."""
    if isinstance(value, list) and all(isinstance(v, list) and len(v) == 2 for v in value):
        return [tuple(pair) for pair in value]
    return value

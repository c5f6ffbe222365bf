"""A person finds, in a real browser and on a phone, what he came to the index for."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof.index.model import Publication
from llamaproof.process import run
from tests.support.browser.chromium import Browser, Scheme, Seen, browser_on
from tests.support.browser.site import make_site

FRONT = "index.html"
PHONE = 360
# WCAG 2.2, success criterion 1.4.3, level AA.
LEAST_CONTRAST = 4.5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Publication]:
    folder = tmp_path_factory.mktemp("site")
    return folder, make_site(folder)


@pytest.fixture(scope="module")
def browser(
    site: tuple[Path, Publication], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    with browser_on(site[0], tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def front(browser: Browser) -> Seen:
    return browser.see(FRONT, width=PHONE)


@pytest.fixture(scope="module")
def variant(browser: Browser) -> Seen:
    return browser.see("cu130-sm89/index.html", width=PHONE)


def row_of(page: Seen, card: str) -> str:
    (row,) = (row for row in page.rows if re.search(rf"\b{re.escape(card)}\b", row[0]))
    return row[1]


def test_who_has_an_rtx_4090_finds_both_wheels_by_his_driver(front: Seen) -> None:
    assert row_of(front, "RTX 4090") == (
        "cu130-sm89: driver 580 or newer; cu124-sm89: driver 525 or newer"
    )


def test_who_has_a_pascal_card_is_led_to_cuda_12_and_told_which_driver(front: Seen) -> None:
    assert row_of(front, "GTX 1080 Ti") == "cu124-ptx: driver 550 or newer, PTX"
    assert "No wheel here runs on" not in front.text


def test_who_has_a_card_that_no_proof_was_made_for_is_told(front: Seen) -> None:
    assert row_of(front, "GB10") == (
        "cu130-ptx: driver 580 or newer, PTX, not proved for this card; "
        "cu124-ptx: driver 550 or newer, PTX, not proved for this card"
    )


def test_the_link_of_a_row_leads_to_lines_that_install_by_hash(
    browser: Browser, front: Seen, site: tuple[Path, Publication]
) -> None:
    links = dict(reversed(front.links))
    page = browser.see(links["cu124-ptx"], width=PHONE)
    (wheel,) = site[1].of_variant("cu124-ptx")
    lines = page.text.splitlines()
    assert [line for line in lines if line.startswith("pip install") and wheel.sha256 in line]
    assert [line for line in lines if line.startswith("uv add") and wheel.version in line]
    assert f"--hash=sha256:{wheel.sha256}" in page.text
    assert ("All wheels", FRONT) in page.links


def test_what_was_proved_and_what_was_not_stand_under_headings_of_their_own(variant: Seen) -> None:
    texts = [text for _, text in variant.headings]
    assert texts.index("What was proved of it") < texts.index("What was not")
    assert "on the CPU: Mistral Small 4" in variant.text
    assert "how long anything takes, cannot be seen so" in variant.text


def test_a_yanked_wheel_and_its_reason_are_seen(front: Seen, variant: Seen) -> None:
    reason = "attention at 512 tokens gives inf from 128K cells on"
    assert reason in front.text
    assert f"yanked: {reason}" in variant.text


def test_the_key_to_check_by_is_seen_and_its_file_linked(front: Seen) -> None:
    assert "SHA256:0123456789abcdefghijklmnopqrstuvwxyzABCDEFG" in front.text
    assert ("keys.json", "keys.json") in front.links


def test_the_benchmark_is_seen_on_a_phone_without_scrolling(variant: Seen) -> None:
    assert len(variant.pictures) > 1
    for label, width in variant.pictures:
        assert "GQA ratio" in label
        assert 0.8 * PHONE < width <= PHONE


@pytest.mark.parametrize("width", [320, PHONE, 412, 768, 1280])
@pytest.mark.parametrize("page", [FRONT, "cu130-sm89/index.html"])
def test_no_page_scrolls_sideways(browser: Browser, page: str, width: int) -> None:
    seen = browser.see(page, width=width)
    assert (seen.too_wide, seen.sticking_out) == (0, [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", [FRONT, "cu130-sm89/index.html"])
def test_text_stands_out_from_what_is_behind_it(
    browser: Browser, page: str, scheme: Scheme
) -> None:
    least, text = browser.see(page, scheme=scheme).contrasts[0]
    assert least >= LEAST_CONTRAST, text


def test_whoever_listens_to_a_page_can_find_his_way(front: Seen, variant: Seen) -> None:
    for page in (front, variant):
        levels = [level for level, _ in page.headings]
        assert page.language == "en" and page.title == page.headings[0][1]
        assert levels.count(1) == 1 and levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        assert all(page.tables)
        assert all(text for text, _ in page.links)


def test_a_page_asks_for_nothing_but_itself(browser: Browser) -> None:
    browser.asked.clear()
    browser.see(FRONT)
    assert {path.partition("?")[0] for path in browser.asked} <= {"/eyes.html", "/index.html"}


def test_pages_work_as_files_without_any_server(
    browser: Browser, site: tuple[Path, Publication]
) -> None:
    shown = browser.run("--dump-dom", (site[0] / FRONT).as_uri())
    assert "Which wheel for your card" in shown
    assert (site[0] / "cu130-sm89/index.html").is_file()


def test_planted_a_page_that_is_too_wide_is_seen(
    browser: Browser, site: tuple[Path, Publication]
) -> None:
    page = site[0] / "wide.html"
    page.write_text("<!doctype html><p style='width: 500px; color: #bbb'>wide and pale")
    seen = browser.see("wide.html")
    assert seen.too_wide > 100
    assert seen.sticking_out == ["wide and pale"]
    assert seen.contrasts[0][0] < LEAST_CONTRAST
    assert seen.language == ""


def test_planted_a_page_that_asks_for_something_else_is_seen(
    browser: Browser, site: tuple[Path, Publication]
) -> None:
    (site[0] / "asks.html").write_text("<!doctype html><img src=elsewhere.png alt=it>")
    browser.asked.clear()
    browser.see("asks.html")
    assert "/elsewhere.png" in browser.asked


def test_in_a_terminal_browser_the_same_is_found(site: tuple[Path, Publication]) -> None:
    w3m = shutil.which("w3m")
    if w3m is None:
        pytest.skip("no w3m: apt install w3m")
    front = run((w3m, "-dump", "-cols", "80", site[0] / FRONT)).output
    assert re.search(r"L40S,? .*cu130-sm89: driver 580 or newer;", front)
    page = run((w3m, "-dump", "-cols", "80", site[0] / "cu130-sm89/index.html")).output
    assert re.search(r"^pip install 'llama-cpp-python @ https", page, re.MULTILINE)
    assert re.search(r"^uv pip install 'llama-cpp-python @ https", page, re.MULTILINE)
    assert not [line for line in page.splitlines() if "<" in line and ">" in line]

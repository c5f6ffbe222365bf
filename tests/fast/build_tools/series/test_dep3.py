"""Claims: a header says what a patch does, whose it is, where it went and when that was true."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_tools.series.dep3 import Header, fields_of, problems_of

GOOD = """\
Description: mend a thing
 .
 At length.
Author: A Person <a@b.invalid>
Forwarded: no
Last-Update: 2026-01-31

"""


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("Description", "Subject").replace("Author", "From"),
        GOOD.replace("Forwarded: no", "Forwarded: not-needed"),
        GOOD.replace("Forwarded: no", "Forwarded: https://example.invalid/1"),
        GOOD.replace("Forwarded: no", "Origin: upstream, commit 1234"),
        GOOD.replace("Forwarded: no", "Origin: backport, https://example.invalid/1"),
        GOOD.replace("Forwarded: no", "Origin: other"),
        GOOD.replace("Forwarded: no", "Forwarded: no\nBug: https://example.invalid/2"),
        GOOD.replace("Forwarded: no", "Forwarded: no\nApplied-Upstream: 0.3.17, commit 1234"),
        GOOD.replace("Author: ", "Author: B <b@b.invalid>\nAuthor: "),
    ],
)
def test_a_whole_header_has_no_problems(text: str) -> None:
    assert problems_of(text.encode()) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Description: mend a thing\n .\n At length.\n", "", "Description is missing"),
        (
            "Description: mend a thing\n .\n At length.\n",
            "Description:\n",
            "Description is missing",
        ),
        ("Author: A Person <a@b.invalid>\n", "", "Author is missing"),
        ("A Person <a@b.invalid>", "A Person", "Author is 'A Person'"),
        ("Forwarded: no\n", "", "neither Origin nor Forwarded"),
        ("Forwarded: no", "Forwarded: not-yet", "Forwarded is 'not-yet'"),
        ("Forwarded: no", "Origin: upstream", "Origin says upstream but not of what"),
        ("Forwarded: no", "Origin: somewhere", "Origin is 'somewhere'"),
        ("Last-Update: 2026-01-31\n", "", "Last-Update is missing"),
        ("2026-01-31", "2026-02-30", "Last-Update is '2026-02-30'"),
        ("2026-01-31", "yesterday", "Last-Update is 'yesterday'"),
        ("Forwarded: no", "Forwarded: no\nForwarded: no", "Forwarded stands twice"),
        ("Forwarded: no", "Forwarded: no\nReason: good", "Reason is no field"),
        ("Forwarded: no", "Forwarded: no\nApplied-Upstream:", "Applied-Upstream says neither"),
        (" At length.", "At length.", "'At length.' is neither a field"),
        ("2026-01-31\n\n", "2026-01-31\n", "no empty line"),
    ],
)
def test_each_thing_left_unsaid_is_asked_for(old: str, new: str, said: str) -> None:
    assert old in GOOD
    problems = problems_of(GOOD.replace(old, new).encode())
    assert any(said in problem for problem in problems), problems


def test_no_header_at_all_is_asked_for_all_of_it() -> None:
    assert len(problems_of(b"")) == 4


def test_a_header_of_other_bytes_is_refused() -> None:
    assert problems_of(GOOD.replace("a thing", "\udcff").encode("utf-8", "surrogateescape")) == (
        "the header is not UTF-8",
    )


_LINE = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30).filter(
    lambda text: text.strip() not in ("", ".")
)


@given(lines=st.lists(_LINE, min_size=1, max_size=4))
def test_a_header_that_we_write_is_whole_and_is_read_back(lines: list[str]) -> None:
    description = "\n\n".join(lines)
    header = Header(
        description=description,
        author="A <a@b.invalid>",
        forwarded="no",
        last_update=datetime.date(2026, 1, 31),
    )
    assert problems_of(header.text() + b"\n") == ()
    assert fields_of(header.text())["Description"] == description

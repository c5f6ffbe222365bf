"""Claims: every code that a release is refused by stands in docs/release.md, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import llamaproof

PACKAGE = Path(llamaproof.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "release.md"
CODE = re.compile(
    r'"((?:evidence|proof|demands|wheel|variant|published|signature|index)\.[a-z-]+)"'
)


def test_every_code_is_explained_and_no_other() -> None:
    sources = [*(PACKAGE / "release").glob("*.py"), PACKAGE / "wheel_archive" / "agreement.py"]
    used = {code for path in sources for code in CODE.findall(path.read_text())}
    section = PAGE.read_text().partition("## What is refused")[2].partition("\n## ")[0]
    told = re.findall(r"`((?:\w+)\.[a-z-]+)`", section)
    explained = {code for code in told if CODE.fullmatch(f'"{code}"')}
    assert used - explained == set()
    assert explained - used == set()

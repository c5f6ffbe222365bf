"""Claim: two runs of the tools never work in one tree at a time."""

from __future__ import annotations

import threading

from build_tools.sole_use import sole_use
from tests.support.build_tools.sources import PIN, silent
from tests.support.build_tools.workbench import Workbench


def test_a_second_run_waits_until_the_first_is_done(patched: Workbench) -> None:
    said: list[str] = []
    waiting, done = threading.Event(), threading.Event()

    def report(line: str) -> None:
        said.append(line)
        waiting.set()

    def second() -> None:
        with sole_use(patched.tree, report):
            done.set()

    with sole_use(patched.tree, silent):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(60)
        assert not done.is_set()
    thread.join(60)
    assert done.is_set()
    assert said == [f"another run is using {PIN}; waiting for it"]

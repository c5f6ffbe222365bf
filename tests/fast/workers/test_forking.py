"""A crash in a forked child costs one item, and says what it printed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from llamaproof.errors import LlamaproofError
from llamaproof.workers.forking import Died, run_forked


def answers(
    items: list[int], examine: Callable[[int], Any], *, n_children: int = 2, hang: float = 60.0
) -> dict[int, Any]:
    found: dict[int, Any] = {}
    run_forked(
        items,
        examine,
        n_children=n_children,
        on_answer=lambda index, answer: found.__setitem__(index, answer),
        hang_limit_s=hang,
    )
    return found


def test_every_item_is_answered_once() -> None:
    found = answers(list(range(1000)), lambda item: item * 2)
    assert found == {index: index * 2 for index in range(1000)}


def test_an_abort_costs_one_item_and_keeps_its_message() -> None:
    def examine(item: int) -> int:
        if item % 10 == 3:
            os.write(2, f"boom at {item}\n".encode())
            os.abort()
        os.write(2, b"chatter of an item that lives\n")
        return item

    found = answers(list(range(40)), examine)

    assert [i for i, answer in found.items() if isinstance(answer, Died)] != []
    for index in range(40):
        if index % 10 == 3:
            assert found[index] == Died(how="was killed by SIGABRT", output=f"boom at {index}\n")
        else:
            assert found[index] == index


def test_the_first_and_the_last_item_may_die() -> None:
    def examine(item: int) -> int:
        if item in (0, 2):
            os._exit(7)
        return item

    found = answers([0, 1, 2], examine, n_children=1)
    assert found[0] == Died(how="failed with exit status 7", output="")
    assert found[1] == 1
    assert found[2] == Died(how="failed with exit status 7", output="")


def test_a_child_that_hangs_is_ended() -> None:
    def examine(item: int) -> int:
        if item == 1:
            time.sleep(600)
        return item

    found = answers([0, 1, 2], examine, n_children=1, hang=1.0)
    assert found[1] == Died(how="gave no answer and was ended", output="")
    assert (found[0], found[2]) == (0, 2)


def test_an_exception_is_ours_and_ends_the_run() -> None:
    def examine(item: int) -> int:
        raise ValueError(f"no such thing as {item}")

    with pytest.raises(LlamaproofError, match="ValueError: no such thing as 5"):
        answers([5], examine)


def test_nothing_to_do_is_done() -> None:
    assert answers([], lambda item: item) == {}

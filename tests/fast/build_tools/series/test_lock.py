"""Claims: the lock says what the series was, and a lock that says something else is refused."""

from __future__ import annotations

import json

import pytest

from build_tools.pin.tree_hash import hash_folder
from build_tools.series.lock import SCHEMA, read_lock
from llamaproof.errors import BadInput
from tests.support.build_tools.workbench import (
    Workbench,
)


def test_the_lock_says_order_hashes_and_result(patched: Workbench) -> None:
    lock = read_lock(patched.folder)
    assert lock is not None
    assert [(p.name, p.sha256) for p in lock.patches] == [
        (p.name, p.sha256) for p in patched.series.patches
    ]
    assert lock.tree == patched.repository.tree_id("HEAD")
    assert lock.base_tree == patched.repository.tree_id(patched.repository.base)
    assert lock.tree_sha256 == hash_folder(patched.tree)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("\0", "no JSON"),
        ("[]", "states no schema"),
        ('{"schema": 1}', "its schema is 1"),
        (json.dumps(SCHEMA.document(pin="x")), "series.lock is damaged"),
    ],
)
def test_a_lock_that_is_none_is_said_to_be_none(patched: Workbench, text: str, says: str) -> None:
    (patched.folder / "series.lock").write_text(text)
    with pytest.raises(BadInput, match=says):
        read_lock(patched.folder)

"""Whatever bytes lie beside a wheel, they come to a finding, and never to one that holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaproof.attestation import check_wheel
from llamaproof.attestation.sidecars import PROVENANCE_SUFFIX, TESTS_SUFFIX
from llamaproof.attestation.statement import PAYLOAD_TYPE
from llamaproof.errors import LlamaproofError
from llamaproof.kept_evidence import DATA_SUFFIX
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome
from llamaproof.signing.envelope import sign
from llamaproof.signing.trusted_keys import read_trusted_keys
from tests.support.attestation.signed_wheel import Published, publish

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("any") / "files")


def places(members: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a JSON document."""
    if path:
        yield path
    inner = members.items() if isinstance(members, dict) else enumerate(members)
    for name, value in inner:
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, name))
        else:
            yield (*path, name)


def with_value(members: Any, path: tuple[Any, ...], value: Any) -> Any:
    copied = json.loads(json.dumps(members))
    at = copied
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return copied


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("suffix", [PROVENANCE_SUFFIX, TESTS_SUFFIX, DATA_SUFFIX])
def test_another_value_in_any_place(published: Published, suffix: str, data: st.DataObject) -> None:
    path = published.beside(suffix)
    before = path.read_bytes()
    members = json.loads(before)
    way = data.draw(st.sampled_from(list(places(members))))
    changed = with_value(members, way, data.draw(ANYTHING))
    try:
        path.write_text(json.dumps(changed))
        check = check_wheel(published.wheel, published.trusted)
    finally:
        path.write_bytes(before)
    # Of the file of results only the envelopes are signed: its head may say another tool.
    if changed != members and (suffix != TESTS_SUFFIX or way[0] == "envelopes"):
        assert check.outcome is not Outcome.HOLDS
    assert all(finding.words for finding in check.findings)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_another_value_in_any_place_of_what_is_signed(
    published: Published, data: st.DataObject
) -> None:
    path = published.beside(PROVENANCE_SUFFIX)
    before = path.read_bytes()
    payload = json.loads(base64.b64decode(json.loads(before)["payload"]))
    way = data.draw(st.sampled_from(list(places(payload))))
    changed = json.dumps(with_value(payload, way, data.draw(ANYTHING))).encode()
    try:
        path.write_text(json.dumps(sign(changed, PAYLOAD_TYPE, published.key)))
        check = check_wheel(published.wheel, published.trusted)
    finally:
        path.write_bytes(before)
    assert all(finding.words for finding in check.findings)


@settings(max_examples=40, deadline=None)
@given(bytes_there=st.binary(max_size=40))
def test_any_bytes(published: Published, bytes_there: bytes) -> None:
    path = published.beside(PROVENANCE_SUFFIX)
    before = path.read_bytes()
    try:
        path.write_bytes(bytes_there)
        check = check_wheel(published.wheel, published.trusted)
    finally:
        path.write_bytes(before)
    assert check.outcome is not Outcome.HOLDS


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_another_value_in_any_place_of_a_file_of_keys(
    published: Published, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    members = json.loads(document.to_text(published.trusted.json()))
    way = data.draw(st.sampled_from(list(places(members))))
    path: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text(json.dumps(with_value(members, way, data.draw(ANYTHING))))
    try:
        read_trusted_keys(path)
    except LlamaproofError as error:
        assert error.what

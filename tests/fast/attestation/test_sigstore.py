"""sigstore in addition: asked only where an identity is at hand, and never counted unseen.

Signing for real needs its services, and so does making a bundle that holds. What is tried here is
how llamaproof asks the library, with a stand-in for its network side, and what becomes of bundles
that do not hold, with the library itself.
"""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llamaproof.attestation import check_wheel, sigstore_bundle
from llamaproof.attestation.sidecars import PROVENANCE_SUFFIX, SIGSTORE_SUFFIX, TESTS_SUFFIX
from llamaproof.attestation.statement import PAYLOAD_TYPE
from llamaproof.errors import LlamaproofError
from llamaproof.reports.outcome import Outcome
from llamaproof.signing.identity import Identity
from tests.support.attestation.signed_wheel import Published, publish

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sigstore") is None, reason="sigstore is not installed"
)
WORKFLOW = Identity(identity="https://ci.example/release.yml@refs/tags/v1", issuer="https://ci")


class StandInVerifier:
    """Of the library's verifier: answers as if a bundle held what it is told to."""

    def __init__(self, kind: str, payload: bytes) -> None:
        self._answer = (kind, payload)

    def verify_dsse(self, _bundle: object, _policy: object) -> tuple[str, bytes]:
        return self._answer


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "files")


def payload_of(published: Published) -> bytes:
    path = published.beside(PROVENANCE_SUFFIX)
    return base64.b64decode(json.loads(path.read_text())["payload"])


def verified_as(monkeypatch: pytest.MonkeyPatch, kind: str, payload: bytes) -> None:
    from sigstore.models import Bundle
    from sigstore.verify import Verifier

    def production(*, offline: bool) -> StandInVerifier:
        assert offline, "nothing is fetched to check a bundle"
        return StandInVerifier(kind, payload)

    monkeypatch.setattr(Verifier, "production", production)
    monkeypatch.setattr(Bundle, "from_json", lambda data: data)


def test_without_an_identity_at_hand_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from sigstore import oidc

    monkeypatch.setattr(oidc, "detect_credential", lambda: None)
    assert sigstore_bundle.sign(b"{}") is None


def test_a_job_that_may_not_ask_for_an_identity_signs_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sigstore import oidc

    def refused() -> str:
        raise oidc.IdentityError("no permission")

    monkeypatch.setattr(oidc, "detect_credential", refused)
    assert sigstore_bundle.sign(b"{}") is None


def test_with_one_the_statement_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_identity(monkeypatch)
    assert sigstore_bundle.sign(statement()) == b"a bundle around " + statement()


def test_a_service_that_does_not_answer_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_identity(monkeypatch, fails=True)
    with pytest.raises(LlamaproofError, match="sigstore did not sign with it"):
        sigstore_bundle.sign(statement())


def statement() -> bytes:
    digest = '{"sha256": "' + "0" * 64 + '"}'
    return (
        '{"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "w", "digest": '
        + digest
        + '}], "predicateType": "https://slsa.dev/provenance/v1", "predicate": {}}'
    ).encode()


def with_identity(monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> None:
    """A job's identity, and services that sign, or that cannot be reached."""
    from sigstore import oidc
    from sigstore.models import ClientTrustConfig
    from sigstore.sign import SigningContext

    class Signer:
        def sign_dsse(self, made: Any) -> Signer:
            if fails:
                raise ConnectionError("unreachable")
            self.payload = bytes(made._contents)
            return self

        def to_json(self) -> str:
            return "a bundle around " + self.payload.decode()

    class Context:
        @contextmanager
        def signer(self, token: str) -> Iterator[Signer]:
            assert token == "identity of a token"
            yield Signer()

    monkeypatch.setattr(oidc, "detect_credential", lambda: "a token")
    monkeypatch.setattr(oidc, "IdentityToken", lambda token: f"identity of {token}")
    monkeypatch.setattr(ClientTrustConfig, "production", lambda: None)
    monkeypatch.setattr(SigningContext, "from_trust_config", lambda _config: Context())


def test_the_library_takes_what_is_signed_for_statements(published: Published) -> None:
    from sigstore.dsse import Statement

    path = published.beside(TESTS_SUFFIX)
    results = [base64.b64decode(e["payload"]) for e in json.loads(path.read_text())["envelopes"]]
    for payload in (payload_of(published), *results):
        assert Statement(payload)._contents == payload


def test_a_bundle_that_is_none_is_a_defect() -> None:
    finding = sigstore_bundle.check(b'{"mediaType": "x"}', b"", [WORKFLOW])
    assert finding.outcome is Outcome.DEFECT and finding.code == "sigstore.bad"


def test_without_an_identity_to_expect_a_bundle_is_not_counted(published: Published) -> None:
    published.beside(SIGSTORE_SUFFIX).write_text("{}")
    check = check_wheel(published.wheel, published.trusted)
    assert check.outcome is Outcome.HOLDS
    assert "sigstore.no-identity" in {f.code for f in check.findings}


def test_a_bundle_about_this_statement_holds(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = payload_of(published)
    verified_as(monkeypatch, PAYLOAD_TYPE, payload)
    finding = sigstore_bundle.check(b"{}", payload, [WORKFLOW])
    assert finding.outcome is Outcome.HOLDS and WORKFLOW.identity in finding.words


def test_a_root_of_trust_that_cannot_be_read_decides_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sigstore.errors import TUFError
    from sigstore.models import Bundle
    from sigstore.verify import Verifier

    def fails(*, offline: bool) -> None:
        raise TUFError(f"no root of trust, offline: {offline}")

    monkeypatch.setattr(Bundle, "from_json", lambda data: data)
    monkeypatch.setattr(Verifier, "production", fails)
    finding = sigstore_bundle.check(b"{}", b"", [WORKFLOW])
    assert finding.outcome is Outcome.NOT_CHECKED


@pytest.mark.parametrize("kind, more", [("text/plain", b""), (PAYLOAD_TYPE, b" ")])
def test_a_bundle_about_another_statement_is_a_defect(
    published: Published, monkeypatch: pytest.MonkeyPatch, kind: str, more: bytes
) -> None:
    payload = payload_of(published)
    verified_as(monkeypatch, kind, payload + more)
    finding = sigstore_bundle.check(b"{}", payload, [WORKFLOW])
    assert finding.outcome is Outcome.DEFECT and finding.code == "sigstore.other-statement"

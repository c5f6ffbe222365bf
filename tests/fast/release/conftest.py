"""A publisher with two wheels that may be released."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.release.shop import EPOCH, Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    monkeypatch.delenv("LLAMAPROOF_SIGNING_KEY", raising=False)
    return open_shop(tmp_path / "shop")

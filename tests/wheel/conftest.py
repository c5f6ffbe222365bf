from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.needs import built_wheel


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel in LLAMAPROOF_WHEEL, else the newest CUDA wheel in dist/."""
    found = built_wheel()
    assert found is not None
    return found

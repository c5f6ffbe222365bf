from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.needs import stock_libraries


@pytest.fixture(scope="session")
def stock() -> Path:
    """Libraries of stock 0.3.16 built for sm_89, from LLAMAPROOF_STOCK_LIBS."""
    found = stock_libraries()
    assert found is not None
    return found

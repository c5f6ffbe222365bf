"""The first folder of a test's path says what the test needs; what lacks it is skipped, in words.

Every test needs llamaproof's own native libraries and a C++ compiler: `just test` makes the first
with the second.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import needs

pytest_plugins = ["tests.support.executor.fixtures"]

_TESTS = Path(__file__).parent

# By folder: why its tests cannot run here, or None where they can.
_LACKING: dict[str, Callable[[], str | None]] = {
    "fast": lambda: None,
    "browser": needs.lacking_browser,
    "clients": needs.lacking_clients,
    "nvcc": needs.lacking_nvcc,
    "releases": lambda: None,  # each test names the releases it is about
    "stock": needs.lacking_stock,
    "wheel": needs.lacking_wheel,
    "installed": needs.lacking_installed,
}


def pytest_configure(config: pytest.Config) -> None:
    if not needs.native_libraries_are_built():
        raise pytest.UsageError("llamaproof's native libraries are not built: just native")
    for folder in _LACKING:
        config.addinivalue_line("markers", f"{folder}: the tests of tests/{folder}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {folder: lacking() for folder, lacking in _LACKING.items()}
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        if folder not in reasons:
            raise pytest.UsageError(
                f"{item.path}: a test belongs to a folder that says what it needs: "
                f"{', '.join(reasons)}"
            )
        item.add_marker(folder)
        reason = reasons[folder]
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))

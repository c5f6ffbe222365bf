from __future__ import annotations

from collections.abc import Iterator

import pytest

from llamaproof.executor.library import default_library
from llamaproof.executor.machine import Emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    if not default_library().is_file():
        pytest.skip("libllamaproof_emulator.so is not built (just build-native)")
    with Emulator() as device:
        yield device

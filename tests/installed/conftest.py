"""The environment the wheel was installed in, and a way to run Python there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from llamaproof.abi.device import DeviceCode, read_device_code
from llamaproof.process import Completed, run
from llamaproof.target import open_target
from tests.support.installed.scripts import RunPython
from tests.support.models import SMALL_MODELS, write_model

# Nothing of this process may help the wheel to find its libraries or another llama_cpp.
_HELPFUL = ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "LLAMA_CPP_LIB_PATH")


@pytest.fixture(scope="session")
def wheel_python() -> Path:
    """The interpreter of the environment with the wheel, from LLAMAPROOF_WHEEL_PYTHON."""
    path = Path(os.environ["LLAMAPROOF_WHEEL_PYTHON"])
    assert path.is_file(), f"LLAMAPROOF_WHEEL_PYTHON is {path}: no such interpreter"
    return path


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel itself, from LLAMAPROOF_WHEEL."""
    return Path(os.environ["LLAMAPROOF_WHEEL"])


@pytest.fixture(scope="session")
def gpu_code(wheel: Path) -> DeviceCode:
    """The wheel's GPU code; what needs it is skipped for a wheel without."""
    with open_target(str(wheel)) as target:
        code = read_device_code(target.libraries)
    if not code.fatbins:
        pytest.skip("this wheel is for the CPU: it has no GPU code")
    return code


@pytest.fixture(scope="session")
def run_python(wheel_python: Path) -> RunPython:
    """Run that interpreter with arguments, isolated; `settings` are added to its environment."""

    def run_there(
        *arguments: str | Path, settings: dict[str, str] | None = None, check: bool = True
    ) -> Completed:
        env = {key: value for key, value in os.environ.items() if key not in _HELPFUL}
        command: Sequence[str | Path] = (wheel_python, "-I", *arguments)
        return run(command, env={**env, **(settings or {})}, check=check, silence_limit_s=300)

    return run_there


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every small model, written once."""
    folder = tmp_path_factory.mktemp("models")
    return {
        name: write_model(model, folder / f"{name}.gguf") for name, model in SMALL_MODELS.items()
    }

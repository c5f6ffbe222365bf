"""The GPUs of this machine, asked of NVIDIA's driver itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llamaproof.binary.cuda_libraries import DRIVER
from llamaproof.doctor.findings import DoctorFinding, fine, note, stops
from llamaproof.errors import CommandFailed
from llamaproof.workers.worker import Worker

_WORKER = Worker(
    module="llamaproof.doctor.driver_worker",
    failed="the driver could not be asked",
    silence_limit_s=60.0,
    vouched_for=False,
)
_DEVICE_NODES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU as the driver describes it.

    Attributes:
        sm: compute capability as one number: 89 is 8.9.
    """

    name: str
    sm: int
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Driver:
    """What the driver said.

    Attributes:
        error: why it could not be asked, in words; empty when it answered.
        cuda_version: the newest CUDA it runs, as major and minor; None without an answer.
    """

    error: str
    cuda_version: tuple[int, int] | None
    gpus: tuple[Gpu, ...]


def ask_driver(environ: Mapping[str, str]) -> Driver:
    """Ask the driver, in a process of its own: loading it must not change this one."""
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        try:
            answer = _WORKER.ask({"library": DRIVER}, Path(scratch), about=DRIVER, env=environ)
        except CommandFailed as error:
            return Driver(error=error.what, cuda_version=None, gpus=())
    version = answer["cuda_version"]
    return Driver(
        error=answer["refusal"],
        cuda_version=(version // 1000, version % 1000 // 10) if version else None,
        gpus=tuple(Gpu(**gpu) for gpu in answer["gpus"]),
    )


def examine_driver(
    driver: Driver, needed_cuda: int | None, environ: Mapping[str, str]
) -> list[DoctorFinding]:
    """What the driver's answer means.

    Args:
        needed_cuda: the CUDA major version that the package is linked to, where it is known.
    """
    found = list(_visibility(driver, environ))
    if driver.gpus:
        names = ", ".join(f"{gpu.name} (sm_{gpu.sm})" for gpu in driver.gpus)
        found.append(fine("gpu", f"the driver sees {names}"))
    elif driver.error:
        found.append(_no_driver(driver.error))
    elif not found:
        found.append(note("no-gpu", "there is an NVIDIA driver and no GPU"))
    if driver.cuda_version and needed_cuda and driver.cuda_version[0] < needed_cuda:
        has = ".".join(map(str, driver.cuda_version))
        found.append(
            stops(
                "old-driver",
                f"the driver runs CUDA up to {has}, and the package is built with {needed_cuda}",
                f"update the driver, or install a wheel built with CUDA {driver.cuda_version[0]}",
            )
        )
    return found


def _visibility(driver: Driver, environ: Mapping[str, str]) -> list[DoctorFinding]:
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None or driver.gpus:
        return []
    if value.strip() in ("", "-1", "NoDevFiles"):
        what = f"CUDA_VISIBLE_DEVICES={value!r} hides every GPU"
        return [stops("hidden", what, "unset CUDA_VISIBLE_DEVICES")]
    return [note("visibility", f"CUDA_VISIBLE_DEVICES is {value!r}")]


def _no_driver(error: str) -> DoctorFinding:
    if any(Path(node).exists() for node in _DEVICE_NODES):
        return stops(
            "no-driver-library",
            f"there is a GPU device here, and its driver's library is not: {error}",
            "in a container, start it with the GPU (docker run --gpus all); else reinstall the "
            "driver",
        )
    return note("no-driver", f"there is no NVIDIA driver here: {error}")

"""Small dask clusters of processes on this machine, and a target that reaches their workers."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
from distributed import LocalCluster

from llamaproof.target import Target, open_target

# So many workers a batch may take with it: fewer than dask's 3, to be fast.
ALLOWED_FAILURES = 1


@contextlib.contextmanager
def local_cluster(n_workers: int, folder: Path) -> Iterator[Any]:
    """So many worker processes, each with a nanny that starts it again when it dies."""
    settings: dict[str, Any] = {
        # Another test may have brought a made-up NVML into this process.
        "distributed.diagnostics.nvml": False,
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        # On a machine that does much else, a worker may take long to be there again.
        "distributed.deploy.lost-worker-timeout": "5 minutes",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            local_directory=str(folder),
        ) as cluster,
    ):
        yield cluster


@contextlib.contextmanager
def a_wheel(folder: Path, held: str = "what it holds") -> Iterator[Target]:
    """A wheel whose one library is a text."""
    wheel = folder / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llama_cpp/llama_cpp.py", "")
        archive.writestr("llama_cpp/__init__.py", '__version__ = "1.0"\n')
        archive.writestr("llama_cpp/lib/libllama.so", held)
    with open_target(str(wheel)) as target:
        yield target

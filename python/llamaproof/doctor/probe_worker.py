"""Import a llama_cpp package and tell what it says of itself, as JSON; a process of its own.

Run as `python -m llamaproof.doctor.probe_worker JOB RESULT`.

JOB: {"package", "whole", "session": see `workers.handover`, or null}. With `whole` the package is
imported as a user would, dependencies included; else its ctypes module alone.
RESULT: {"devices", "system_info", "defaults"}, or {"refusal": in the words of whoever refused}.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from llamaproof.model_run.bindings import devices_of, import_bindings
from llamaproof.workers import handover
from llamaproof.workers.worker import serve


def examine(job: dict[str, Any]) -> dict[str, Any]:
    """What the package says, or how it refuses to be loaded."""
    package = Path(job["package"])
    try:
        if job["session"]:
            handover.load(job["session"])
        llama = _import_whole(package) if job["whole"] else import_bindings(package)
        return _describe(llama)
    except Exception as error:  # whatever a package's own code raises is its answer
        return {"refusal": f"{type(error).__name__}: {error}"}


def _import_whole(package: Path) -> Any:
    sys.path.insert(0, str(package.parent))
    importlib.import_module(package.name)
    return sys.modules[f"{package.name}.llama_cpp"]


def _describe(llama: Any) -> dict[str, Any]:
    llama.llama_backend_init()
    params = llama.llama_context_default_params()
    names = [name for name, _ in params._fields_]
    values = {name: getattr(params, name) for name in names}
    plain = {name: v for name, v in values.items() if isinstance(v, (bool, int, float))}
    return {
        "devices": devices_of(Path(llama._lib._name).parent),
        "system_info": llama.llama_print_system_info().decode(errors="replace"),
        "defaults": plain,
    }


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))

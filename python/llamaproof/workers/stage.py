"""A target's libraries, made ready to run on shadow GPUs in a process that is yet to be started."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.target import Target
from llamaproof.target.libraries import linux_libraries
from llamaproof.workers import handover


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A session that is ready to be run by a worker.

    Attributes:
        folder: for the worker's files; there as long as the context that made it.
        session: what the worker loads.
        job: what a job needs in it to run on the session.
    """

    folder: Path
    session: shadow.Session
    job: Mapping[str, Any]

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, with what the session adds."""
        return {**os.environ, **self.session.environment}


@contextmanager
def staged(
    target: Target, gpus: Sequence[shadow.Gpu], *, executor: Path | None = None
) -> Iterator[Stage]:
    """Make a target's libraries ready to run on shadow GPUs; without any, on a machine without.

    Args:
        executor: the library that executes kernels; without it they are only recorded.

    Raises:
        BadInput: the shadow runtime cannot serve the target's libraries.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        session = shadow.prepare(
            linux_libraries(target),
            gpus,
            folder=Path(scratch),
            mode="record" if executor is None else "execute",
            executor=executor,
        )
        yield Stage(
            folder=Path(scratch),
            session=session,
            job={
                "lib_dir": str(target.lib_dir),
                "session": handover.describe(session),
                "executor": str(executor) if executor is not None else None,
            },
        )

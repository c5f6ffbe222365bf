"""A job for a process of its own: asked as JSON, answered as JSON.

A process can hold one target's libraries and one set of shadow GPUs, and what it examines may end
it: so whatever loads a target runs as `python -m MODULE JOB RESULT`. A job names the folder of the
libraries (`lib_dir`) and what else its module asks for; its result is the module's answer, or
{"error": {"what", "where", "hint"}}. Lines that are a number tell how far it is.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import process, shadow
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.target import Target
from llamaproof.workers import handover
from llamaproof.workers.last_words import last_words
from llamaproof.workers.loadable import linux_libraries

WORKER_ENVIRONMENT = {
    # A graph that is repeated would be launched whole, without its kernels' names.
    "GGML_CUDA_DISABLE_GRAPHS": "1",
    # gdb, called from an aborting child, takes seconds and tells nothing here.
    "GGML_NO_BACKTRACE": "1",
}


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A module that answers jobs, and how it is spoken of.

    Attributes:
        module: its name, as `llamaproof.placement.shadow_worker`.
        failed: what it means when it does not answer: `the libraries could not be examined`.
        silence_limit_s: seconds without a line after which it is ended.
    """

    module: str
    failed: str
    silence_limit_s: float

    def ask(
        self,
        job: Mapping[str, Any],
        folder: Path,
        *,
        about: object,
        env: Mapping[str, str],
        on_done: Callable[[int], None] | None = None,
    ) -> dict[str, Any]:
        """Start it, wait for its end, and take its answer.

        Args:
            folder: for the job's files.
            about: what is examined, for errors.
            env: the whole environment, but for WORKER_ENVIRONMENT.
            on_done: told each number the worker prints.

        Raises:
            LlamaproofError: the worker says what went wrong.
            CommandFailed: it did not come to say it.
        """
        question, answer = folder / "job.json", folder / "result.json"
        question.write_text(json.dumps(job), encoding="utf-8")

        def on_line(line: str) -> None:
            if on_done is not None and line.isdigit():
                on_done(int(line))

        completed = process.run(
            [sys.executable, "-m", self.module, question, answer],
            env={**env, **WORKER_ENVIRONMENT},
            on_line=on_line,
            silence_limit_s=self.silence_limit_s,
            check=False,
        )
        if completed.returncode != 0 or not answer.is_file():
            how = process.describe_status(completed.returncode)
            raise CommandFailed(
                f"{self.failed}: {last_words(completed.output, how)}",
                where=about,
                returncode=completed.returncode,
                output=completed.lines,
            )
        result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in result:
            error = result["error"]
            raise LlamaproofError(error["what"], where=about, hint=error["hint"])
        return result


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A session that is ready to be run by a worker.

    Attributes:
        folder: for the worker's files; there as long as the context that made it.
        job: what a job needs in it to run on the session.
        session_env: what the session adds to the worker's environment.
    """

    folder: Path
    job: Mapping[str, Any]
    session_env: Mapping[str, str]

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, with what the session adds."""
        return {**os.environ, **self.session_env}


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
            job={
                "lib_dir": str(target.lib_dir),
                "session": handover.describe(session),
                "executor": str(executor) if executor is not None else None,
            },
            session_env=session.environment,
        )


def serve(arguments: Sequence[str], examine: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """The worker's main: examine the job; the result says what went wrong, if anything did."""
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        result = examine(job)
    except LlamaproofError as error:
        result = describe_error(error)
    Path(arguments[1]).write_text(json.dumps(result), encoding="utf-8")
    return 0


def describe_error(error: LlamaproofError) -> dict[str, Any]:
    """An error as a worker's result."""
    return {"error": {"what": error.what, "where": error.where, "hint": error.hint}}

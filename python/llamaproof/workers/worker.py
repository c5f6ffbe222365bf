"""A module that runs as a process of its own, is asked one job, and answers it.

A process can hold one target's libraries and one set of shadow GPUs, and what it examines may end
it: so whatever loads a target runs as `python -m MODULE JOB RESULT`. Both are JSON files. A job
names what its module asks for; the result is the module's answer, or {"error": {"what", "where",
"hint"}}. Lines on standard output that are a number tell how far it is.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import process
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.workers.last_words import last_words

# gdb, called from an aborting child, takes seconds and tells nothing here.
_WITHOUT_DEBUGGER = {"GGML_NO_BACKTRACE": "1"}
# A graph that is repeated would be launched whole, without its kernels' names.
_KERNEL_BY_KERNEL = {"GGML_CUDA_DISABLE_GRAPHS": "1"}
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A worker that ran to its end, whatever end that was.

    Attributes:
        how: in words, as in `was killed by SIGABRT`.
        lines: what it printed, ggml's own messages among it.
        result: the file of its result; it may not be there.
    """

    returncode: int
    how: str
    lines: tuple[str, ...]
    result: Path

    @property
    def last_words(self) -> str:
        """Why it ended, in one line."""
        return last_words("\n".join(self.lines), self.how)


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A module that answers jobs, and how it is started and spoken of.

    Attributes:
        module: its name, as `llamaproof.placement.shadow_worker`.
        failed: what it means when it does not answer: `the libraries could not be examined`.
        silence_limit_s: seconds without a line after which it is ended.
        hint: what to do when it does not answer.
        vouched_for: whether it may see this environment's packages. Without, it is a script that
            has the standard library alone, and its answer is the same everywhere.
        cuda_graphs: let ggml launch whole graphs, as it does for its users: for those who time.
    """

    module: str
    failed: str
    silence_limit_s: float
    hint: str = ""
    vouched_for: bool = True
    cuda_graphs: bool = False

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
            env: as for `run`.
            on_done: told each number the worker prints.

        Raises:
            LlamaproofError: the worker says what went wrong.
            CommandFailed: it did not come to say it.
        """

        def on_line(line: str) -> None:
            if on_done is not None and line.isdigit():
                on_done(int(line))

        return self.answer_of(self.run(job, folder, env=env, on_line=on_line), about=about)

    def run(
        self,
        job: Mapping[str, Any],
        folder: Path,
        *,
        env: Mapping[str, str],
        on_line: Callable[[str], None] | None = None,
    ) -> Ended:
        """Start it and wait for its end; what the end means is the caller's to say.

        Args:
            folder: for the job's files.
            env: what the worker's environment is made of, see `environment`.
            on_line: told each line the worker prints.

        Raises:
            CommandFailed: it could not be started, or fell silent.
        """
        completed = process.run(
            self.command(job, folder),
            cwd=None if self.vouched_for else folder,
            env=self.environment(env),
            on_line=on_line,
            silence_limit_s=self.silence_limit_s,
            check=False,
        )
        return self.ended(completed, folder)

    def ended(self, completed: process.Completed, folder: Path) -> Ended:
        """How it ended that was started by its `command`, in the same folder."""
        return Ended(
            returncode=completed.returncode,
            how=process.describe_status(completed.returncode),
            lines=completed.lines,
            result=folder / "result.json",
        )

    def answer_of(self, ended: Ended, *, about: object) -> dict[str, Any]:
        """What it answered; raises as `ask` does."""
        if ended.returncode != 0 or not ended.result.is_file():
            raise CommandFailed(
                f"{self.failed}: {ended.last_words}",
                where=about,
                hint=self.hint,
                returncode=ended.returncode,
                output=ended.lines,
            )
        result: dict[str, Any] = json.loads(ended.result.read_text(encoding="utf-8"))
        if "error" in result:
            error = result["error"]
            raise LlamaproofError(error["what"], where=about, hint=error["hint"])
        return result

    def command(self, job: Mapping[str, Any], folder: Path) -> tuple[str | Path, ...]:
        """The command that answers a job, which is written into the folder.

        An earlier result there is removed: it would be taken for the answer.
        """
        question, answer = folder / "job.json", folder / "result.json"
        question.write_text(json.dumps(job), encoding="utf-8")
        answer.unlink(missing_ok=True)
        return self.started_with(question, answer)

    def started_with(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        """The command that runs the module with some arguments."""
        if self.vouched_for:
            return (sys.executable, "-m", self.module, *arguments)
        found = importlib.util.find_spec(self.module)
        assert found is not None and found.origin is not None
        return (sys.executable, "-I", "-S", "-B", found.origin, *arguments)

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The environment it runs in: another, with this llamaproof first, and no other modules.

        Whatever lies in the working directory is not imported in place of a module of the same
        name (from Python 3.11 on).
        """
        paths = [str(_ROOT), base.get("PYTHONPATH", "")]
        return {
            **base,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONSAFEPATH": "1",
            **_WITHOUT_DEBUGGER,
            **({} if self.cuda_graphs else _KERNEL_BY_KERNEL),
        }


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

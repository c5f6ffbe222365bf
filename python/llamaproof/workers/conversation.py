"""A worker that is asked again and again, and keeps what it has loaded meanwhile.

It is a module like any other worker's, started as `python -m MODULE DESCRIPTOR`: over that pipe it
is sent an opening, which it greets, and then questions, one at a time, until the pipe closes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Protocol

from llamaproof import process
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.workers.last_words import last_words
from llamaproof.workers.worker import Worker

_END_GRACE_S = 5.0


class WorkerDied(CommandFailed):
    """The process ended in the middle of a question: an abort, a crash, or no answer in time."""


class Conversation:
    """The asking end.

    Args:
        worker: its silence limit is what an answer may take.
        opening: what it is to be opened with; like questions and answers, anything that pickles.
        env: what the worker's environment is made of, see `Worker.environment`.

    Attributes:
        greeting: what the worker found when it opened.

    Raises:
        LlamaproofError: what the worker says to the opening.
        WorkerDied: opening ended the process.
    """

    def __init__(self, worker: Worker, opening: object, *, env: Mapping[str, str]) -> None:
        self._limit_s = worker.silence_limit_s
        with contextlib.ExitStack() as held:
            self._printed = held.enter_context(tempfile.TemporaryFile())
            self._pipe, theirs = Pipe()
            with theirs:
                self._child = held.enter_context(
                    process.beside(
                        worker.started_with(str(theirs.fileno())),
                        output=self._printed,
                        env=worker.environment(env),
                        descriptors=(theirs.fileno(),),
                        grace_s=_END_GRACE_S,
                    )
                )
            # The pipe closes first: that is what tells the worker to end.
            held.callback(self._pipe.close)
            self.greeting: Any = self._answer_to(opening, doing="load the libraries")
            self._held = held.pop_all()

    def ask(self, what: str, argument: object = None) -> Any:
        """The answer to a question.

        Raises:
            LlamaproofError: what the worker says went wrong; it can be asked again.
            WorkerDied: there will be no answer, to this question or another.
        """
        doing = what if argument is None else f"{what} {argument}"
        return self._answer_to((what, argument), doing=doing)

    def end(self) -> None:
        """End the process."""
        self._held.close()

    def _answer_to(self, message: object, *, doing: str) -> Any:
        with contextlib.suppress(BrokenPipeError):  # how it died shows when it is listened to
            self._pipe.send(message)
        try:
            if not self._pipe.poll(self._limit_s):
                self._child.end()
                raise self._died(f"gave no answer in {self._limit_s:.0f} s", doing)
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            status = self._child.ended(within_s=_END_GRACE_S)
            how = "ended its answers" if status is None else process.describe_status(status)
            raise self._died(how, doing) from error
        if isinstance(answer, LlamaproofError):
            raise answer
        return answer

    def _died(self, how: str, doing: str) -> WorkerDied:
        self._printed.seek(0)
        output = self._printed.read().decode("utf-8", "replace")
        lines = tuple(output.splitlines()[-20:])
        return WorkerDied(f"{last_words(output, how)}, when asked to {doing}", output=lines)


class Answerer(Protocol):
    """What answers questions, once it is opened.

    Attributes:
        greeting: what is said to the opening.
    """

    greeting: Any

    def answer(self, what: str, argument: Any) -> Any:
        """The answer to a question.

        Raises:
            LlamaproofError: what went wrong; said to whoever asked.
        """


def converse(
    arguments: Sequence[str],
    opened: Callable[[Any], contextlib.AbstractContextManager[Answerer]],
) -> int:
    """The worker's main: answer questions until the asking end closes the pipe.

    An error that is not of llamaproof's own kind ends the process, and is told as its death.
    """
    faulthandler.enable()
    pipe = Connection(int(arguments[0]))
    try:
        with opened(pipe.recv()) as answerer:
            pipe.send(answerer.greeting)
            while True:
                pipe.send(_answer(answerer, *pipe.recv()))
    except LlamaproofError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _answer(answerer: Answerer, what: str, argument: Any) -> Any:
    try:
        return answerer.answer(what, argument)
    except LlamaproofError as error:
        return error

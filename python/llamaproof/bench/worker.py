"""A process that holds one target's libraries and measures points on request.

A process can hold one release of ggml only, and an abort in a kernel must cost one point: so each
target has a worker of its own, which goes on answering until it is ended.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.check import CheckResult
from llamaproof.bench.cuda_driver import Gpu
from llamaproof.bench.points import Point
from llamaproof.bench.samples import Round, Work
from llamaproof.ggml import KvLayout
from llamaproof.target import Target
from llamaproof.workers.conversation import Conversation
from llamaproof.workers.worker import Worker

if TYPE_CHECKING:
    from llamaproof import shadow

Where = Literal["gpu", "cpu", "emulator"]

# Compiling PTX for a card without machine code of its own takes minutes, once.
_ANSWER_LIMIT_S = 300.0
# A kernel of many tokens over a long context keeps the emulator busy for hours.
_COUNT_LIMIT_S = 4 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a worker is opened with.

    Attributes:
        where: the backend to measure on, or the emulator to count work on.
        n_threads: threads of the CPU backend.
        kv_layout: of the release, for a target without libllama.
        emulated: the card the emulator plays.
    """

    target: Target
    where: Where
    n_threads: int
    kv_layout: KvLayout | None = None
    emulated: shadow.Gpu | None = None


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a worker found when it loaded its target.

    Attributes:
        backends: registry names of ggml's backends and their devices' names.
        kv_layout: where the release's graph puts a latent V.
        gpu: the device measured; None on the CPU backend.
        driver_version: of NVIDIA's driver, where known.
        clocks_missing: why clocks cannot be read; empty when they can.
    """

    ggml_version: str
    backends: tuple[str, ...]
    kv_layout: KvLayout
    device: str
    gpu: Gpu | None
    driver_version: str
    clocks_missing: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A cell on the device, warmed up.

    Attributes:
        supported: `supports_op` takes every node; else nothing was opened.
        seconds: that one graph takes.
        n_layers: layers in the graph, each with a K/V cache of its own.
        allocated: bytes on the device.
        least_bytes: that a perfect kernel moves per layer.
    """

    supported: bool
    seconds: float = 0.0
    n_layers: int = 0
    allocated: int = 0
    least_bytes: int = 0


class MeasuringWorker:
    """The asking end of a worker process.

    Attributes:
        hello: what it found when it loaded its target.

    Raises:
        LlamaproofError: the libraries cannot be loaded, or they have no such backend.
        WorkerDied: loading them ended the process.
    """

    def __init__(self, setup: Setup) -> None:
        counts = setup.where == "emulator"
        worker = Worker(
            module="llamaproof.bench.measuring_worker",
            failed="the target could not be measured",
            silence_limit_s=_COUNT_LIMIT_S if counts else _ANSWER_LIMIT_S,
            cuda_graphs=not counts,
        )
        self._conversation = Conversation(worker, setup, env=os.environ)
        self.hello: Hello = self._conversation.greeting

    def supports(self, point: Point) -> bool:
        """Whether the backend takes the cell."""
        return bool(self._ask("supports", point))

    def open(self, point: Point) -> Opened:
        """Put a cell on the device and warm it up; closes the one before."""
        opened: Opened = self._ask("open", point)
        return opened

    def round(self) -> Round:
        """A round of samples of the open cell."""
        taken: Round = self._ask("round")
        return taken

    def close(self) -> None:
        """Free the open cell's memory."""
        self._ask("close")

    def check(self, point: Point) -> CheckResult | None:
        """Compare the device's result; None where the backend does not take the cell."""
        result: CheckResult | None = self._ask("check", point)
        return result

    def ceilings(self) -> Ceilings:
        """Measure the device's copy and GEMM rates."""
        measured: Ceilings = self._ask("ceilings")
        return measured

    def count(self, point: Point) -> Work | None:
        """Count a cell's exact work; None where the backend does not take the cell."""
        work: Work | None = self._ask("count", point)
        return work

    def end(self) -> None:
        """End the process."""
        self._conversation.end()

    def _ask(self, what: str, point: Point | None = None) -> Any:
        return self._conversation.ask(what, point)

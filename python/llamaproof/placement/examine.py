"""Compute one cell, and every cell in turn, in a process that has a target's libraries loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from llamaproof.attention import node
from llamaproof.attention.cell import Cell
from llamaproof.ggml import Device, Ggml, Stream
from llamaproof.workers.forking import HANG_LIMIT_S, Died, run_forked

PROGRESS_STEP = 200

# name, grid, block, dynamic shared bytes
LaunchRow = tuple[str, tuple[int, int, int], tuple[int, int, int], int]


class LaunchLog(Protocol):
    """What takes note of kernel launches."""

    def reset(self) -> None:
        """Forget them."""

    def rows(self) -> list[LaunchRow]:
        """Those since the last reset."""


def examine_cell(
    library: Ggml, device: Device, stream: Stream, log: LaunchLog, cell: Cell
) -> dict[str, Any] | None:
    """A cell's launches as `{"launches": rows}`; None where supports_op says no."""
    with node.context_for(library) as context:
        attention = node.build(context, cell).node
        if not device.supports_op(attention):
            return None
        graph = context.graph(attention)
        with context.allocated(device):
            log.reset()
            stream.compute(graph)
            return {"launches": log.rows()}


def answers(
    cells: Sequence[Cell],
    examine: Callable[[Cell], Any],
    *,
    n_children: int,
    step: int = PROGRESS_STEP,
    hang_limit_s: float = HANG_LIMIT_S,
) -> list[Any]:
    """The answer to each cell, from forked children; prints how many are done, every `step`.

    A cell whose child died is answered `{"died": {"how", "output"}}`.
    """
    found: list[Any] = [None] * len(cells)
    done = 0

    def keep(index: int, answer: Any | Died) -> None:
        nonlocal done
        if isinstance(answer, Died):
            answer = {"died": {"how": answer.how, "output": answer.output}}
        found[index] = answer
        done += 1
        if done % step == 0 or done == len(cells):
            print(done, flush=True)

    run_forked(cells, examine, n_children=n_children, on_answer=keep, hang_limit_s=hang_limit_s)
    return found

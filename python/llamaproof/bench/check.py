"""Whether a device's attention is right: against the same libraries' CPU backend and float64."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.attention.cell import Cell
from llamaproof.attention.compute import PlacedCell, compute, placed
from llamaproof.attention.error import MAX_NMSE, MAX_ROW_NMSE, error_of, nmse, settled
from llamaproof.attention.families import RANDOM, Family
from llamaproof.attention.inputs import Floats
from llamaproof.attention.reference import exact
from llamaproof.bench.points import Point
from llamaproof.ggml import Device, Ggml, Stream

# Work of the CPU backend per cell; beyond it only some of the tokens are compared.
CPU_FLOP = 8e9


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a comparison gave.

    Attributes:
        tokens: query tokens compared of each stream (all heads of each); of all that are computed.
        device_exact: NMSE of the device against float64.
        device_cpu: NMSE of the device against the CPU backend of the same libraries.
        cpu_exact: NMSE of the CPU backend against float64.
        worst_row: the largest NMSE of one head of one token against float64: a single wrong row
            among thousands hardly moves the NMSE of all.
        largest: the largest absolute error against float64.
        finite: every element of the device's whole result was written and is finite.
        repeats: a second run gave the same bits.
    """

    tokens: int
    device_exact: float
    device_cpu: float
    cpu_exact: float
    worst_row: float
    largest: float
    finite: bool
    repeats: bool

    def __bool__(self) -> bool:
        # Where the CPU backend itself is off (it sums f16 V in f16), float64 alone decides.
        close_to_cpu = self.device_cpu <= MAX_NMSE or self.cpu_exact > MAX_NMSE / 4
        rows_right = self.device_exact <= MAX_NMSE and self.worst_row <= MAX_ROW_NMSE
        return self.finite and rows_right and close_to_cpu

    @property
    def right_where_the_cpu_is_wrong(self) -> bool:
        """The CPU backend is further from float64 than a device may be, and this one is not."""
        return bool(self) and not self.cpu_exact <= MAX_NMSE

    def to_json(self) -> dict[str, Any]:
        return {
            "holds": bool(self),
            **asdict(self),
            "right_where_the_cpu_is_wrong": self.right_where_the_cpu_is_wrong,
        }


def check_cell(
    ggml: Ggml,
    device: Device,
    stream: Stream,
    cell: Cell,
    family: Family = RANDOM,
    *,
    n_threads: int,
) -> CheckResult:
    """Compute a cell on a device, on the CPU backend and in float64.

    Raises:
        BadInput: there is no CPU backend.
        OutOfMemory: it does not fit on the device.
    """
    cpu = ggml.needed_device("CPU")
    inputs = family.make(ggml, cell)
    with placed(ggml, device, cell, inputs) as ready:
        result = _computed_anew(ready, stream)
        again = _computed_anew(ready, stream)
    chosen = _sampled_tokens(cell)
    few, sampled = replace(cell, n_tokens=len(chosen)), inputs.of_tokens(ggml, cell, chosen)
    expected = exact(ggml, few, sampled)
    with cpu.backend_stream(n_threads=n_threads) as host:
        on_cpu = compute(ggml, cpu, host, few, sampled)
    of_streams = result.reshape(cell.n_streams, cell.n_tokens, *result.shape[1:])
    picked, defined = settled(of_streams[:, chosen].reshape(expected.shape), expected)
    on_cpu, _ = settled(on_cpu, expected)
    error = error_of(picked, defined)
    return CheckResult(
        tokens=len(chosen),
        device_exact=error.nmse,
        device_cpu=nmse(picked, on_cpu),
        cpu_exact=nmse(on_cpu, defined),
        worst_row=error.worst_row,
        largest=error.largest,
        finite=not error.not_finite
        and (family.recipe.seen == "nothing" or _is_written(of_streams, chosen)),
        repeats=result.tobytes() == again.tobytes(),
    )


def _computed_anew(ready: PlacedCell, stream: Stream) -> Floats:
    ready.forget()
    return ready.compute(stream)


def _is_written(result: Floats, but: npt.NDArray[np.int64]) -> bool:
    """Whether all tokens but those that are compared anyway are finite."""
    return bool(np.isfinite(np.delete(result, but, axis=1)).all())


def _sampled_tokens(cell: Cell) -> npt.NDArray[np.int64]:
    """Tokens evenly from the first to the last, as many as the CPU backend can do in a while."""
    affordable = max(1, int(CPU_FLOP / (Point(cell=cell).flop / cell.n_tokens)))
    count = min(cell.n_tokens, affordable)
    return np.unique(np.linspace(0, cell.n_tokens - 1, count).round().astype(np.int64))

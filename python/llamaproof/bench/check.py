"""Whether a device's attention is right: against the same libraries' CPU backend and float64."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.attention.reference import MAX_NMSE, attention, nmse
from llamaproof.bench import workload
from llamaproof.bench.cells import Cell
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import Device, Ggml, GgmlType, Stream

# A row computed from wrong inputs is off by about its own size (NMSE 1); rounding of q8_0 queries
# on the CPU backend reaches 1e-3 in a row.
MAX_ROW_NMSE = 1e-2
# Cells of the cache that hold data but are hidden by the mask, as after a context shift: n_kv is
# rounded up to 256 by llama.cpp, so kernels always meet some.
UNUSED = 37
_NEWEST_GAIN = 1.5
_HIDDEN_GAIN = 30.0
# Work of the CPU backend per cell; beyond it only some of the tokens are compared.
CPU_FLOP = 8e9


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a comparison gave.

    Attributes:
        tokens: query tokens compared (all heads of each); of all `n_tokens` computed.
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

    def to_json(self) -> dict[str, Any]:
        return {"holds": bool(self), **asdict(self)}


def check_cell(
    ggml: Ggml, device: Device, stream: Stream, cell: Cell, *, seed: int, n_threads: int
) -> CheckResult:
    """Compute a cell on a device, on the CPU backend and in float64, on fresh random data.

    Raises:
        LlamaproofError: there is no CPU backend.
        OutOfMemory: it does not fit on the device.
    """
    cpu = ggml.device("CPU")
    if cpu is None:
        raise LlamaproofError("the libraries have no CPU backend", where=ggml.lib_dir)
    if cell.prompt:
        cell = replace(cell, prompt=False)
    unused = min(UNUSED, cell.n_kv - cell.n_tokens)
    inputs = telling_inputs(ggml, cell, seed=seed, unused=unused)
    with workload.opened(ggml, device, cell, inputs, n_layers=1, unused=unused) as ready:
        result = workload.compute_outputs(ggml, stream, ready, cell)
        again = workload.compute_outputs(ggml, stream, ready, cell)
    chosen = _sampled_tokens(cell)
    expected = _exact(ggml, cell, inputs, chosen, unused)
    on_cpu = _on_cpu(ggml, cpu, cell, inputs, chosen, unused, n_threads)
    picked = result[chosen]
    return CheckResult(
        tokens=len(chosen),
        device_exact=nmse(picked, expected),
        device_cpu=nmse(picked, on_cpu),
        cpu_exact=nmse(on_cpu, expected),
        worst_row=max(nmse(*pair) for pair in zip(_rows(picked), _rows(expected), strict=True)),
        largest=float(np.max(np.abs(picked - expected))),
        finite=bool(np.isfinite(result).all()),
        repeats=result.tobytes() == again.tobytes(),
    )


def telling_inputs(ggml: Ggml, cell: Cell, *, seed: int, unused: int) -> workload.Inputs:
    """Random inputs in which a cell that is wrongly seen, or missed, shows.

    Among hundreds of equal cells one more or less hardly moves a result. So the newest cells,
    where the mask differs from token to token, are louder than the rest, and the hidden ones so
    loud that one of them would drown everything.
    """
    gains = np.ones(cell.n_kv, dtype=np.float32)
    in_use = cell.n_kv - unused
    gains[in_use - cell.n_tokens : in_use] = _NEWEST_GAIN
    gains[in_use:] = _HIDDEN_GAIN
    return workload.random_inputs(ggml, cell, seed=seed, gains=gains)


def _sampled_tokens(cell: Cell) -> npt.NDArray[np.int64]:
    """Tokens evenly from the first to the last, as many as the CPU backend can do in a while."""
    affordable = max(1, int(CPU_FLOP / (cell.flop / cell.n_tokens)))
    count = min(cell.n_tokens, affordable)
    return np.unique(np.linspace(0, cell.n_tokens - 1, count).round().astype(np.int64))


def _rows(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return values.reshape(-1, values.shape[-1])


def _mask_of(
    cell: Cell, chosen: npt.NDArray[np.int64], rows: int, unused: int
) -> npt.NDArray[np.float16]:
    whole = workload.causal_mask(cell.n_tokens, cell.n_kv, cell.n_tokens, unused=unused)
    mask = np.full((rows, cell.n_kv), -np.inf, dtype=np.float16)
    mask[: len(chosen)] = whole[chosen]
    return mask


def _exact(
    ggml: Ggml,
    cell: Cell,
    inputs: workload.Inputs,
    chosen: npt.NDArray[np.int64],
    unused: int,
) -> npt.NDArray[np.float64]:
    kind = GgmlType.parse(cell.kv_type)
    shape = (cell.n_kv, cell.n_kv_heads, -1)
    k = workload.decoded(ggml, kind, inputs.k, cell.head_k * cell.n_kv_heads).reshape(shape)
    v = workload.decoded(ggml, kind, inputs.v, cell.head_v * cell.n_kv_heads).reshape(shape)
    mask = _mask_of(cell, chosen, len(chosen), unused)
    return attention(inputs.q[chosen], k, v, mask, scale=1.0 / math.sqrt(cell.head_k))


def _on_cpu(
    ggml: Ggml,
    cpu: Device,
    cell: Cell,
    inputs: workload.Inputs,
    chosen: npt.NDArray[np.int64],
    unused: int,
    n_threads: int,
) -> npt.NDArray[np.float32]:
    few = replace(cell, n_tokens=len(chosen))
    sampled = replace_queries(inputs, chosen)
    mask = _mask_of(cell, chosen, ggml.mask_rows(len(chosen)), unused)
    with (
        cpu.backend_stream(n_threads=n_threads) as stream,
        workload.opened(ggml, cpu, few, sampled, n_layers=1, mask=mask) as ready,
    ):
        return workload.compute_outputs(ggml, stream, ready, few)


def replace_queries(inputs: workload.Inputs, chosen: npt.NDArray[np.int64]) -> workload.Inputs:
    """The same cache with some of the query tokens."""
    return replace(inputs, q=np.ascontiguousarray(inputs.q[chosen]))

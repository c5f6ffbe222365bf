"""The attention shapes that are compared with a real GPU, as data."""

from __future__ import annotations

from llamaproof.attention.cell import Cell, HeadSizes, make_cell
from llamaproof.ggml import GgmlType


def _cell(heads: str, kind: GgmlType, ratio: int, n_tokens: int, n_kv: int) -> Cell:
    return make_cell(HeadSizes.parse(heads), kind, kind, ratio, n_tokens, n_kv)


# Each family of kernels, short and long caches, full and partly empty tiles, with and without a
# conversion of K and V in front. A profiler runs each kernel a dozen times over, so they are few.
PROFILE_CELLS = tuple(
    sorted(
        {
            _cell("576/512", GgmlType.F16, 16, 1, 1024),
            _cell("576/512", GgmlType.F16, 16, 1, 4096),
            _cell("576/512", GgmlType.F16, 20, 1, 1024),
            _cell("576/512", GgmlType.F16, 20, 1, 4096),
            _cell("576/512", GgmlType.F16, 20, 8, 4096),
            _cell("576/512", GgmlType.F16, 16, 35, 1024),
            _cell("576/512", GgmlType.F16, 20, 64, 1024),
            _cell("576/512", GgmlType.Q8_0, 20, 1, 4096),
            _cell("128", GgmlType.F16, 4, 1, 4096),
            _cell("128", GgmlType.F16, 8, 35, 1024),
            _cell("128", GgmlType.F16, 4, 64, 1024),
            _cell("128", GgmlType.Q8_0, 4, 1, 4096),
            _cell("64", GgmlType.F16, 4, 8, 1024),
            _cell("64", GgmlType.F16, 1, 1, 4096),
        }
    )
)

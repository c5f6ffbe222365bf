"""The cards that a target brings device code for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from llamaproof import shadow
from llamaproof.dispatch.libraries import linux_libraries
from llamaproof.fatbin import read_fatbins, select
from llamaproof.shadow import Gpu
from llamaproof.target import open_target


def covered_gpus(target_spec: str, gpus: Iterable[Gpu] | None = None) -> tuple[Gpu, ...]:
    """Those of some cards (one for each sm, unless given) that a target has code for.

    A card counts when each of the target's translation units has machine code or PTX that it runs.

    Raises:
        BadInput: it is no target, or one without CUDA code.
    """
    with open_target(target_spec) as target:
        code = shadow.cuda_needs(linux_libraries(target)).code
        return _covered(code, shadow.representatives() if gpus is None else tuple(gpus))


def _covered(code: Sequence[Path], gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    units = [fatbin.entries for library in code for fatbin in read_fatbins(library)]
    return tuple(
        gpu for gpu in gpus if all(select(entries, gpu.sm) is not None for entries in units)
    )

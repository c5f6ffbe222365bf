"""Evidence of releases that never were, for tests of what is made of it."""

from __future__ import annotations

from llamaproof.attention.cell import Cell
from llamaproof.placement.outcome import FALLS_BACK, CellOutcome, aborts
from llamaproof.placement.survey import GpuSurvey, Survey
from tests.support.placement.outcomes import cell, mma, ran

CELLS = tuple(
    sorted(
        cell(heads, ratio=ratio, n_tokens=tokens)
        for heads in ("128", "576/512")
        for ratio in (1, 4, 8, 16, 20, 32)
        for tokens in (1, 8, 512)
    )
)


def evidence(
    *,
    step: int = 16,
    aborting: tuple[int, ...] = (),
    gpus: tuple[str, ...] = ("L40S",),
    code: str = "sm_89",
) -> Survey:
    """A release with kernels for (576, 512) at multiples of `step`; some ratios may abort."""

    def outcome(of: Cell) -> CellOutcome:
        if of.heads.k == 576 and of.ratio in aborting:
            return aborts("fattn.cu:108: GGML_ASSERT(gqa_ratio % 16 == 0) failed <&>")
        if of.heads.k == 576 and of.ratio % step:
            return FALLS_BACK
        return ran(of, mma(4, 4))

    return Survey(
        target=f"release-{step}.whl",
        kind="wheel",
        version="0.3.16",
        sha256="ab" * 32,
        ggml_version="0.0.1",
        kv_layout="v_separate",
        cuda=13,
        cells=CELLS,
        reports=tuple(
            GpuSurvey(
                gpu=gpu,
                sm=89,
                device=f"NVIDIA {gpu}",
                shadow=True,
                code=(code,),
                outcomes={c: outcome(c) for c in CELLS},
                seconds=1.0,
            )
            for gpu in gpus
        ),
    )

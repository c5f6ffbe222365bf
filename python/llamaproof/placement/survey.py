"""What a target was seen to do on each GPU, and its versioned document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.placement.outcome import CellOutcome
from llamaproof.reports.document import Schema

SCHEMA = Schema(name="llamaproof.dispatch", version=3)


ESTIMATES = (
    "holds no machine code for these cards, and their driver would compile its PTX. Which kernel "
    "runs, and its shared memory, are certain; its registers are estimates, and so are grids "
    "that follow from how many blocks fit a multiprocessor"
)


@dataclass(frozen=True, kw_only=True)
class GpuSurvey:
    """The outcomes of one GPU.

    Attributes:
        gpu: the card's name.
        sm: compute capability, as 89.
        device: how ggml describes the device.
        shadow: whether a stand-in played the card; False for a real one.
        code: the architectures of the code it loads (`loaded_code.loaded_code`).
    """

    gpu: str
    sm: int
    device: str
    shadow: bool
    code: tuple[str, ...]
    outcomes: Mapping[Cell, CellOutcome]
    seconds: float

    @property
    def estimates(self) -> bool:
        """Whether registers are estimates: PTX was not compiled, as a driver would."""
        return self.shadow and any(arch.startswith("compute_") for arch in self.code)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a target does to each cell of a grid on each GPU.

    Attributes:
        target: how it was given.
        sha256: of the wheel; None for other kinds of target.
        cuda: CUDA's major version that the target is linked to.
        kv_layout: where V lies when K and V come from one latent (`Ggml.kv_layout`).
    """

    target: str
    kind: str
    version: str | None
    sha256: str | None
    ggml_version: str
    kv_layout: str
    cuda: int
    cells: tuple[Cell, ...]
    reports: tuple[GpuSurvey, ...]

    @property
    def outcomes(self) -> dict[str, Mapping[Cell, CellOutcome]]:
        """By GPU."""
        return {report.gpu: report.outcomes for report in self.reports}

    @property
    def estimated_gpus(self) -> tuple[str, ...]:
        """The GPUs whose registers are estimates."""
        return tuple(report.gpu for report in self.reports if report.estimates)

    def json(self) -> dict[str, Any]:
        """The versioned document.

        `cells` holds one row per cell in the order of `cell_columns`; each GPU's `answers` holds,
        in the same order, indices into `outcomes`.
        """
        index: dict[CellOutcome, int] = {}
        answers = [
            [index.setdefault(report.outcomes[cell], len(index)) for cell in self.cells]
            for report in self.reports
        ]
        return SCHEMA.document(
            target={
                "name": self.target,
                "kind": self.kind,
                "version": self.version,
                "sha256": self.sha256,
            },
            ggml_version=self.ggml_version,
            kv_layout=self.kv_layout,
            cuda=self.cuda,
            cell_columns=list(rows.COLUMNS),
            cells=[rows.to_row(cell) for cell in self.cells],
            outcomes=[outcome_json(outcome) for outcome in index],
            gpus=[
                {
                    "name": report.gpu,
                    "sm": report.sm,
                    "device": report.device,
                    "shadow": report.shadow,
                    "code": list(report.code),
                    "registers_estimated": report.estimates,
                    "answers": row,
                }
                for report, row in zip(self.reports, answers, strict=True)
            ],
        )


def outcome_json(outcome: CellOutcome) -> dict[str, Any]:
    """One outcome, with everything its kernel's name says."""
    if outcome.use is None:
        return {"outcome": outcome.kind, "message": outcome.message}
    use = outcome.use
    return {
        "outcome": outcome.kind,
        "kernel": use.kernel.label,
        "family": use.kernel.family,
        "template": dict(use.kernel.parameters),
        "ncols1": use.kernel.ncols1,
        "ncols2": use.kernel.ncols2,
        "grid": list(use.grid),
        "block": list(use.block),
        "dynamic_shared_bytes": use.shared_bytes,
        "real_columns": use.real_columns,
        "columns": use.columns,
        "k_passes": use.k_passes,
        "helpers": list(use.helpers),
    }

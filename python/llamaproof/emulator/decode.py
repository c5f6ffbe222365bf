"""A whole model on the emulated GPU against the same model on the CPU, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof import shadow
from llamaproof.attention.error import nmse
from llamaproof.errors import BadInput
from llamaproof.executor.launches import ExecutedLaunch, read_reports
from llamaproof.executor.library import default_library
from llamaproof.ggml import GgmlType
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome
from llamaproof.target import Target, open_target
from llamaproof.workers.stage import staged
from llamaproof.workers.worker import Worker

# A whole model adds its layers' errors up, in matrices whose inputs the GPU rounds in other places
# than the CPU does; measured over the kinds of models in tests/support/models: at most 8e-5 with
# f16 weights.
LOGITS_NMSE_LIMIT = 1e-3

SCHEMA = Schema(name="llamaproof.emulated-model", version=2)

_WORKER = Worker(
    module="llamaproof.emulator.decode_worker",
    failed="the model could not be run",
    silence_limit_s=1800.0,
)
_ALL_LAYERS = 9999


@dataclass(frozen=True, kw_only=True)
class DecodeSettings:
    """How the model is run.

    Attributes:
        n_prefill: tokens of the prompt, in one ubatch.
        n_decode: single tokens after it.
    """

    n_prefill: int = 40
    n_decode: int = 4
    type_k: GgmlType = GgmlType.F16
    type_v: GgmlType = GgmlType.F16


@dataclass(frozen=True, kw_only=True)
class DecodedStep:
    """One call of llama_decode on the emulated GPU, and how its logits compare with the CPU's.

    Attributes:
        nmse: of the worst token. same_choice: tokens whose likeliest successor is the same.
    """

    position: int
    n_tokens: int
    seconds: float
    nmse: float
    same_choice: int
    launches: tuple[ExecutedLaunch, ...]
    undefined_reads: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModelEvidence:
    """A model's steps. `cpu_without_flash`: NMSE of the CPU against itself without flash attention,
    a measure of how much rounding alone moves these logits."""

    target: str
    model: str
    gpu: str
    cpu_without_flash: float
    steps: tuple[DecodedStep, ...]

    def json(self) -> dict[str, Any]:
        """A document of plain values."""
        return SCHEMA.document(nmse_limit=LOGITS_NMSE_LIMIT, **asdict(self))

    @property
    def outcome(self) -> Outcome:
        """A defect when a token's logits are wrong or a kernel did what it must not."""
        bad = any(
            not step.nmse <= LOGITS_NMSE_LIMIT
            or step.undefined_reads
            or any(launch.findings for launch in step.launches)
            for step in self.steps
        )
        return Outcome.DEFECT if bad else Outcome.HOLDS


def run_model(
    target_spec: str,
    model: Path,
    gpu: shadow.Gpu,
    settings: DecodeSettings,
    *,
    on_progress: Callable[[str, int], None] | None = None,
) -> ModelEvidence:
    """Decode on the emulated GPU, on the CPU, and on the CPU without flash attention.

    Raises:
        BadInput: no such model, or a target without bindings.
        LlamaproofError: it could not be run.
    """
    if not model.is_file():
        raise BadInput(f"no such model: {model}")
    with open_target(target_spec) as target:
        if target.package is None:
            raise BadInput(
                "a model needs the target's own bindings, and these are libraries alone",
                where=target.name,
                hint="give the wheel or the folder that holds llama_cpp",
            )

        def told(what: str) -> Callable[[int], None]:
            return lambda done: on_progress(what, done) if on_progress is not None else None

        result, logits = _decode(target, model, [gpu], settings, True, told("emulated GPU"))
        _, expected = _decode(target, model, [], settings, True, told("CPU"))
        _, plain = _decode(target, model, [], settings, False, told("CPU without flash attention"))
    return ModelEvidence(
        target=target.name,
        model=model.name,
        gpu=gpu.name,
        cpu_without_flash=max(token_nmse(plain, expected)),
        steps=tuple(_step(raw, logits, expected) for raw in result["steps"]),
    )


def token_nmse(
    got: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]
) -> tuple[float, ...]:
    """NMSE of each token's logits, their mean taken off: a softmax does not see it."""
    pairs = zip(got.astype(np.float64), expected.astype(np.float64), strict=True)
    return tuple(nmse(mine - mine.mean(), theirs - theirs.mean()) for mine, theirs in pairs)


def _step(
    raw: dict[str, Any], logits: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]
) -> DecodedStep:
    rows = slice(raw["position"], raw["position"] + raw["n_tokens"])
    mine, theirs = logits[rows], expected[rows]
    reported = read_reports(raw["reports"])
    return DecodedStep(
        position=raw["position"],
        n_tokens=raw["n_tokens"],
        seconds=raw["seconds"],
        nmse=max(token_nmse(mine, theirs)),
        same_choice=int(np.count_nonzero(mine.argmax(axis=1) == theirs.argmax(axis=1))),
        launches=reported.launches,
        undefined_reads=reported.undefined_reads,
    )


def _decode(
    target: Target,
    model: Path,
    gpus: Sequence[shadow.Gpu],
    settings: DecodeSettings,
    flash_attn: bool,
    on_progress: Callable[[int], None],
) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
    if not flash_attn:
        # A quantised V cache asks for flash attention.
        settings = replace(settings, type_k=GgmlType.F16, type_v=GgmlType.F16)
    tokens = np.random.default_rng(7).integers(3, 1 << 20, settings.n_prefill + settings.n_decode)
    with staged(target, gpus, executor=default_library() if gpus else None) as stage:
        logits_file = stage.folder / "logits.npy"
        result = _WORKER.ask(
            {
                **stage.job,
                "package": str(target.package),
                "model": str(model),
                "logits": str(logits_file),
                "tokens": tokens.tolist(),
                "n_prefill": settings.n_prefill,
                "type_k": int(settings.type_k),
                "type_v": int(settings.type_v),
                "n_gpu_layers": _ALL_LAYERS if gpus else 0,
                "flash_attn": flash_attn,
            },
            stage.folder,
            about=model,
            env=stage.env,
            on_done=on_progress,
        )
        logits: npt.NDArray[np.float32] = np.load(logits_file)
        return result, logits

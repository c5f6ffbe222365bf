"""A whole model on the emulated GPU against the same model on the CPU, token by token."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof import process, shadow
from llamaproof.dispatch import handover
from llamaproof.dispatch.libraries import linux_libraries
from llamaproof.dispatch.message import last_words
from llamaproof.emulator.evidence import ExecutedLaunch, launch_of, read_of
from llamaproof.emulator.library import default_library
from llamaproof.errors import DEFECT, HOLDS, BadInput, CommandFailed, LlamaproofError
from llamaproof.ggml import GgmlType
from llamaproof.target import Target, open_target

# A whole model adds its layers' errors up, in matrices whose inputs the GPU rounds in other places
# than the CPU does; measured over the kinds of models in tests/models: at most 8e-5 with f16
# weights.
LOGITS_NMSE_LIMIT = 1e-3

SCHEMA = "llamaproof.emulated_model"
SCHEMA_VERSION = 1

_SILENCE_LIMIT_S = 1800.0
_ALL_LAYERS = 9999
_ENVIRONMENT = {"GGML_CUDA_DISABLE_GRAPHS": "1", "GGML_NO_BACKTRACE": "1"}


@dataclass(frozen=True, kw_only=True)
class Settings:
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
class Step:
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
    steps: tuple[Step, ...]

    def json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "nmse_limit": LOGITS_NMSE_LIMIT,
            **asdict(self),
        }

    @property
    def exit_code(self) -> int:
        """1 when a token's logits are wrong or a kernel did what it must not."""
        bad = any(
            not step.nmse <= LOGITS_NMSE_LIMIT
            or step.undefined_reads
            or any(launch.findings for launch in step.launches)
            for step in self.steps
        )
        return DEFECT if bad else HOLDS


def run_model(
    target_spec: str,
    model: Path,
    gpu: shadow.Gpu,
    settings: Settings,
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
    errors = []
    for mine, theirs in zip(got.astype(np.float64), expected.astype(np.float64), strict=True):
        a, b = mine - mine.mean(), theirs - theirs.mean()
        error = float(np.mean((a - b) ** 2) / np.mean(b**2))
        errors.append(error if np.isfinite(error) else float("inf"))
    return tuple(errors)


def _step(
    raw: dict[str, Any], logits: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]
) -> Step:
    rows = slice(raw["position"], raw["position"] + raw["n_tokens"])
    mine, theirs = logits[rows], expected[rows]
    return Step(
        position=raw["position"],
        n_tokens=raw["n_tokens"],
        seconds=raw["seconds"],
        nmse=max(token_nmse(mine, theirs)),
        same_choice=int(np.count_nonzero(mine.argmax(axis=1) == theirs.argmax(axis=1))),
        launches=tuple(launch_of(r) for r in raw["reports"] if "kernel" in r),
        undefined_reads=tuple(read_of(r) for r in raw["reports"] if "read" in r),
    )


def _decode(
    target: Target,
    model: Path,
    gpus: Sequence[shadow.Gpu],
    settings: Settings,
    flash_attn: bool,
    on_progress: Callable[[int], None],
) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
    if not flash_attn:
        # A quantised V cache asks for flash attention.
        settings = replace(settings, type_k=GgmlType.F16, type_v=GgmlType.F16)
    executor = default_library() if gpus else None
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        folder = Path(scratch)
        session = shadow.prepare(
            linux_libraries(target),
            gpus,
            folder=folder,
            mode="execute" if gpus else "record",
            executor=executor,
        )
        n_tokens = settings.n_prefill + settings.n_decode
        job = {
            "package": str(target.package),
            "model": str(model),
            "session": handover.describe(session),
            "executor": str(executor) if executor is not None else None,
            "tokens": [int(t) for t in np.random.default_rng(7).integers(3, 1 << 20, n_tokens)],
            "n_prefill": settings.n_prefill,
            "type_k": int(settings.type_k),
            "type_v": int(settings.type_v),
            "n_gpu_layers": _ALL_LAYERS if gpus else 0,
            "flash_attn": flash_attn,
        }
        files = [folder / name for name in ("job.json", "result.json", "logits.npy")]
        files[0].write_text(json.dumps(job), encoding="utf-8")
        completed = process.run(
            [sys.executable, "-m", "llamaproof.emulator.model_worker", *files],
            env={**os.environ, **_ENVIRONMENT, **session.environment},
            on_line=lambda line: on_progress(int(line)) if line.isdigit() else None,
            silence_limit_s=_SILENCE_LIMIT_S,
            check=False,
        )
        if completed.returncode != 0 or not files[1].is_file():
            how = process.describe_status(completed.returncode)
            raise CommandFailed(
                f"the model could not be run: {last_words(completed.output, how)}",
                where=model,
                returncode=completed.returncode,
                output=completed.lines,
            )
        result: dict[str, Any] = json.loads(files[1].read_text(encoding="utf-8"))
        if "error" in result:
            raise LlamaproofError(result["error"], where=model, hint=_last_line(result["log"]))
        logits: npt.NDArray[np.float32] = np.load(files[2])
        return result, logits


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else ""

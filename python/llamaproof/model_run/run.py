"""Run a model through a target's own bindings and collect what llama.cpp and the GPU did."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType
from llamaproof.model_run.log import (
    ERROR_MARK,
    Buffer,
    Graph,
    buffers,
    graphs,
    marked_lines,
    without_marks,
)
from llamaproof.placement.outcome import Launch
from llamaproof.target import Target
from llamaproof.workers.stage import staged
from llamaproof.workers.worker import Worker

DEFAULT_CONTEXTS = (1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)

# An assertion of ggml_cuda_mul_mat_id (ggml-cuda.cu, 0.3.16 to 0.3.36): experts that are not
# quantised are sorted on the host by the router's choice, which nobody computed.
_ROUTER_READ = "GGML_ASSERT(ids_to_sorted_host"

# How the worker's lines begin that name a phase.
_PHASE = "phase: "

OnPhase = Callable[[str], None]

_WORKER = Worker(
    module="llamaproof.model_run.worker",
    failed="the model could not be run",
    # Attention on the CPU over a long prompt of a large model is slow, and says nothing meanwhile.
    silence_limit_s=1800.0,
)
_ALL_LAYERS = 9999


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the model is run.

    Attributes:
        n_ctx: tokens of the context that is prefilled and decoded in.
        n_ubatch: tokens computed at a time, and of the prefill.
        n_decode: single tokens of each sequence decoded after it.
        n_seq_max: sequences that are decoded at once, each with its share of the prefill.
        kv_unified: they share one cache; otherwise each has its own.
        memory_contexts: context lengths whose memory is asked for.
    """

    type_k: GgmlType = GgmlType.F16
    type_v: GgmlType = GgmlType.F16
    flash_attn: bool = True
    n_gpu_layers: int = _ALL_LAYERS
    n_ctx: int = 4096
    n_ubatch: int = 512
    n_decode: int = 2
    n_seq_max: int = 1
    kv_unified: bool = False
    memory_contexts: tuple[int, ...] = DEFAULT_CONTEXTS

    @property
    def types(self) -> str:
        """`f16`, or `q8_0/f16` where K and V differ."""
        k, v = self.type_k.label, self.type_v.label
        return k if k == v else f"{k}/{v}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call of llama_decode.

    Attributes:
        name: `prefill` or `decode`.
        graph: as the scheduler split it; that of the step before it, where llama.cpp reused it.
        launches: kernels, in order; None where nothing records them (a real GPU).
    """

    name: str
    n_tokens: int
    graph: Graph
    launches: tuple[Launch, ...] | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Where a run ended early.

    Attributes:
        died: the process ended, by an abort or a crash; else llama.cpp returned an error.
        phase: `import`, `load`, `context`, `prefill`, `decode` or `memory`.
        n_ctx: of the context that could not be made; 0 in other phases.
        reason: in words.
        log: the last lines that llama.cpp logged or that were printed.
    """

    died: bool
    phase: str
    n_ctx: int
    reason: str
    log: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModelRun:
    """Everything a run told.

    Attributes:
        devices: that ggml found, as in `CUDA0: NVIDIA L40S`.
        steps: the prefill and the single tokens.
        weights: buffers that hold the model.
        context_graphs: the graphs that were reserved when the context was made.
        memory: buffers by length of the context.
        warnings: llama.cpp's warnings and errors, each once.
        failures: where it ended early; more than one where several context lengths do not fit.
    """

    devices: tuple[str, ...]
    steps: tuple[Step, ...]
    weights: tuple[Buffer, ...]
    context_graphs: tuple[Graph, ...]
    memory: Mapping[int, tuple[Buffer, ...]]
    warnings: tuple[str, ...]
    failures: tuple[Failure, ...]

    @property
    def needs_values(self) -> bool:
        """Whether it ended because the host read a result, where no GPU computes any."""
        return any(_ROUTER_READ in line for failure in self.failures for line in failure.log)


def run_on_shadow(
    target: Target,
    model: Path,
    settings: Settings,
    gpu: shadow.Gpu,
    *,
    on_phase: OnPhase | None = None,
) -> ModelRun:
    """Load a model with a target's bindings on a GPU that the shadow runtime plays, and decode.

    Args:
        on_phase: called with each phase in words as it begins.

    Raises:
        BadInput: the target has no bindings, or libraries that the shadow runtime cannot serve.
    """
    with staged(target, [gpu]) as stage:
        return _run_worker(
            target, model, settings, stage.env, stage.folder, on_phase, stage.job["session"]
        )


def run_on_this_machine(
    target: Target,
    model: Path,
    settings: Settings,
    env: Mapping[str, str],
    *,
    on_phase: OnPhase | None = None,
) -> ModelRun:
    """The same on this machine's own GPU; kernels are not recorded.

    Raises:
        BadInput: the target has no bindings.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        return _run_worker(target, model, settings, env, Path(scratch), on_phase, None)


def _run_worker(
    target: Target,
    model: Path,
    settings: Settings,
    env: Mapping[str, str],
    folder: Path,
    on_phase: OnPhase | None,
    session: Mapping[str, Any] | None,
) -> ModelRun:
    if target.package is None:
        raise BadInput(
            "a folder of libraries has no Python bindings to load a model with",
            where=target.name,
            hint="give a wheel or a llama_cpp package",
        )
    job = {**_job(target.package, model, settings), "session": session}
    ended = _WORKER.run(job, folder, env=env, on_line=_phase_teller(on_phase))
    text = ended.result.read_text(encoding="utf-8") if ended.result.exists() else ""
    return collect(text.splitlines(), ended.how, ended.lines)


def collect(records: Sequence[str], how: str, printed: Sequence[str]) -> ModelRun:
    """What the worker's records say.

    Args:
        records: its output, one JSON object a line; the last may be cut off.
        how: the process ended, in words.
        printed: what it printed besides, as an abort does.
    """
    begun, ended = _parse(records)
    steps: list[Step] = []
    memory: dict[int, tuple[Buffer, ...]] = {}
    failures: list[Failure] = []
    for record in ended:
        phase, log = record["end"], without_marks(record["log"])
        if "error" in record:
            said = marked_lines(record["log"], ERROR_MARK) or log.splitlines()
            failures.append(_failure(record, record["error"], said))
        elif phase == "memory":
            memory[record["n_ctx"]] = buffers(log)
        elif phase in ("prefill", "decode"):
            steps.append(_step(record, graphs(log), steps))
    if len(begun) > len(ended):
        said = [line for line in printed if not line.startswith(_PHASE)]
        failures.append(_failure(begun[-1], f"the process {how}", said))
    elif not begun:
        raise BadInput(
            "the process that loads the model did not start", hint="\n".join(printed[-10:])
        )
    return ModelRun(
        devices=tuple(_first(ended, "import").get("devices", ())),
        steps=tuple(steps),
        weights=buffers(_first(ended, "load").get("log", "")),
        context_graphs=graphs(without_marks(_first(ended, "context").get("log", ""))),
        memory=memory,
        warnings=marked_lines(
            "\n".join(record["log"] for record in ended if record["end"] != "memory")
        ),
        failures=tuple(failures),
    )


def _phase_teller(on_phase: OnPhase | None) -> Callable[[str], None]:
    def tell(line: str) -> None:
        if on_phase is not None and line.startswith(_PHASE):
            on_phase(line.removeprefix(_PHASE))

    return tell


def _job(package: Path, model: Path, settings: Settings) -> dict[str, Any]:
    room = settings.n_ctx // settings.n_seq_max - settings.n_decode
    if room < 1:
        raise BadInput(
            f"a context of {settings.n_ctx} tokens is too short for {settings.n_seq_max} sequences"
        )
    n_prefill = settings.n_seq_max * max(1, min(settings.n_ubatch // settings.n_seq_max, room))
    return {
        **asdict(settings),
        "package": str(package),
        "model": str(model.resolve()),
        "n_prefill": n_prefill,
    }


def _parse(records: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    begun: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    for line in records:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break  # cut off in the middle of a line, as by an abort
        (ended if "end" in record else begun).append(record)
    return begun, ended


def _step(record: dict[str, Any], found: Sequence[Graph], before: Sequence[Step]) -> Step:
    if found:
        graph = found[-1]
    else:
        graph = next((step.graph for step in reversed(before)), Graph(splits=(), nodes=()))
    launches = record.get("launches")
    return Step(
        name=record["end"],
        n_tokens=record["n_tokens"],
        graph=graph,
        launches=None if launches is None else tuple(_launch(x) for x in launches),
    )


def _launch(values: Sequence[Any]) -> Launch:
    name, grid, block, shared_bytes = values
    return Launch(name=name, grid=tuple(grid), block=tuple(block), shared_bytes=shared_bytes)


def _failure(record: dict[str, Any], reason: str, log: Sequence[str]) -> Failure:
    return Failure(
        died="end" not in record,
        phase=record.get("end") or record["begin"],
        n_ctx=record.get("n_ctx", 0),
        reason=reason,
        log=tuple(line.rstrip() for line in log if line.strip())[-12:],
    )


def _first(ended: Sequence[dict[str, Any]], phase: str) -> dict[str, Any]:
    return next((record for record in ended if record["end"] == phase), {})

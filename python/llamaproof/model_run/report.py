"""What a run of a model means: where attention ran, what else the CPU did, how memory grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from llamaproof.gguf.attention import LayerAttention, ModelAttention
from llamaproof.kernels import names as kernel_names
from llamaproof.model_run.log import CPU, FLASH_ATTENTION, Buffer, BufferKind, Graph, Node
from llamaproof.model_run.run import Failure, ModelRun, Settings, Step
from llamaproof.placement.outcome import Launch
from llamaproof.reports.outcome import Outcome
from llamaproof.workers.last_words import last_words, shadow_runtime_gave_up

Where = Literal["gpu", "cpu", "absent", "lost"]

WORDS: Mapping[Where, str] = {
    "gpu": "on the GPU",
    "cpu": "on the CPU",
    "absent": "no flash attention in the graph",
    "lost": "accepted by the GPU, but no kernel was launched",
}

# The scheduler copies to and from the host around every node that it puts there.
_CROSSING = "its inputs and its result cross between GPU and host at every step"

# Operations by ggml's name as the scheduler prints it (10 characters): why it matters that one of
# them is on the CPU.
REASONS: Mapping[str, str] = {
    FLASH_ATTENTION: "it reads the whole KV cache, which is fetched from the GPU for it: time "
    "grows with the context, and the GPU waits",
    "MUL_MAT": f"a matrix product is most of a layer's work; {_CROSSING}",
    "MUL_MAT_ID": f"the experts are most of a layer's work; {_CROSSING}",
    "SET_ROWS": "it writes to the KV cache: the cache is then on the host as well",
    "SOFT_MAX": "attention without flash attention: scores of the whole context are on the host",
}
_OTHER_REASON = f"small by itself, but {_CROSSING}"
_EMBEDDING_REASON = "as it should be: llama.cpp keeps the embeddings on the host and reads one row"
# Phases in which an abort is llama.cpp's own and not that of a file or an environment.
_USING = ("context", "prefill", "decode")
_INPUT_EMBEDDING = "token_embd.weight"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the attention of a layer ran in one step.

    Attributes:
        kernel: as the source writes it; empty unless it ran on a GPU that was recorded.
    """

    where: Where
    device: str
    kernel: str

    def __str__(self) -> str:
        return self.kernel or WORDS[self.where]


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """A layer's attention, and where it ran in the prefill and for a single token."""

    attention: LayerAttention
    prefill: Placement
    decode: Placement

    @property
    def is_on_gpu(self) -> bool:
        return self.prefill.where == "gpu" and self.decode.where == "gpu"


@dataclass(frozen=True, kw_only=True)
class CpuNodes:
    """Nodes of one operation that ran on the CPU in one step.

    Attributes:
        is_expected: llama.cpp puts it there on purpose, and it costs nothing.
    """

    step: str
    op: str
    count: int
    examples: tuple[str, ...]
    reason: str
    is_expected: bool


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Memory of one kind on one side by length of the context.

    Attributes:
        side: `GPU` or `host`.
        mib: by n_ctx.
        bytes_per_token: between the shortest and the longest context.
        shape: `constant`, `linear` or `faster than linear`, `unknown` with fewer than 3 lengths.
    """

    kind: BufferKind
    side: str
    mib: Mapping[int, float]
    bytes_per_token: float
    shape: str


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """The whole answer for one model on one GPU.

    Attributes:
        n_seq_max, kv_unified: sequences that were decoded at once, and whether on one cache.
        splits: number of graph splits in the prefill and in the decode step.
        problem: why it could not be checked; empty when it could.
        death: how llama.cpp did not survive running the model; empty when it did.
    """

    model: ModelAttention
    target: str
    gpu: str
    types: str
    n_seq_max: int = 1
    kv_unified: bool = False
    devices: tuple[str, ...]
    layers: tuple[LayerResult, ...]
    splits: Mapping[str, int]
    cpu_nodes: tuple[CpuNodes, ...]
    memory: tuple[Growth, ...]
    warnings: tuple[str, ...]
    failures: tuple[Failure, ...]
    problem: str
    death: str

    @property
    def outcome(self) -> Outcome:
        if self.death:
            return Outcome.DEFECT
        if self.problem:
            return Outcome.NOT_CHECKED
        return Outcome.HOLDS if all(x.is_on_gpu for x in self.layers) else Outcome.DEFECT

    @property
    def verdict(self) -> str:
        """In one sentence."""
        if self.death:
            return f"llama.cpp does not survive this model: {self.death}"
        if self.problem:
            return f"could not be checked: {self.problem}"
        bad = [layer for layer in self.layers if not layer.is_on_gpu]
        if not bad:
            return f"flash attention runs on the GPU in all {len(self.layers)} layers"
        worst = next(p for layer in bad for p in (layer.decode, layer.prefill) if p.where != "gpu")
        return (
            f"flash attention does not run on the GPU in {len(bad)} of {len(self.layers)} layers: "
            f"{WORDS[worst.where]}"
        )


def report_of(
    run: ModelRun, model: ModelAttention, settings: Settings, *, target: str, gpu: str
) -> ModelReport:
    """What a run means for the model it ran."""
    prefill = next((step for step in run.steps if step.name == "prefill"), None)
    decode = next((step for step in reversed(run.steps) if step.name == "decode"), None)
    layers: tuple[LayerResult, ...] = ()
    if prefill is not None and decode is not None:
        before, after = _placements(prefill, model.layers), _placements(decode, model.layers)
        layers = tuple(
            LayerResult(attention=a, prefill=before[a.layer], decode=after[a.layer])
            for a in model.layers
        )
    steps = [step for step in (prefill, decode) if step is not None]
    return ModelReport(
        model=model,
        target=target,
        gpu=gpu,
        types=settings.types,
        n_seq_max=settings.n_seq_max,
        kv_unified=settings.kv_unified,
        devices=run.devices,
        layers=layers,
        splits={step.name: len(step.graph.splits) for step in steps},
        cpu_nodes=tuple(found for step in steps for found in _cpu_nodes(step.name, step.graph)),
        memory=_memory(run),
        warnings=run.warnings,
        failures=run.failures,
        problem=_problem(run, model, prefill, decode),
        death=_death(run),
    )


def _death(run: ModelRun) -> str:
    """How the process died while it made a context or decoded; empty when that says nothing."""
    for failure in run.failures:
        told = "\n".join(failure.log)
        if (
            failure.died
            and failure.phase in _USING
            and not run.needs_values
            and not shadow_runtime_gave_up(told)
        ):
            return f"in {failure.phase} {last_words(told, failure.reason)}"
    return ""


def _problem(
    run: ModelRun, model: ModelAttention, prefill: Step | None, decode: Step | None
) -> str:
    if not model.layers:
        return "the model has no layer with attention"
    if run.needs_values:
        return (
            "its experts are not quantised, and llama.cpp reads their router's choice on the host, "
            "which a GPU that computes nothing cannot give (--header-only answers without it)"
        )
    for failure in run.failures:
        if failure.phase != "memory":
            detail = f" ({failure.log[0]})" if failure.log else ""
            return f"{failure.reason} in {failure.phase}{detail}"
    if prefill is None or decode is None:
        return "the model was not decoded"
    if not any(device for device in run.devices if not device.startswith(CPU)):
        return "the target found no GPU"
    if not prefill.graph.nodes:
        return "llama.cpp logged no graph"
    return ""


def _placements(step: Step, layers: Sequence[LayerAttention]) -> dict[int, Placement]:
    """Where each layer's attention is in a step, by layer."""
    nodes = _nodes_by_layer(step.graph, layers)
    on_gpu = [layer for layer, node in sorted(nodes.items()) if node.device != CPU]
    launched = _labels(step.launches, on_gpu)
    found = {}
    for attention in layers:
        node = nodes.get(attention.layer)
        if node is None:
            found[attention.layer] = Placement(where="absent", device="", kernel="")
        elif node.device == CPU:
            found[attention.layer] = Placement(where="cpu", device=CPU, kernel="")
        else:
            label = launched.get(attention.layer, "")
            lost = step.launches is not None and not label
            where: Where = "lost" if lost else "gpu"
            found[attention.layer] = Placement(where=where, device=node.device, kernel=label)
    return found


def _nodes_by_layer(graph: Graph, layers: Sequence[LayerAttention]) -> dict[int, Node]:
    nodes = graph.attention
    by_name = {node.layer: node for node in nodes if node.layer is not None}
    if len(by_name) == len(nodes):
        return {layer: node for layer, node in by_name.items() if layer is not None}
    # Names that tell no layer: nodes come in the order of the layers that have one.
    return {a.layer: node for a, node in zip(layers, nodes, strict=False)}


def _labels(launches: Sequence[Launch] | None, on_gpu: Sequence[int]) -> dict[int, str]:
    """The attention kernel of each layer: one proper kernel a node, in the order of the nodes."""
    proper = [
        x for x in launches or () if kernel_names.is_attention(kernel_names.function_of(x.name))
    ]
    if len(proper) != len(on_gpu):
        return {}
    return {
        layer: kernel_names.parse(x.name).label for layer, x in zip(on_gpu, proper, strict=True)
    }


def _cpu_nodes(step: str, graph: Graph) -> list[CpuNodes]:
    if not any(node.device != CPU for node in graph.nodes):
        return []  # all of it: the GPU's absence is what is reported
    groups: dict[tuple[str, bool], list[Node]] = {}
    for node in graph.on_cpu:
        groups.setdefault((node.op, _is_embedding(node)), []).append(node)
    return [
        CpuNodes(
            step=step,
            op=op,
            count=len(nodes),
            examples=tuple(node.name for node in nodes[:3]),
            reason=_EMBEDDING_REASON if expected else REASONS.get(op, _OTHER_REASON),
            is_expected=expected,
        )
        for (op, expected), nodes in groups.items()
    ]


def _is_embedding(node: Node) -> bool:
    return node.op == "GET_ROWS" and any(s.name == _INPUT_EMBEDDING for s in node.sources)


def _memory(run: ModelRun) -> tuple[Growth, ...]:
    lengths = sorted(run.memory)
    found: dict[tuple[BufferKind, str], dict[int, float]] = {}
    for n_ctx in lengths:
        for buffer in (*run.weights, *run.memory[n_ctx]):
            by_length = found.setdefault((buffer.kind, _side(buffer)), dict.fromkeys(lengths, 0.0))
            by_length[n_ctx] += buffer.mib
    return tuple(_growth(kind, side, mib) for (kind, side), mib in found.items())


def _side(buffer: Buffer) -> str:
    # CUDA_Host is pinned memory of the host, CPU_Mapped the model file itself.
    is_host = buffer.device.startswith(CPU) or buffer.device.endswith("_Host")
    return "host" if is_host else "GPU"


def _growth(kind: BufferKind, side: str, mib: Mapping[int, float]) -> Growth:
    lengths = sorted(mib)
    tokens = lengths[-1] - lengths[0]
    per_token = (mib[lengths[-1]] - mib[lengths[0]]) * (1 << 20) / tokens if tokens else 0.0
    return Growth(
        kind=kind,
        side=side,
        mib=dict(mib),
        bytes_per_token=per_token,
        shape=_shape([(n, mib[n]) for n in lengths]),
    )


def _shape(points: Sequence[tuple[int, float]]) -> str:
    """How memory grows at last: the slope of the last step against that of the one before.

    Only the end counts: a buffer that is the larger of a fixed and a growing need bends once and
    is linear from there on.
    """
    if len(points) < 3:
        return "unknown"
    # llama.cpp prints hundredths of a MiB: anything below is rounding.
    if abs(points[-1][1] - points[0][1]) < 0.02:
        return "constant"
    before, last = _slope(points[-3], points[-2]), _slope(points[-2], points[-1])
    return "faster than linear" if before > 0 and last > 1.2 * before else "linear"


def _slope(a: tuple[int, float], b: tuple[int, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])

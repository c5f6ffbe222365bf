"""Whether attention runs on the GPU: a model's own, or that of the models most people run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof import shadow
from llamaproof.attention.grid import DEEP, PLAIN, SHALLOW, Cell, Extras, HeadSizes
from llamaproof.doctor.findings import Finding, fine, stops, unclear
from llamaproof.doctor.gpu import Gpu
from llamaproof.ggml import GgmlType
from llamaproof.gguf.attention import LayerAttention, ModelAttention
from llamaproof.model_run.report import ModelReport, report_of
from llamaproof.model_run.run import Settings, run_on_shadow, run_on_this_machine
from llamaproof.placement.on_shadow import collect
from llamaproof.placement.outcome import Outcome
from llamaproof.target import Target


@dataclass(frozen=True, kw_only=True)
class FamiliarModel:
    """The attention of a model that many people run, from its published configuration."""

    name: str
    heads: HeadSizes
    n_head: int
    n_head_kv: int
    extras: Extras = PLAIN

    @property
    def gqa_ratio(self) -> int:
        return self.n_head // self.n_head_kv

    def cells(self) -> tuple[Cell, ...]:
        """The nodes that decoding and prefilling it asks for."""
        return tuple(
            Cell(
                heads=self.heads,
                type_k=GgmlType.F16,
                type_v=GgmlType.F16,
                extras=self.extras,
                ratio=self.gqa_ratio,
                n_tokens=n_tokens,
                n_kv=n_kv,
                n_kv_heads=self.n_head_kv,
            )
            for n_tokens in (1, 512)
            for n_kv in (SHALLOW, DEEP)
        )


def _familiar(
    name: str, heads: str, n_head: int, n_head_kv: int, extras: Extras = PLAIN
) -> FamiliarModel:
    return FamiliarModel(
        name=name,
        heads=HeadSizes.parse(heads),
        n_head=n_head,
        n_head_kv=n_head_kv,
        extras=extras,
    )


FAMILIAR: tuple[FamiliarModel, ...] = (
    _familiar("Llama 3 8B", "128", 32, 8),
    _familiar("Llama 3 70B", "128", 64, 8),
    _familiar("Qwen2.5 7B", "128", 28, 4),
    _familiar("Gemma 2 9B", "256", 16, 8, Extras(softcap=50.0)),
    _familiar("Gemma 3 4B", "256", 8, 4),
    _familiar("gpt-oss 20B", "64", 64, 8, Extras(sinks=True)),
    _familiar("Phi 2", "80", 32, 32),
    _familiar("DeepSeek V3", "576/512", 128, 1),
    _familiar("GLM-4.7-Flash", "576/512", 20, 1),
)


@dataclass(frozen=True, kw_only=True)
class FamiliarResult:
    """What becomes of a familiar model's attention: every outcome that is not a kernel."""

    model: FamiliarModel
    failures: tuple[Outcome, ...]


def run_on_gpu(
    target: Target,
    path: Path,
    model: ModelAttention,
    gpu: Gpu | shadow.Gpu,
    environ: Mapping[str, str],
) -> ModelReport:
    """Run a model on this machine's own GPU, or on one that the shadow runtime plays."""
    settings = Settings(memory_contexts=())
    if isinstance(gpu, shadow.Gpu):
        run = run_on_shadow(target, path, settings, gpu)
    else:
        run = run_on_this_machine(target, path, settings, environ)
    return report_of(run, model, target=target.name, gpu=gpu.name, types=settings.types)


def try_familiar(target: str, gpu: shadow.Gpu) -> tuple[FamiliarResult, ...]:
    """Ask a target on a shadow GPU about the familiar models."""
    evidence = collect(target, [gpu], [cell for model in FAMILIAR for cell in model.cells()])
    outcomes = evidence.outcomes[gpu.name]
    return tuple(
        FamiliarResult(
            model=model,
            failures=tuple(o for c in model.cells() if (o := outcomes[c]).kind != "kernel"),
        )
        for model in FAMILIAR
    )


def examine_report(report: ModelReport) -> Finding:
    """What a model's report means for its user."""
    if report.death:
        return stops(
            "aborts",
            report.verdict,
            "update the package, or try f16 for the K and V cache; `llamaproof dispatch` shows "
            "which attention it survives",
        )
    if report.problem:
        return unclear(
            "model-not-run", report.problem, "see the log below; `llamaproof dispatch` says more"
        )
    bad = [layer.attention for layer in report.layers if not layer.is_on_gpu]
    if not bad:
        return fine("attention", report.verdict)
    where = {p.where for x in report.layers for p in (x.prefill, x.decode)}
    if where == {"absent"}:
        return stops(
            "no-flash-attention",
            "flash attention was asked for and the model's graph has none",
            "llama.cpp refuses it for this architecture, or the setting did not reach the library "
            "(`llamaproof abi installed`)",
        )
    return stops("falls-back", f"{report.verdict} ({shape_in_words(bad)})", remedy_for(bad))


def shape_in_words(layers: Sequence[LayerAttention]) -> str:
    """Head sizes and GQA ratio of layers: `head sizes 576/512, GQA ratio 20`."""
    shapes = dict.fromkeys(
        f"head sizes {a.key_length}/{a.value_length}, GQA ratio {a.gqa_ratio}" for a in layers
    )
    return "; ".join(shapes)


def remedy_for(layers: Sequence[LayerAttention]) -> str:
    """What helps where the GPU refuses this attention."""
    ratios = ", ".join(str(r) for r in sorted({a.gqa_ratio for a in layers}))
    if any(a.latent for a in layers):
        return (
            f"this release has no CUDA kernel for latent attention at GQA ratio {ratios}: install "
            "a wheel that has one (stock llama-cpp-python from 0.3.17 on, or a patched 0.3.16), "
            "or set flash_attn=False, which keeps attention on the GPU at the price of memory"
        )
    return (
        "this release has no CUDA kernel for this attention: use f16 for the K and V cache, "
        "update the package, or set flash_attn=False, which keeps attention on the GPU at the "
        "price of memory"
    )

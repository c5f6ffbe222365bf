"""Whether attention runs on the GPU: a model's own, or that of the models most people run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof import shadow
from llamaproof.attention.familiar_models import FAMILIAR_MODELS, FamiliarModel
from llamaproof.doctor.findings import DoctorFinding, fine, stops, unclear
from llamaproof.doctor.gpu import Gpu
from llamaproof.gguf.attention import LayerAttention, ModelAttention
from llamaproof.model_run.report import ModelReport, report_of
from llamaproof.model_run.run import Settings, run_on_shadow, run_on_this_machine
from llamaproof.placement.on_shadow import collect
from llamaproof.placement.outcome import CellOutcome
from llamaproof.target import Target


@dataclass(frozen=True, kw_only=True)
class FamiliarResult:
    """What becomes of a familiar model's attention: every outcome that is not a kernel."""

    model: FamiliarModel
    failures: tuple[CellOutcome, ...]


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
    return report_of(run, model, settings, target=target.name, gpu=gpu.name)


def try_familiar(target: str, gpu: shadow.Gpu) -> tuple[FamiliarResult, ...]:
    """Ask a target on a shadow GPU about the familiar models."""
    evidence = collect(target, [gpu], [cell for model in FAMILIAR_MODELS for cell in model.cells()])
    outcomes = evidence.outcomes[gpu.name]
    return tuple(
        FamiliarResult(
            model=model,
            failures=tuple(o for c in model.cells() if (o := outcomes[c]).kind != "kernel"),
        )
        for model in FAMILIAR_MODELS
    )


def examine_report(report: ModelReport) -> DoctorFinding:
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

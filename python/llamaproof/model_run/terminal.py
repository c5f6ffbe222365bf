"""The report on a model, for people and for machines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from llamaproof.gguf.attention import LayerAttention
from llamaproof.model_run.report import Growth, LayerResult, ModelReport, Placement
from llamaproof.reports.blocks import Table, Toned
from llamaproof.reports.document import Schema
from llamaproof.reports.printer import Printer

SCHEMA = Schema(name="llamaproof.model", version=2)

_KIND_NAMES = {
    "weights": "weights",
    "kv": "KV cache",
    "state": "recurrent state",
    "compute": "compute",
    "output": "output",
}


def print_report(report: ModelReport, printer: Printer) -> None:
    """Print a report on one page."""
    model = report.model
    printer.line(
        Toned(model.name, "strong"),
        f" ({model.architecture}, {model.n_layer} layers, K/V {report.types}"
        f"{_sequences(report)}) with "
        f"{report.target} on {report.gpu}",
    )
    printer.line(report.verdict, tone=report.outcome.tone)
    if report.splits:
        splits = ", ".join(f"{step} {count}" for step, count in report.splits.items())
        printer.line(f"graph splits: {splits}")
    if report.layers:
        printer.table(_layer_table(report.layers))
    if report.cpu_nodes:
        printer.table(_cpu_table(report))
    if report.memory:
        printer.table(_memory_table(report.memory))
    _print_remarks(report, printer)


def _sequences(report: ModelReport) -> str:
    if report.n_seq_max == 1:
        return ""
    cache = "one cache" if report.kv_unified else "a cache each"
    return f", {report.n_seq_max} sequences on {cache}"


def _print_remarks(report: ModelReport, printer: Printer) -> None:
    """What failed, what llama.cpp warned of, and what had to be assumed."""
    for failure in report.failures:
        at = f" with a context of {failure.n_ctx:,} tokens" if failure.n_ctx else ""
        printer.line(f"{failure.phase}{at}: {failure.reason}", tone="mixed")
        for line in failure.log:
            printer.line(f"  | {line}", tone="dim")
    for warning in report.warnings:
        printer.line(f"llama.cpp: {warning}", tone="dim")
    for assumption in report.model.assumptions:
        printer.line(f"assumed: {assumption}", tone="mixed")


def as_json(report: ModelReport) -> dict[str, Any]:
    """The versioned document."""
    model = report.model
    return SCHEMA.document(
        target=report.target,
        gpu=report.gpu,
        devices=list(report.devices),
        model={
            "name": model.name,
            "architecture": model.architecture,
            "n_layer": model.n_layer,
            "assumptions": list(model.assumptions),
        },
        types=report.types,
        n_seq_max=report.n_seq_max,
        kv_unified=report.kv_unified,
        verdict=report.verdict,
        outcome=report.outcome.value,
        splits=dict(report.splits),
        layers=[
            {
                **vars(layer.attention),
                "gqa_ratio": layer.attention.gqa_ratio,
                "prefill": vars(layer.prefill),
                "decode": vars(layer.decode),
            }
            for layer in report.layers
        ],
        cpu_nodes=[{**vars(nodes), "examples": list(nodes.examples)} for nodes in report.cpu_nodes],
        memory=[
            {**vars(growth), "mib": {str(n): mib for n, mib in growth.mib.items()}}
            for growth in report.memory
        ],
        warnings=list(report.warnings),
        failures=[{**vars(f), "log": list(f.log)} for f in report.failures],
    )


def describe_attention(attention: LayerAttention) -> str:
    """In short: `576/512, 20 heads over 1 (ratio 20), latent`."""
    sizes = str(attention.key_length)
    if attention.value_length != attention.key_length:
        sizes = f"{attention.key_length}/{attention.value_length}"
    heads = f"{attention.n_head} heads over {attention.n_head_kv} (ratio {attention.gqa_ratio})"
    extras = [
        "latent" if attention.latent else "",
        f"window {attention.window}" if attention.window else "",
        f"softcap {attention.softcap:g}" if attention.softcap else "",
        "ALiBi" if attention.max_bias else "",
        "sinks" if attention.sinks else "",
    ]
    return ", ".join(part for part in (sizes, heads, *extras) if part)


def attention_groups(
    layers: Sequence[LayerAttention],
) -> tuple[tuple[LayerAttention, str], ...]:
    """Layers with the same attention, one of each, with the numbers of all of them in words."""
    groups: dict[str, list[LayerAttention]] = {}
    for attention in layers:
        groups.setdefault(describe_attention(attention), []).append(attention)
    return tuple((group[0], _ranges([a.layer for a in group])) for group in groups.values())


def _layer_table(layers: Sequence[LayerResult]) -> Table:
    groups: dict[tuple[str, Placement, Placement], list[int]] = {}
    for layer in layers:
        key = (describe_attention(layer.attention), layer.prefill, layer.decode)
        groups.setdefault(key, []).append(layer.attention.layer)
    return Table(
        title="attention by layer",
        head=("layers", "attention", "prefill", "one token"),
        rows=[
            (_ranges(numbers), words, _placement(prefill), _placement(decode))
            for (words, prefill, decode), numbers in groups.items()
        ],
    )


def _placement(placement: Placement) -> Toned:
    return Toned(str(placement), "good" if placement.where == "gpu" else "bad")


def _cpu_table(report: ModelReport) -> Table:
    return Table(
        title="on the CPU",
        head=("step", "operation", "nodes", "for example", "why it matters"),
        rows=[
            (n.step, n.op, str(n.count), ", ".join(dict.fromkeys(n.examples)), n.reason)
            for n in report.cpu_nodes
        ],
        figures=("nodes",),
        tones=["dim" if nodes.is_expected else "bad" for nodes in report.cpu_nodes],
    )


def _memory_table(memory: Sequence[Growth]) -> Table:
    shown = [growth for growth in memory if any(growth.mib.values())]
    head = ("n_ctx", *(f"{growth.side} {_KIND_NAMES[growth.kind]}" for growth in shown))
    by_length = [
        (f"{n_ctx:,}", *(f"{growth.mib[n_ctx]:,.2f}" for growth in shown))
        for n_ctx in sorted(shown[0].mib if shown else ())
    ]
    return Table(
        title="memory in MiB by length of the context",
        head=head,
        rows=[*by_length, ("growth", *(_growth_words(growth) for growth in shown))],
        figures=head,
    )


def _growth_words(growth: Growth) -> str:
    if growth.shape == "constant":
        return "none"
    per_token = f"{growth.bytes_per_token / 1024:,.2f} KiB/token"
    return per_token if growth.shape == "linear" else f"{per_token}, {growth.shape}"


def _ranges(numbers: Sequence[int]) -> str:
    """0, 1, 2, 5 as `0-2, 5`."""
    parts = []
    for _, group in itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ", ".join(parts)

"""The report on a model, for people and for machines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llamaproof.gguf.attention import LayerAttention
from llamaproof.model_run.report import Growth, LayerResult, ModelReport, Placement

SCHEMA = "llamaproof.dispatch.model/1"

_NARROWEST = 120
_KIND_NAMES = {
    "weights": "weights",
    "kv": "KV cache",
    "state": "recurrent state",
    "compute": "compute",
    "output": "output",
}


def print_report(report: ModelReport, console: Console) -> None:
    """Print a report on one page."""
    if console.width < _NARROWEST and not console.is_terminal:
        console.width = _NARROWEST
    model = report.model
    console.print(
        f"[bold]{model.name}[/bold] ({model.architecture}, {model.n_layer} layers, "
        f"K/V {report.types}) with {report.target} on {report.gpu}",
        highlight=False,
    )
    console.print(Text(report.verdict, style=report.outcome.style))
    if report.splits:
        splits = ", ".join(f"{step} {count}" for step, count in report.splits.items())
        console.print(f"graph splits: {splits}", highlight=False)
    if report.layers:
        console.print(_layer_table(report.layers))
    if report.cpu_nodes:
        console.print(_cpu_table(report))
    if report.memory:
        console.print(_memory_table(report.memory))
    for failure in report.failures:
        at = f" with a context of {failure.n_ctx:,} tokens" if failure.n_ctx else ""
        console.print(Text(f"{failure.phase}{at}: {failure.reason}", style="yellow"))
        for line in failure.log:
            console.print(Text(f"  | {line}", style="dim"))
    for warning in report.warnings:
        console.print(Text(f"llama.cpp: {warning}", style="dim"))
    for assumption in model.assumptions:
        console.print(Text(f"assumed: {assumption}", style="yellow"))


def as_json(report: ModelReport) -> dict[str, Any]:
    """The versioned document."""
    model = report.model
    return {
        "schema": SCHEMA,
        "target": report.target,
        "gpu": report.gpu,
        "devices": list(report.devices),
        "model": {
            "name": model.name,
            "architecture": model.architecture,
            "n_layer": model.n_layer,
            "assumptions": list(model.assumptions),
        },
        "types": report.types,
        "verdict": report.verdict,
        "outcome": report.outcome.value,
        "splits": dict(report.splits),
        "layers": [
            {
                **vars(layer.attention),
                "gqa_ratio": layer.attention.gqa_ratio,
                "prefill": vars(layer.prefill),
                "decode": vars(layer.decode),
            }
            for layer in report.layers
        ],
        "cpu_nodes": [
            {**vars(nodes), "examples": list(nodes.examples)} for nodes in report.cpu_nodes
        ],
        "memory": [
            {**vars(growth), "mib": {str(n): mib for n, mib in growth.mib.items()}}
            for growth in report.memory
        ],
        "warnings": list(report.warnings),
        "failures": [{**vars(f), "log": list(f.log)} for f in report.failures],
    }


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
    table = Table(title="attention by layer", title_justify="left")
    table.add_column("layers")
    table.add_column("attention", overflow="fold")
    table.add_column("prefill", overflow="fold")
    table.add_column("one token", overflow="fold")
    groups: dict[tuple[str, Placement, Placement], list[int]] = {}
    for layer in layers:
        key = (describe_attention(layer.attention), layer.prefill, layer.decode)
        groups.setdefault(key, []).append(layer.attention.layer)
    for (words, prefill, decode), numbers in groups.items():
        table.add_row(_ranges(numbers), words, _placement(prefill), _placement(decode))
    return table


def _placement(placement: Placement) -> Text:
    return Text(str(placement), style="green" if placement.where == "gpu" else "red")


def _cpu_table(report: ModelReport) -> Table:
    table = Table(title="on the CPU", title_justify="left")
    table.add_column("step")
    table.add_column("operation")
    table.add_column("nodes", justify="right")
    table.add_column("for example", overflow="fold")
    table.add_column("why it matters", overflow="fold")
    for nodes in report.cpu_nodes:
        style = "dim" if nodes.is_expected else "red"
        examples = ", ".join(dict.fromkeys(nodes.examples))
        cells = (nodes.step, nodes.op, str(nodes.count), examples, nodes.reason)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _memory_table(memory: Sequence[Growth]) -> Table:
    table = Table(title="memory in MiB by length of the context", title_justify="left")
    table.add_column("n_ctx", justify="right")
    shown = [growth for growth in memory if any(growth.mib.values())]
    for growth in shown:
        table.add_column(f"{growth.side} {_KIND_NAMES[growth.kind]}", justify="right")
    for n_ctx in sorted(shown[0].mib if shown else ()):
        table.add_row(f"{n_ctx:,}", *(f"{growth.mib[n_ctx]:,.2f}" for growth in shown))
    table.add_section()
    table.add_row("growth", *(_growth_words(growth) for growth in shown))
    return table


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

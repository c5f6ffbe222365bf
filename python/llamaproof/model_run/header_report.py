"""A model of which only the header is there: its layers' attention, looked up in the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llamaproof import shadow
from llamaproof.attention.cell import Cell, Extras, HeadSizes, can_be_cached
from llamaproof.attention.grid import DEEP, SHALLOW
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType
from llamaproof.gguf.attention import LayerAttention, ModelAttention
from llamaproof.gguf.header import Header, tensor_bytes
from llamaproof.model_run.terminal import attention_groups, describe_attention
from llamaproof.placement.on_shadow import collect
from llamaproof.placement.outcome import CellOutcome
from llamaproof.placement.survey import Survey
from llamaproof.reports.blocks import Table, Toned
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from llamaproof.spread.carrier import Told

SCHEMA = Schema(name="llamaproof.model-header", version=1)

# One token at a time, and a ubatch of the default size.
N_TOKENS = (1, 512)
N_KV = (SHALLOW, DEEP)


@dataclass(frozen=True, kw_only=True)
class HeaderReport:
    """What would become of a model's attention, by its metadata.

    Attributes:
        weight_bytes: size of the whole file; None where the header does not say.
        kv_bytes_per_token: of a cache that holds K and V of every layer for the whole context.
    """

    header: Header
    model: ModelAttention
    evidence: Survey
    type_k: GgmlType
    type_v: GgmlType
    weight_bytes: int | None
    kv_bytes_per_token: int

    def outcome_of(
        self, gpu: str, attention: LayerAttention, n_tokens: int, n_kv: int
    ) -> CellOutcome:
        return self.evidence.outcomes[gpu][
            cell_of(attention, self.type_k, self.type_v, n_tokens, n_kv)
        ]

    @property
    def outcome(self) -> Outcome:
        kinds = {o.kind for by_cell in self.evidence.outcomes.values() for o in by_cell.values()}
        return Outcome.HOLDS if kinds == {"kernel"} else Outcome.DEFECT


def examine_header(
    target: str,
    header: Header,
    model: ModelAttention,
    gpus: Sequence[shadow.Gpu],
    *,
    type_k: GgmlType,
    type_v: GgmlType,
    on_progress: Told | None = None,
) -> HeaderReport:
    """Ask a target about every distinct attention of a model.

    Raises:
        BadInput: the model has no attention, or llama.cpp keeps no cache of these types for it.
    """
    if not model.layers:
        raise BadInput("the model has no layer with attention", where=header.path)
    cells = {
        cell_of(attention, type_k, type_v, n_tokens, n_kv)
        for attention in model.layers
        for n_tokens in N_TOKENS
        for n_kv in N_KV
    }
    for cell in cells:
        if not can_be_cached(cell.heads, type_k, type_v):
            raise BadInput(
                f"llama.cpp keeps no {cell.types} cache for head sizes {cell.heads}",
                where=header.path,
                hint="a head must be a whole number of the type's blocks of 32; ask for f16",
            )
    return HeaderReport(
        header=header,
        model=model,
        evidence=collect(target, gpus, cells, on_progress=on_progress),
        type_k=type_k,
        type_v=type_v,
        weight_bytes=header.expected_bytes,
        kv_bytes_per_token=sum(_kv_bytes(a, type_k, type_v) for a in model.layers),
    )


def cell_of(
    attention: LayerAttention, type_k: GgmlType, type_v: GgmlType, n_tokens: int, n_kv: int
) -> Cell:
    """The FLASH_ATTN_EXT node that llama.cpp builds for a layer."""
    return Cell(
        heads=HeadSizes(k=attention.key_length, v=attention.value_length),
        type_k=type_k,
        type_v=type_v,
        extras=Extras(
            sinks=attention.sinks, max_bias=attention.max_bias, softcap=attention.softcap
        ),
        ratio=attention.gqa_ratio,
        n_tokens=n_tokens,
        n_kv=n_kv,
        n_kv_heads=attention.n_head_kv,
    )


def print_header_report(report: HeaderReport, printer: Printer) -> None:
    """Print the answer on one page."""
    model = report.model
    printer.line(
        Toned(model.name, "strong"),
        f" ({model.architecture}, {model.n_layer} layers), by its header alone, with "
        f"{report.evidence.target}",
    )
    if report.header.truncated:
        printer.line(report.header.truncated, tone="mixed")
    for line in _size_lines(report):
        printer.line(line)
    for gpu in report.evidence.outcomes:
        printer.table(_table(report, gpu))
    for assumption in model.assumptions:
        printer.line(f"assumed: {assumption}", tone="mixed")


def header_json(report: HeaderReport) -> dict[str, Any]:
    """The versioned document."""
    return SCHEMA.document(
        target=report.evidence.target,
        model={
            "name": report.model.name,
            "architecture": report.model.architecture,
            "n_layer": report.model.n_layer,
            "assumptions": list(report.model.assumptions),
        },
        truncated=report.header.truncated,
        weight_bytes=report.weight_bytes,
        kv_bytes_per_token=report.kv_bytes_per_token,
        outcome=report.outcome.value,
        layers=[
            {**vars(attention), "gqa_ratio": attention.gqa_ratio}
            for attention in report.model.layers
        ],
        evidence=report.evidence.json(),
    )


def _table(report: HeaderReport, gpu: str) -> Table:
    columns = [(n_tokens, n_kv) for n_tokens in N_TOKENS for n_kv in N_KV]
    return Table(
        title=f"attention by layer on {gpu}",
        head=("layers", "attention", *(_step_in_words(*column) for column in columns)),
        rows=[
            (
                layers,
                describe_attention(attention),
                *(_cell_text(report.outcome_of(gpu, attention, *column)) for column in columns),
            )
            for attention, layers in attention_groups(report.model.layers)
        ],
    )


def _step_in_words(n_tokens: int, n_kv: int) -> str:
    tokens = "one token" if n_tokens == 1 else f"{n_tokens} tokens"
    return f"{tokens}, n_kv {n_kv:,}"


def _cell_text(outcome: CellOutcome) -> Toned:
    return Toned(outcome.text, "good" if outcome.kind == "kernel" else "bad")


def _size_lines(report: HeaderReport) -> list[str]:
    lines = []
    if report.weight_bytes is not None:
        lines.append(f"the whole file: {report.weight_bytes / 2**30:,.2f} GiB")
    per_token = report.kv_bytes_per_token
    lines.append(
        f"KV cache, windows not counted: {per_token / 1024:,.1f} KiB a token, "
        f"{per_token * 131072 / 2**30:,.2f} GiB at 128K"
    )
    return lines


def _kv_bytes(attention: LayerAttention, type_k: GgmlType, type_v: GgmlType) -> int:
    rows = ((attention.key_length, type_k), (attention.value_length, type_v))
    return sum(tensor_bytes(kind, length * attention.n_head_kv) or 0 for length, kind in rows)

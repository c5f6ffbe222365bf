"""What a survey shows as the blocks of a page."""

from __future__ import annotations

from collections.abc import Iterator

from llamaproof.attention.grid import DEEP, SHALLOW
from llamaproof.dispatch.fallbacks import fallbacks_table, head_sizes_falling_back
from llamaproof.dispatch.proof import DispatchProof
from llamaproof.dispatch.tables import changes_table, gpu_table, ratio_tables
from llamaproof.placement.by_model import models_table
from llamaproof.placement.survey import ESTIMATES, GpuSurvey, Survey
from llamaproof.reports.blocks import Block, Heading, Paragraph, Table, Toned
from llamaproof.reports.grouping import grouped
from llamaproof.reports.pages import to_html

_SHADOW = (
    "the libraries themselves, unchanged, on a stand-in for the CUDA runtime that plays these "
    "cards, executes nothing and records every launch"
)
_BY_RATIO = (
    "The kernel by the ratio of query heads to KV heads, with a causal mask and n_kv "
    f"{SHALLOW}; ratios that meet with the same kernels on all cards share a row. mma and wmma: "
    "tensor cores; tile and vec: without them. 4x16: a tile of K serves 4 tokens of 16 heads. "
    "(25-100%): the share of query columns that do real work, where columns are idle. CPU: falls "
    "back to the CPU."
)


def page(proof: DispatchProof) -> str:
    """A page that needs nothing else."""
    title = f"Where flash attention runs: {proof.survey.target}"
    return to_html([Heading(text=title, level=1), *answer_blocks(proof), *proof_blocks(proof)])


def answer_blocks(proof: DispatchProof) -> Iterator[Block]:
    """What a user asks first: do my model's layers run on my card's GPU, and what does not?"""
    if proof.models:
        yield Heading(text="Does attention run on the GPU?")
        yield Paragraph(
            text="By the head sizes and the GQA ratio of each model, with f16 K and V, for 1 token "
            f"and for 512, with {SHALLOW} and {DEEP} tokens in the cache. A model that is not "
            "listed does as one with the same head sizes and ratio."
        )
        yield from _refused_head_sizes(proof.survey)
        yield models_table(proof.models)
    yield Heading(text="What does not run on the GPU", level=3)
    table = fallbacks_table(proof.survey)
    if table.rows:
        yield table
    else:
        yield Paragraph(text="Every cell that was examined runs on the GPU.")


def _refused_head_sizes(survey: Survey) -> Iterator[Block]:
    sizes = head_sizes_falling_back(survey)
    if sizes:
        yield Paragraph(
            text="Head sizes that do not run on the GPU of every card, with f16 K and V: "
            f"{', '.join(map(str, sizes))}."
        )


def proof_blocks(proof: DispatchProof) -> Iterator[Block]:
    """What was examined, how, what was asked of it, and every row of the grid."""
    survey = proof.survey
    yield _facts(survey)
    yield from _requirements(proof)
    yield Heading(text="Kernel by ratio and GPU")
    yield Paragraph(text=_BY_RATIO)
    yield from ratio_tables(survey)
    yield Heading(text="Kernels of each GPU")
    for report in survey.reports:
        yield gpu_table(survey, report)
        yield from _aborts(report)
    if proof.against is not None:
        yield Heading(text=f"Compared with {proof.against.target}")
        if proof.changes:
            yield changes_table(proof.changes, survey)
        else:
            yield Paragraph(text="No cell differs.")


def _facts(survey: Survey) -> Table:
    played = any(report.shadow for report in survey.reports)
    facts = [
        ("version", survey.version or "not stated"),
        ("sha256", survey.sha256 or "no wheel"),
        ("CUDA", str(survey.cuda)),
        ("GPUs", ", ".join(f"{r.gpu} (sm_{r.sm})" for r in survey.reports)),
        ("cells", f"{len(survey.cells)} on each GPU"),
        ("how", _SHADOW if played else "the libraries themselves on a real GPU"),
    ]
    if survey.estimated_gpus:
        cards = ", ".join(survey.estimated_gpus)
        facts.append(("estimates", f"{cards}: the target {ESTIMATES}"))
    return Table(head=(), rows=facts)


def _requirements(proof: DispatchProof) -> Iterator[Block]:
    if not proof.requirements:
        return
    yield Heading(text="Required")
    failures = grouped((failure.requirement, failure) for failure in proof.failures)
    rows: list[tuple[str | Toned, ...]] = []
    for requirement in proof.requirements:
        failed = failures.get(requirement, ())
        first = f"{failed[0].gpu}: {failed[0].cell}: {failed[0].outcome.text}" if failed else ""
        more = f" (and {len(failed) - 1} more cells)" if len(failed) > 1 else ""
        said = Toned("does not hold", "worst") if failed else Toned("holds", "good")
        rows.append((requirement.text, said, first + more))
    yield Table(head=("requirement", "outcome", "first cell that fails"), rows=rows)


def _aborts(report: GpuSurvey) -> Iterator[Block]:
    """What was printed where a GPU's cells abort, each once."""
    messages = grouped(
        (outcome.message, cell)
        for cell, outcome in report.outcomes.items()
        if outcome.kind == "abort"
    )
    if messages:
        yield Table(
            title="What was printed where it aborts",
            head=("cells", "message"),
            rows=[(str(len(cells)), message) for message, cells in messages.items()],
            figures=("cells",),
        )

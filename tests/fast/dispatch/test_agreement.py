"""A real GPU and its shadow agree on every cell, or each difference is named."""

from __future__ import annotations

import dataclasses

import pytest

from llamaproof import cli
from llamaproof.attention.cell import Cell
from llamaproof.dispatch import command, terminal
from llamaproof.dispatch.agreement import agree
from llamaproof.errors import LlamaproofError
from llamaproof.placement.outcome import FALLS_BACK, CellOutcome, aborts
from llamaproof.placement.survey import Survey
from llamaproof.reports.printer import Printer
from tests.support.placement.made_up_surveys import evidence
from tests.support.placement.outcomes import cell, mma, ran

CELL = cell()
FIXUP = "void flash_attn_stream_k_fixup<512, 4, 4>(float*)"
USUAL = ran(CELL, mma(4, 4), FIXUP)


def changed(**fields: object) -> CellOutcome:
    assert USUAL.use is not None
    return dataclasses.replace(USUAL, use=dataclasses.replace(USUAL.use, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("real", "what"),
    [
        (USUAL, ()),
        (FALLS_BACK, ("outcome",)),
        (aborts("CUDA error"), ("outcome",)),
        (ran(CELL, mma(2, 8), FIXUP), ("template arguments",)),
        (changed(grid=(132, 1, 1)), ("grid",)),
        (changed(block=(32, 8, 1)), ("block",)),
        (changed(shared_bytes=2048), ("dynamic shared memory",)),
        (ran(CELL, mma(4, 4)), ("other launches",)),
        (changed(grid=(1, 1, 1), shared_bytes=1), ("grid", "dynamic shared memory")),
    ],
)
def test_each_difference_is_named(real: CellOutcome, what: tuple[str, ...]) -> None:
    found = agree("H200", {CELL: USUAL}, {CELL: real})
    assert tuple(d.what for d in found.disagreements) == ((what,) if what else ())


def test_aborts_agree_whatever_they_print() -> None:
    found = agree("H200", {CELL: aborts("compiled to a trap")}, {CELL: aborts("CUDA error")})
    assert found.disagreements == ()


@pytest.mark.parametrize(
    ("shadow", "real"),
    [({}, {}), ({CELL: USUAL}, {}), ({CELL: USUAL}, {CELL: USUAL, cell(ratio=4): USUAL})],
)
def test_other_cells_are_no_agreement(
    shadow: dict[Cell, CellOutcome], real: dict[Cell, CellOutcome]
) -> None:
    with pytest.raises(LlamaproofError, match="cannot be judged"):
        agree("H200", shadow, real)


def test_a_disagreement_is_printed_with_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    found = agree("H200", {CELL: USUAL}, {CELL: changed(grid=(7, 1, 1))})
    terminal.print_agreement(found, Printer())
    printed = capsys.readouterr().out
    assert "does other than its shadow in 1 of 1 cells" in printed
    assert "grid: shadow (142, 1, 1), real (7, 1, 1)" in printed


@pytest.mark.parametrize(("shadow_step", "code"), [(16, 0), (4, 1)])
def test_the_command_fails_where_they_disagree(
    monkeypatch: pytest.MonkeyPatch, shadow_step: int, code: int
) -> None:
    def played(*_arguments: object) -> Survey:
        return evidence(step=shadow_step)

    def real(*_arguments: object) -> Survey:
        return evidence(step=16)

    monkeypatch.setattr(command, "_collect", played)
    monkeypatch.setattr(command, "_collect_real", real)
    assert cli.main(["dispatch", "some", "--real", "--agree"]) == code


@pytest.mark.parametrize(
    "options", [["--agree"], ["--real", "--gpu", "L40S"], ["--real", "--sm", "89"]]
)
def test_options_that_contradict_each_other_are_2(options: list[str]) -> None:
    assert cli.main(["dispatch", "some", *options]) == 2

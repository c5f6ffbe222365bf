"""Each command prints whole fields to a pipe, and tables to a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from llamaproof.abi.findings import AbiFinding as AbiFinding
from llamaproof.abi.findings import Result
from llamaproof.abi.terminal import print_result
from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.bench.record import Machine, Record, TargetInfo
from llamaproof.bench.terminal import print_record
from llamaproof.dispatch.agreement import agree
from llamaproof.dispatch.changes import changes
from llamaproof.dispatch.terminal import print_aborts, print_agreement, print_changes, print_survey
from llamaproof.doctor.diagnosis import Diagnosis
from llamaproof.doctor.findings import stops
from llamaproof.doctor.terminal import print_diagnosis
from llamaproof.emulator.coverage import Coverage, Refusal, print_coverage
from llamaproof.emulator.decode import DecodedStep, ModelEvidence
from llamaproof.emulator.results import CellResult, CellVerdict, EmulationEvidence
from llamaproof.emulator.terminal import print_evidence, print_model
from llamaproof.ggml import GgmlType
from llamaproof.gguf.attention import LayerAttention, ModelAttention
from llamaproof.model_run.report import CpuNodes, LayerResult, ModelReport, Placement
from llamaproof.model_run.run import Failure
from llamaproof.model_run.terminal import print_report
from llamaproof.profile.comparison import CardComparison
from llamaproof.profile.terminal import print_comparison
from llamaproof.prove.command import print_summary
from llamaproof.prove.section import Section
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from tests.support.bench.made_up_results import GRID, good_cost, timed
from tests.support.placement.made_up_surveys import evidence

FIELD = "llama_context_params.rope_freq_scale_of_a_struct_with_a_name_longer_than_any_column"
SYMBOL = "_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi4ELi2ELi2ELb0ELb1EEvPKcS1_S1_S1_S1_PKiPfP15HIP"
PATH = "a-folder-with-a-long-name/another-folder-with-a-long-name/a-wheel-with-a-name-0.3.16.whl"
SENTENCE = "a sentence of more words than a terminal of eighty columns could show in a single line"
CELL = make_cell(HeadSizes(k=576, v=512), GgmlType.F16, GgmlType.F16, 20, 1, 4096)


@dataclass(frozen=True, kw_only=True)
class Report:
    """One command's report.

    Attributes:
        whole: texts that stand whole on a line of a pipe.
    """

    print_to: Callable[[Printer], object]
    whole: tuple[str, ...]


def _abi(printer: Printer) -> None:
    finding = AbiFinding(
        level="defect",
        code="struct.field-type",
        where=FIELD,
        expected=SENTENCE,
        found=SYMBOL,
        consequence=SENTENCE * 10,
    )
    result = Result(target=PATH, sha256="", findings=(finding,), counts={"structs": 36})
    print_result(result, printer, notes=True, kernels=False)


def _kernels(printer: Printer) -> None:
    kernel = {
        "kernel": SYMBOL, "sm": "sm_89", "registers": 255, "shared_bytes": 0, "stack_bytes": 0,
    }  # fmt: skip
    code = {"fatbins": 1, "kernels": 1, "archs": {"sm_89": 1}, "attention": [kernel]}
    facts = {"device_code": code}
    print_result(
        Result(target=PATH, sha256="", findings=(), counts={"structs": 1}, facts=facts),
        printer,
        notes=False,
        kernels=True,
    )


def _placement(printer: Printer) -> None:
    before = replace(evidence(step=16), target=PATH)
    after = evidence(step=4, aborting=(20,), gpus=("L40S", "T4"))
    print_survey(before, printer)
    print_survey(after, printer)
    print_aborts(after, printer)
    print_changes(before, after, changes(before.outcomes, after.outcomes), printer)


def _agreement(printer: Printer) -> None:
    shadow, real = (found.outcomes["L40S"] for found in (evidence(), evidence(step=4)))
    print_agreement(agree("L40S", shadow, real), printer)


def _doctor(printer: Printer) -> None:
    diagnosis = Diagnosis(
        target=PATH,
        version="0.3.16",
        gpu="L40S",
        is_shadow=True,
        findings=(stops("cpu-only", SENTENCE, f"install {PATH}"),),
        report=None,
        header=None,
        familiar=(),
    )
    print_diagnosis(diagnosis, printer)


def _emulation(printer: Printer) -> None:
    result = CellResult(verdict=CellVerdict.ABORTS, message=SYMBOL)
    print_evidence(
        EmulationEvidence(
            target=PATH, sha256=None, gpu="L40S", sm=89, ggml_version="0", seconds=1.0,
            kv_layout="v_separate", inputs="random",
            results={CELL: result},
        ),
        printer,
    )  # fmt: skip


def _decoding(printer: Printer) -> None:
    step = DecodedStep(
        position=0, n_tokens=1, nmse=1.0, same_choice=0, seconds=1.0, launches=(),
        undefined_reads=(SENTENCE,),
    )  # fmt: skip
    print_model(
        ModelEvidence(
            target=PATH, model="model.gguf", gpu="L40S", steps=(step,), cpu_without_flash=0.0,
        ),
        printer,
    )  # fmt: skip


def _coverage(printer: Printer) -> None:
    refusal = Refusal(arch="compute_89", reason=SENTENCE, kernels=(SYMBOL,))
    print_coverage(Coverage(modules=1, text_bytes=9, kernels=2, refusals=(refusal,)), printer)


def _profile(printer: Printer) -> None:
    print_comparison(
        CardComparison(
            target=PATH, device="NVIDIA H200", gpu="H200", outputs=(), launches=(),
            mismatches=(f"{SYMBOL} was launched in another place",),
        ),
        printer,
    )  # fmt: skip


def _bench(printer: Printer) -> None:
    record = Record(
        unit="device seconds",
        machine=Machine(
            system="", cpu="", cpu_count=1, device="", gpu=None, driver_version="",
            clocks_missing="",
        ),
        targets=(
            TargetInfo(
                name=PATH, role=None, version=None, sha256=None, libraries={}, ggml_version="0",
                kv_layout="v_separate",
            ),
        ),
        created="",
        requested=GRID,
    )  # fmt: skip
    for result in timed(GRID, good_cost).values():
        record.put(result)
    print_record(record, printer)


def _model(printer: Printer) -> None:
    attention = LayerAttention(
        layer=0, n_head=20, n_head_kv=1, key_length=576, value_length=512, window=0, softcap=0.0,
        max_bias=0.0, sinks=False, latent=True,
    )  # fmt: skip
    on_gpu = Placement(where="gpu", device="CUDA0", kernel=SYMBOL)
    print_report(
        ModelReport(
            target=PATH,
            gpu="L40S",
            devices=(),
            model=ModelAttention(
                name="GLM", architecture="deepseek2", n_layer=1, context_length=4096,
                layers=(attention,), assumptions=(),
            ),
            types="f16",
            layers=(LayerResult(attention=attention, prefill=on_gpu, decode=on_gpu),),
            splits={},
            cpu_nodes=(
                CpuNodes(
                    step="decode", op="GET_ROWS", count=1, is_expected=True, reason=SENTENCE,
                    examples=("a", "b"),
                ),
            ),
            memory=(),
            warnings=(SENTENCE,),
            failures=(Failure(phase="decode", reason=SENTENCE, n_ctx=0, log=(PATH,), died=False),),
            problem="",
            death="",
        ),
        printer,
    )  # fmt: skip


def _prove(printer: Printer) -> None:
    section = Section(name="abi", title="The bindings", outcome=Outcome.DEFECT, words=SENTENCE)
    print_summary([section], {"abi": 1.0}, printer)


REPORTS = {
    "abi": Report(print_to=_abi, whole=(PATH, FIELD, SYMBOL, SENTENCE * 10)),
    "abi --kernels": Report(print_to=_kernels, whole=(SYMBOL,)),
    "dispatch": Report(
        print_to=_placement,
        whole=(PATH, "aborts: fattn.cu:108: GGML_ASSERT(gqa_ratio % 16 == 0) failed <&>"),
    ),
    "dispatch --agree": Report(print_to=_agreement, whole=(str(replace(CELL, ratio=4)),)),
    "dispatch --model": Report(print_to=_model, whole=(PATH, SYMBOL, SENTENCE)),
    "doctor": Report(print_to=_doctor, whole=(PATH, f"STOP  {SENTENCE}")),
    "emulate": Report(print_to=_emulation, whole=(PATH, SYMBOL)),
    "emulate --model": Report(print_to=_decoding, whole=(PATH, SENTENCE)),
    "emulate --coverage": Report(print_to=_coverage, whole=(SYMBOL, SENTENCE)),
    "profile": Report(print_to=_profile, whole=(PATH, SYMBOL)),
    "bench": Report(print_to=_bench, whole=(PATH, "576/512@20 f16 tokens=512")),
    "prove": Report(print_to=_prove, whole=(SENTENCE,)),
}
# These have findings, one line each, and no table.
WITHOUT_TABLE = {"dispatch --agree", "doctor", "emulate --coverage"}


@pytest.mark.parametrize("name", REPORTS)
def test_a_pipe_gets_each_field_whole_and_no_frame(name: str) -> None:
    report = REPORTS[name]
    out = io.StringIO()
    report.print_to(Printer(out))
    lines = out.getvalue().splitlines()
    for text in report.whole:
        assert any(text in line for line in lines), text
    assert not set("│┃┏└─") & set(out.getvalue())


@pytest.mark.parametrize("name", sorted(REPORTS.keys() - WITHOUT_TABLE))
def test_a_terminal_gets_a_table(name: str) -> None:
    out = io.StringIO()
    REPORTS[name].print_to(Printer(out, is_terminal=True, width=80))
    framed = [line for line in out.getvalue().splitlines() if line.startswith(("┏", "└"))]
    assert framed and all(len(line) <= 80 for line in framed)

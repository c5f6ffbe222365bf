"""From what a worker told to an answer: each layer's attention, CPU nodes, growth of memory."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llamaproof.errors import BadInput
from llamaproof.gguf.attention import LayerAttention, ModelAttention
from llamaproof.model_run.log import ERROR_MARK, WARNING_MARK
from llamaproof.model_run.report import ModelReport, report_of
from llamaproof.model_run.run import ModelRun, Settings, collect
from llamaproof.model_run.terminal import as_json, print_report
from llamaproof.process import describe_status
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from tests.support.model_run import scheduler_log as log

KERNEL = "_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi4ELi2ELi2ELb0ELb1EEvPKc"
FIXUP = "_Z25flash_attn_stream_k_fixupILi512ELi4ELi4EEvPf"
OTHER = "_Z13mul_mat_vec_fI6__halfEvPKT_"
LABEL = "flash_attn_ext_f16<576, 512, 4, 4, 2, 2, false, true>"
L40S = "CUDA0: NVIDIA L40S"


def _layer(number: int) -> LayerAttention:
    return LayerAttention(
        layer=number,
        n_head=20,
        n_head_kv=1,
        key_length=576,
        value_length=512,
        window=0,
        softcap=0.0,
        max_bias=0.0,
        sinks=False,
        latent=True,
    )


MODEL = ModelAttention(
    name="glm",
    architecture="deepseek2",
    n_layer=2,
    context_length=202752,
    layers=(_layer(0), _layer(1)),
    assumptions=(),
)


def _launches(*names: str) -> list[list[Any]]:
    return [[name, [142, 1, 1], [32, 2, 1], 1024] for name in names]


def _ended(phase: str, text: str = "", **values: Any) -> list[str]:
    return [json.dumps({"begin": phase}), json.dumps({"end": phase, "log": text, **values})]


def _memory(n_ctx: int, kv: float, compute: float) -> list[str]:
    text = (
        f"x:      CUDA0 KV buffer size = {kv:8.2f} MiB\n"
        f"x:      CUDA0 compute buffer size = {compute:8.2f} MiB\n"
        f"x:  CUDA_Host compute buffer size = {compute / 2:8.2f} MiB\n"
    )
    return _ended("memory", text, n_ctx=n_ctx)


def _records(
    device: str,
    prefill: Sequence[str] = (KERNEL, FIXUP, OTHER) * 2,
    decode: Sequence[str] = (KERNEL, FIXUP) * 2,
    decode_log: str | None = None,
) -> list[str]:
    text = log.two_layers(device)
    return [
        *_ended("import", devices=[L40S, "CPU: a CPU"]),
        *_ended("load", "x:        CUDA0 model buffer size =   9.72 MiB\n"),
        *_ended("context", text),
        *_ended("prefill", text, n_tokens=512, launches=_launches(*prefill)),
        *_ended(
            "decode",
            text if decode_log is None else decode_log,
            n_tokens=1,
            launches=_launches(*decode),
        ),
        *_memory(1024, 10.0, 5.0),
        *_memory(2048, 20.0, 5.0),
        *_memory(4096, 40.0, 5.0),
    ]


def _report(
    records: Sequence[str], returncode: int = 0, printed: Sequence[str] = ()
) -> ModelReport:
    run = collect(records, describe_status(returncode), printed)
    return report_of(run, MODEL, Settings(), target="wheel", gpu="L40S")


def test_a_kernel_in_every_layer_holds() -> None:
    report = _report(_records("CUDA0"))
    assert report.outcome is Outcome.HOLDS
    assert report.splits == {"prefill": 2, "decode": 2}
    assert [layer.prefill.kernel for layer in report.layers] == [LABEL, LABEL]
    assert [layer.decode.kernel for layer in report.layers] == [LABEL, LABEL]
    assert report.verdict == "flash attention runs on the GPU in all 2 layers"


def test_attention_on_the_cpu_is_a_defect_that_says_why_it_matters() -> None:
    report = _report(_records("CPU", prefill=(OTHER,), decode=(OTHER,)))
    assert report.outcome is Outcome.DEFECT
    assert report.splits == {"prefill": 6, "decode": 6}
    assert {layer.decode.where for layer in report.layers} == {"cpu"}
    assert "2 of 2 layers" in report.verdict
    (attention,) = (n for n in report.cpu_nodes if n.step == "decode" and n.op == "FLASH_ATTN")
    assert attention.count == 2
    assert "grows with the context" in attention.reason
    assert not attention.is_expected


def test_the_embedding_on_the_cpu_is_expected() -> None:
    report = _report(_records("CUDA0"))
    assert [(n.op, n.is_expected) for n in report.cpu_nodes] == [("GET_ROWS", True)] * 2


def test_a_node_that_was_accepted_and_launched_nothing_is_lost() -> None:
    report = _report(_records("CUDA0", decode=(OTHER,)))
    assert {layer.decode.where for layer in report.layers} == {"lost"}
    assert report.outcome is Outcome.DEFECT


def test_fewer_kernels_than_nodes_are_not_given_to_layers_at_random() -> None:
    report = _report(_records("CUDA0", decode=(KERNEL, FIXUP)))
    assert {layer.decode.where for layer in report.layers} == {"lost"}


def test_one_layer_on_the_cpu_is_told_from_the_other() -> None:
    text = log.split(0, "CUDA0") + log.attention(1, 0, "CUDA0") + log.split(1, "CPU")
    report = _report(
        _records("CUDA0", decode=(KERNEL,), decode_log=text + log.attention(2, 1, "CPU"))
    )
    assert [layer.decode.where for layer in report.layers] == ["gpu", "cpu"]
    assert report.outcome is Outcome.DEFECT
    assert "1 of 2 layers" in report.verdict


def test_a_graph_without_flash_attention_is_a_defect() -> None:
    text = log.split(0, "CUDA0") + log.node(1, "SOFT_MAX", "kq-0", "CUDA0")
    report = _report(_records("CUDA0", decode_log=text))
    assert {layer.decode.where for layer in report.layers} == {"absent"}
    assert report.outcome is Outcome.DEFECT


def test_a_reused_graph_is_that_of_the_step_before() -> None:
    again = _ended("decode", "", n_tokens=1, launches=_launches(KERNEL, KERNEL))
    report = _report([*_records("CUDA0"), *again])
    assert report.splits["decode"] == 2
    assert report.outcome is Outcome.HOLDS


def test_a_real_gpu_records_no_launches_and_the_graph_decides() -> None:
    records = [
        json.dumps({**json.loads(line), "launches": None}) if "launches" in line else line
        for line in _records("CUDA0")
    ]
    report = _report(records)
    assert report.outcome is Outcome.HOLDS
    assert {str(layer.decode) for layer in report.layers} == {"on the GPU"}


def test_memory_grows_by_kind_and_side() -> None:
    report = _report(_records("CUDA0"))
    found = {(g.kind, g.side): (g.shape, round(g.bytes_per_token)) for g in report.memory}
    assert found == {
        ("weights", "GPU"): ("constant", 0),
        ("kv", "GPU"): ("linear", 10240),
        ("compute", "GPU"): ("constant", 0),
        ("compute", "host"): ("constant", 0),
    }


def test_memory_that_grows_with_the_square_of_the_context_is_told() -> None:
    records = [
        *_records("CUDA0")[:10],
        *_memory(1024, 1.0, 1.0),
        *_memory(2048, 2.0, 4.0),
        *_memory(4096, 4.0, 16.0),
    ]
    shapes = {(g.kind, g.side): g.shape for g in _report(records).memory}
    assert shapes["compute", "GPU"] == "faster than linear"
    assert shapes["kv", "GPU"] == "linear"


def test_memory_that_bends_once_is_linear() -> None:
    # the larger of a fixed 30 and a growing need
    records = _records("CUDA0")[:10]
    for step, compute in enumerate((30.0, 30.0, 40.0, 80.0, 160.0)):
        records += _memory(1024 << step, 1.0 * (1 << step), compute)
    shapes = {(g.kind, g.side): g.shape for g in _report(records).memory}
    assert shapes["compute", "GPU"] == "linear"


def test_an_abort_while_decoding_is_a_defect_that_names_its_phase() -> None:
    records = [*_records("CUDA0")[:6], json.dumps({"begin": "prefill"}), '{"end": "pre']
    report = _report(
        records, -6, ["phase: prefill", "no such types", "/x/fattn.cu:42: fatal error"]
    )
    assert report.outcome is Outcome.DEFECT
    assert report.verdict == (
        "llama.cpp does not survive this model: in prefill no such types (fattn.cu:42: fatal error)"
    )


def test_a_gap_of_the_shadow_runtime_is_no_defect_of_the_target() -> None:
    records = [*_records("CUDA0")[:6], json.dumps({"begin": "prefill"})]
    report = _report(records, -6, ["llamaproof shadow runtime: cudaNewCall is not known"])
    assert report.outcome is Outcome.NOT_CHECKED
    assert "cudaNewCall" in report.problem


def test_an_abort_while_loading_could_not_be_checked() -> None:
    records = [*_records("CUDA0")[:2], json.dumps({"begin": "load"})]
    report = _report(records, -6, ["llama-model.cpp:1: a broken file"])
    assert report.outcome is Outcome.NOT_CHECKED
    assert report.problem == (
        "the process was killed by SIGABRT in load (llama-model.cpp:1: a broken file)"
    )


def test_experts_that_need_values_are_explained() -> None:
    # printed by llama.cpp of 0.3.16 to 0.3.36 for experts in f16, where nothing was computed
    line = "ggml-cuda.cu:2137: GGML_ASSERT(ids_to_sorted_host.size() == size_t(ne_get_rows)) failed"
    records = [*_records("CUDA0")[:6], json.dumps({"begin": "prefill"})]
    report = _report(records, -6, ["phase: prefill 512 0", line])
    assert report.outcome is Outcome.NOT_CHECKED
    assert "experts are not quantised" in report.problem
    assert [failure.log for failure in report.failures] == [(line,)]


def test_a_model_that_does_not_load_could_not_be_checked() -> None:
    text = f"{WARNING_MARK}an odd name\n{ERROR_MARK}cudaMalloc failed: out of memory\nmore\n"
    failed = json.dumps({"end": "load", "log": text, "error": "no"})
    report = _report([*_records("CUDA0")[:2], json.dumps({"begin": "load"}), failed], 3)
    assert report.outcome is Outcome.NOT_CHECKED
    assert report.problem == "no in load (cudaMalloc failed: out of memory)"
    assert report.warnings == ("an odd name", "cudaMalloc failed: out of memory")


def test_a_context_that_does_not_fit_leaves_the_answer_as_it_is() -> None:
    failed = json.dumps({"end": "memory", "n_ctx": 8192, "log": "too much\n", "error": "no"})
    records = [*_records("CUDA0"), json.dumps({"begin": "memory", "n_ctx": 8192}), failed]
    report = _report(records)
    assert report.outcome is Outcome.HOLDS
    assert [(f.phase, f.n_ctx) for f in report.failures] == [("memory", 8192)]


def test_without_a_gpu_nothing_is_claimed() -> None:
    records = [
        line.replace(f'"{L40S}", ', "") if "devices" in line else line for line in _records("CPU")
    ]
    report = _report(records)
    assert report.outcome is Outcome.NOT_CHECKED
    assert "found no GPU" in report.problem


def test_a_worker_that_never_began_is_an_error() -> None:
    with pytest.raises(BadInput, match="did not start"):
        collect([], "failed with exit status 1", ["ModuleNotFoundError"])


@pytest.mark.parametrize("device", ["CUDA0", "CPU"])
def test_the_page_says_what_the_document_says(device: str) -> None:
    report = _report(_records(device, decode=(KERNEL, KERNEL) if device == "CUDA0" else ()))
    out = io.StringIO()
    print_report(report, Printer(out))
    page = out.getvalue()
    document: Mapping[str, Any] = json.loads(json.dumps(as_json(report)))
    assert document["schema"] == "llamaproof.model"
    assert document["verdict"] in page
    assert [layer["gqa_ratio"] for layer in document["layers"]] == [20, 20]
    assert "576/512, 20 heads over 1 (ratio 20), latent" in page
    assert "0-1" in page
    assert (LABEL in page) == (device == "CUDA0")


def test_the_run_is_kept_whole() -> None:
    run: ModelRun = collect(_records("CUDA0"), "ended", ())
    assert run.devices == (L40S, "CPU: a CPU")
    assert [(step.name, step.n_tokens) for step in run.steps] == [("prefill", 512), ("decode", 1)]
    assert len(run.context_graphs) == 1

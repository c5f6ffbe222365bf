"""Reading llama.cpp's log: which node the scheduler put where, and how much memory it took."""

from __future__ import annotations

import pytest

from llamaproof.model_run.log import Buffer, buffers, graphs
from tests.support.model_run import scheduler_log as log


def test_attention_on_the_gpu_makes_two_splits() -> None:
    (graph,) = graphs(log.two_layers("CUDA0"))
    assert graph.splits == ("CPU", "CUDA0")
    assert [(node.layer, node.device) for node in graph.attention] == [(0, "CUDA0"), (1, "CUDA0")]


def test_attention_on_the_cpu_makes_six_splits() -> None:
    (graph,) = graphs(log.two_layers("CPU"))
    assert graph.splits == ("CPU", "CUDA0", "CPU", "CUDA0", "CPU", "CUDA0")
    assert [(node.layer, node.device) for node in graph.attention] == [(0, "CPU"), (1, "CPU")]


def test_the_layer_comes_from_the_cache_when_the_node_has_no_name() -> None:
    (graph,) = graphs(log.split(0, "CUDA0") + log.attention(7, 46, "CUDA0", "node_7"))
    assert graph.attention[0].layer == 46


def test_a_node_of_no_layer_has_none() -> None:
    (graph,) = graphs(log.split(0, "CUDA0") + log.node(3, "MUL", "result_norm", "CUDA0", "norm"))
    assert graph.nodes[0].layer is None


def test_every_graph_is_kept_apart() -> None:
    found = graphs(log.two_layers("CPU") + "graph_reserve: again\n" + log.two_layers("CUDA0"))
    assert [len(graph.splits) for graph in found] == [6, 2]


@pytest.mark.parametrize("counted", [False, True])
def test_node_lines_of_every_release_are_read(counted: bool) -> None:
    text = log.split(0, "CUDA0") + log.node(
        1234, "MUL_MAT_ID", "ffn_moe_gate-12", "CUDA0", "blk.12.w", counted=counted
    )
    (graph,) = graphs(text)
    (node,) = graph.nodes
    assert (node.index, node.op, node.name, node.device) == (
        1234,
        "MUL_MAT_ID",
        "ffn_moe_gate-12",
        "CUDA0",
    )
    assert [source.name for source in node.sources] == ["blk.12.w"]


def test_names_with_brackets_and_blanks_do_not_shift_the_columns() -> None:
    text = log.split(0, "CPU") + log.node(2, "CONT", " (permuted) (cont)", "CPU", " (permuted)")
    (graph,) = graphs(text)
    assert graph.nodes[0].name == "(permuted) (cont)"
    assert graph.nodes[0].device == "CPU"


def test_nodes_before_any_split_belong_to_no_graph() -> None:
    assert graphs(log.node(1, "MUL", "a", "CPU")) == ()


def test_buffers_are_told_by_kind_and_device() -> None:
    # printed by llama.cpp of 0.3.16, and the last line by that of 0.3.36
    text = (
        "load_tensors:   CPU_Mapped model buffer size =     0.09 MiB\n"
        "load_tensors:        CUDA0 model buffer size =     9.72 MiB\n"
        "llama_context:  CUDA_Host  output buffer size =     0.50 MiB\n"
        "llama_kv_cache_unified:      CUDA0 KV buffer size =  4352.00 MiB\n"
        "llama_context:      CUDA0 compute buffer size =    52.76 MiB\n"
        "llama_memory_recurrent:      CUDA0 RS buffer size =     1.25 MiB\n"
        "llama_kv_cache_dsv4:      CUDA0 DSV4 index state buffer size =     2.00 MiB\n"
        "llama_context: a line about a buffer without a size\n"
    )
    assert buffers(text) == (
        Buffer(kind="weights", device="CPU_Mapped", mib=0.09),
        Buffer(kind="weights", device="CUDA0", mib=9.72),
        Buffer(kind="output", device="CUDA_Host", mib=0.5),
        Buffer(kind="kv", device="CUDA0", mib=4352.0),
        Buffer(kind="compute", device="CUDA0", mib=52.76),
        Buffer(kind="state", device="CUDA0", mib=1.25),
        Buffer(kind="state", device="CUDA0", mib=2.0),
    )

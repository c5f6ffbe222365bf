"""The one line of a dying process that says why."""

from __future__ import annotations

from llamaproof.workers.last_words import last_words, shadow_runtime_gave_up

ABORTED = "was killed by SIGABRT"


def test_a_refusal_of_the_runtime_names_error_and_place() -> None:
    output = (
        "CUDA error: no kernel image is available for execution on the device\n"
        "  current device: 0, in function launch_fattn at "
        "/home/ci/llama.cpp/ggml/src/ggml-cuda/template-instances/../fattn-common.cuh:875\n"
        "  cudaGetLastError()\n"
        "/home/ci/llama.cpp/ggml/src/ggml-cuda/ggml-cuda.cu:84: CUDA error\n"
    )
    assert last_words(output, ABORTED) == (
        "CUDA error: no kernel image is available for execution on the device, "
        "in launch_fattn (fattn-common.cuh:875)"
    )


def test_a_failed_assertion_names_its_condition_without_the_builders_folders() -> None:
    output = (
        "some log line\n"
        "/tmp/x/ggml/src/ggml-cuda/fattn.cu:108: GGML_ASSERT(gqa_ratio % 16 == 0) failed\n"
    )
    assert last_words(output, ABORTED) == ("fattn.cu:108: GGML_ASSERT(gqa_ratio % 16 == 0) failed")


def test_a_plain_abort_keeps_its_place() -> None:
    assert last_words("/b/fattn.cu:113: fatal error\n", ABORTED) == "fattn.cu:113: fatal error"


def test_the_reason_printed_before_a_plain_abort_is_kept() -> None:
    output = (
        "Unsupported KV type combination for head_size 128.\n"
        "Supported combinations:\n"
        "  - K == q4_0, V == q4_0,  4.50 BPV\n"
        "/b/fattn-common.cuh:721: fatal error\n"
    )
    assert last_words(output, ABORTED) == (
        "Unsupported KV type combination for head_size 128. (fattn-common.cuh:721: fatal error)"
    )


def test_the_shadow_runtime_giving_up_is_told_apart() -> None:
    output = "chatter\nllamaproof shadow runtime: cudaFoo was called, and there is none\n"
    assert shadow_runtime_gave_up(output) == "cudaFoo was called, and there is none"
    assert shadow_runtime_gave_up("CUDA error: out of memory\n") == ""


def test_anything_else_is_the_last_line_after_how_it_ended() -> None:
    assert last_words("first\nUnsupported KV type combination\n", ABORTED) == (
        "was killed by SIGABRT: Unsupported KV type combination"
    )


def test_silence_is_said() -> None:
    assert last_words("", "was killed by SIGSEGV") == "was killed by SIGSEGV"


def test_a_flood_is_cut() -> None:
    assert len(last_words("x" * 10_000, ABORTED)) == 300


def test_what_is_said_when_the_devices_are_found_is_no_reason() -> None:
    greeting = (
        "ggml_cuda_init: found 1 CUDA devices:\n"
        "  Device 0: NVIDIA H200, compute capability 9.0, VMM: yes\n"
    )
    abort = "/build/ggml/src/ggml-cuda/fattn.cu:146: fatal error\n"
    assert last_words(greeting + abort, "was killed by SIGABRT") == "fattn.cu:146: fatal error"

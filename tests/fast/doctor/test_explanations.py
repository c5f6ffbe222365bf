"""Messages that users meet when llama_cpp does not load, word for word, with what they mean."""

from __future__ import annotations

import pytest

from llamaproof.doctor.explanations import EXPLANATIONS, explain_failure

MESSAGES = {
    "no-driver": (
        "RuntimeError: Failed to load shared library '/x/llama_cpp/lib/libllama.so': "
        "libcuda.so.1: cannot open shared object file: No such file or directory",
        "libcuda.so.1",
    ),
    "no-cuda-library": (
        "RuntimeError: Failed to load shared library '/x/llama_cpp/lib/libllama.so': "
        "libcudart.so.12: cannot open shared object file: No such file or directory",
        "libcudart.so.12",
    ),
    "no-library": (
        "RuntimeError: Failed to load shared library '/x/lib/libllama.so': "
        "libgomp.so.1: cannot open shared object file: No such file or directory",
        "libgomp.so.1",
    ),
    "too-new": (
        "RuntimeError: Failed to load shared library '/x/lib/libllama.so': "
        "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /x/y.so)",
        "GLIBC_2.38",
    ),
    "mixed-libraries": (
        "RuntimeError: Failed to load shared library '/x/lib/libllama.so': "
        "/x/lib/libllama.so: undefined symbol: ggml_backend_sched_reserve",
        "ggml_backend_sched_reserve",
    ),
    "bindings": (
        "AttributeError: /x/lib/libllama.so: undefined symbol: llama_memory_breakdown",
        "llama_memory_breakdown",
    ),
    "no-dependency": ("ModuleNotFoundError: No module named 'diskcache'", "diskcache"),
    "old-cpu": (
        "RuntimeError: this build of llama_cpp needs an x86-64-v3 CPU, this one lacks: avx2, fma",
        "avx2, fma",
    ),
    "illegal-instruction": ("the process was killed by SIGILL", "-march=native"),
}


@pytest.mark.parametrize("code", MESSAGES)
def test_a_message_is_explained_with_what_helps(code: str) -> None:
    message, word = MESSAGES[code]
    finding = explain_failure(message)
    assert (finding.level, finding.code) == ("stops", code)
    assert word in finding.what
    assert finding.remedy


def test_every_explanation_has_a_message_that_meets_it() -> None:
    assert {explanation.code for explanation in EXPLANATIONS} == set(MESSAGES)


def test_an_unknown_message_is_repeated_and_not_guessed_at() -> None:
    finding = explain_failure("Traceback\nValueError: something else")
    assert (finding.level, finding.code) == ("unclear", "unknown-failure")
    assert "something else" in finding.what

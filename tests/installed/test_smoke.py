"""A wheel that imports is not yet one that works: it loads models and decodes them right.

Flash attention on and off are two ways to the same logits. They are compared by the normalised mean
squared error, at most 5e-4: ggml's own limit for FLASH_ATTN_EXT against its reference
(tests/test-backend-ops.cpp). The small models keep everything else alike (f16 weights, all experts
in use), so that what is measured is attention: right results differ by 1e-6 to 3e-5, and one
changed token out of 250 differs by more than the limit.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.installed.scripts import DECODE, RunPython
from tests.support.models import SMALL_MODELS

MAX_NMSE = 5e-4
# llama.cpp pads n_kv to a multiple of 256: the prefill stays below 256, the steps go beyond.
PREFILL = 250
STEPS = 12

Logits = npt.NDArray[np.float32]
Decode = Callable[..., Logits]


@pytest.fixture(scope="session")
def decode(run_python: RunPython, tmp_path_factory: pytest.TempPathFactory) -> Decode:
    """Decode with the wheel; float32 logits of shape (tokens, vocabulary)."""
    folder = tmp_path_factory.mktemp("logits")

    def decode_there(model: Path, *, flash_attn: str, change: int | None = None) -> Logits:
        output = folder / f"{model.stem}-{flash_attn}-{change}.npy"
        if not output.exists():
            changes = () if change is None else ("--change-token", str(change))
            sizes = ("--prefill", str(PREFILL), "--decode", str(STEPS))
            run_python(DECODE, model, output, "--flash-attn", flash_attn, *sizes, *changes)
        logits: Logits = np.load(output)
        return logits

    return decode_there


def nmse(found: Logits, expected: Logits) -> float:
    """Normalised mean squared error of `found`: 0 for equal, 1 for nothing in common."""
    difference = found.astype(np.float64) - expected.astype(np.float64)
    return float(np.sum(difference**2) / np.sum(expected.astype(np.float64) ** 2))


def test_the_version_is_the_same_in_the_package_and_its_metadata(run_python: RunPython) -> None:
    script = (
        "import importlib.metadata, llama_cpp;"
        "print(llama_cpp.__version__, importlib.metadata.version('llama_cpp_python'))"
    )
    package, metadata = run_python("-W", "ignore", "-c", script).lines[-1].split()
    assert package == metadata


def test_without_a_driver_the_import_works_and_says_why_there_is_no_gpu(
    run_python: RunPython,
) -> None:
    if _has_driver():
        pytest.skip("this machine has NVIDIA's driver")
    ran = run_python("-c", "import llama_cpp; print(llama_cpp.llama_supports_gpu_offload())")
    assert ran.lines[-1] in ("True", "False")
    if not _is_cuda_wheel(run_python):
        pytest.skip("the wheel has no CUDA: there is nothing to say about a driver")
    words = [line for line in ran.lines if re.search(r"no .*driver.*no GPU", line)]
    assert len(words) == 1, ran.output


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_flash_attention_on_and_off_give_the_same_logits(
    name: str, decode: Decode, models: dict[str, Path]
) -> None:
    off = decode(models[name], flash_attn="off")
    on = decode(models[name], flash_attn="on")
    # as a whole, and at each position: an error in one must not drown in the others
    assert nmse(on, off) <= MAX_NMSE
    assert max(nmse(on[i], off[i]) for i in range(len(off))) <= MAX_NMSE


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_logits_are_finite_and_not_degenerate(
    name: str, decode: Decode, models: dict[str, Path]
) -> None:
    logits = decode(models[name], flash_attn="on")
    assert logits.shape[0] == PREFILL + STEPS
    assert np.isfinite(logits).all()
    # every position spreads its logits, and they do not all like the same token best
    assert logits.std(axis=1).min() > 0.1
    assert len(np.unique(logits.argmax(axis=1))) > 50


@pytest.mark.parametrize("flash_attn", ["on", "off"])
def test_the_limit_would_see_one_wrong_token_in_the_context(
    flash_attn: str, decode: Decode, models: dict[str, Path]
) -> None:
    right = decode(models["glm-4.7-flash"], flash_attn=flash_attn)
    wrong = decode(models["glm-4.7-flash"], flash_attn=flash_attn, change=5)
    assert np.array_equal(right[:5], wrong[:5])
    assert nmse(wrong[-1], right[-1]) > MAX_NMSE


def test_the_high_level_interface_completes_a_text(
    run_python: RunPython, models: dict[str, Path]
) -> None:
    script = (
        "import sys, llama_cpp;"
        "model = llama_cpp.Llama(sys.argv[1], n_ctx=512, flash_attn=True, verbose=False);"
        "print(model.detokenize(model.tokenize(b'Hello')).decode());"
        "done = model('Hello', max_tokens=8, temperature=0);"
        "print(done['usage']['prompt_tokens'], done['choices'][0]['finish_reason'])"
    )
    ran = run_python("-W", "ignore", "-c", script, models["glm-4.7-flash"])
    detokenised, completed = ran.lines[-2:]
    assert detokenised.strip() == "Hello"
    # the vocabulary has single letters: <s>, a leading space and the five of the word
    assert completed in ("7 length", "7 stop")


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _is_cuda_wheel(run_python: RunPython) -> bool:
    script = (
        "import importlib.util, pathlib;"
        "folder = pathlib.Path(importlib.util.find_spec('llama_cpp').origin).parent / 'lib';"
        "print((folder / 'libggml-cuda.so').exists())"
    )
    return run_python("-c", script).lines[-1] == "True"

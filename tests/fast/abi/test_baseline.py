"""A patched build against the unpatched one: symbols and layouts must still be there."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from llamaproof.abi.check import check_target
from llamaproof.abi.findings import Result
from llamaproof.reports.outcome import Outcome
from llamaproof.target import open_target
from tests.support.abi.toy_library import Change, places
from tests.support.abi.toy_wheel import ToyWheel, write_wheel

_SIZE = "uint64_t llama_size(const struct llama_model * model)"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("stock"), ToyWheel())


def _against(stock: Path, folder: Path, **patched: Any) -> Result:
    wheel = write_wheel(folder, ToyWheel(**patched))
    with open_target(str(wheel)) as target, open_target(str(stock)) as baseline:
        return check_target(target, headers=(), baseline=baseline)


def test_a_build_that_adds_alone_passes(stock: Path, tmp_path: Path) -> None:
    result = _against(
        stock,
        tmp_path,
        header=[
            (
                "LLAMA_API void llama_free(",
                "LLAMA_API void llama_more(void);\nLLAMA_API void llama_free(",
            ),
            (
                "    LLAMA_POOLING_MEAN = 1,\n",
                "    LLAMA_POOLING_MEAN = 1,\n    LLAMA_POOLING_CLS,\n",
            ),
        ],
        libllama=[("int toy_gpu(void);", "int toy_gpu(void); void llama_more(void) {}")],
    )
    assert result.defects == ()
    assert result.facts["baseline"]["libraries"]["libllama.so"]["new"] == ["llama_more"]
    assert result.counts["baseline symbols"] > 9


def test_a_symbol_that_went_is_found(stock: Path, tmp_path: Path) -> None:
    result = _against(
        stock,
        tmp_path,
        libllama=[(f"{_SIZE} {{ return 0; }}", "")],
        header=[(f"LLAMA_API {_SIZE};\n", "")],
        bindings=[
            (
                '@ctypes_function("llama_size", [llama_model_p_ctypes], ctypes.c_uint64)\n'
                "def llama_size(model, /): ...\n",
                "",
            )
        ],
    )
    assert places(result) == [
        ("baseline.symbol", "libllama.so: llama_size"),
        ("baseline.function", "llama_size"),
    ]


@pytest.mark.parametrize(
    ("header", "bindings", "where"),
    [
        (
            ("    bool                flash_attn;\n", "    int32_t             flash_attn;\n"),
            ('("flash_attn", ctypes.c_bool)', '("flash_attn", ctypes.c_int32)'),
            ("baseline.field", "llama_params.flash_attn"),
        ),
        (
            ("LLAMA_FORMAT 3", "LLAMA_FORMAT 4"),
            ("LLAMA_FORMAT = 3", "LLAMA_FORMAT = 4"),
            None,
        ),
        (
            (
                "enum llama_pair { LLAMA_PAIR_A, LLAMA_PAIR_B }",
                "enum llama_pair { LLAMA_PAIR_B, LLAMA_PAIR_A }",
            ),
            ("LLAMA_PAIR_A = 0\nLLAMA_PAIR_B = 1", "LLAMA_PAIR_B = 0\nLLAMA_PAIR_A = 1"),
            ("baseline.constant", "LLAMA_PAIR_A"),
        ),
    ],
)
def test_a_layout_that_changed_is_found_though_the_bindings_follow_it(
    stock: Path, tmp_path: Path, header: Change, bindings: Change, where: tuple[str, str] | None
) -> None:
    result = _against(stock, tmp_path, header=[header], bindings=[bindings])
    if where is None:
        assert places(result) == []  # macros are no part of the binary's interface
    else:
        assert where in places(result)


def test_a_library_that_went_is_found(stock: Path, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, ToyWheel())
    with open_target(str(wheel)) as target, open_target(str(stock)) as baseline:
        (target.lib_dir / "libggml-cuda.so").unlink()
        result = check_target(target, headers=(), cuda_arch=(), baseline=baseline)
    assert ("baseline.library", "libggml-cuda.so") in places(result)


def test_a_baseline_without_headers_leaves_layouts_unchecked(stock: Path, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, ToyWheel())
    with contextlib.ExitStack() as opened:
        target, unpacked = (opened.enter_context(open_target(str(w))) for w in (wheel, stock))
        baseline = opened.enter_context(open_target(str(unpacked.lib_dir)))
        result = check_target(target, headers=(), baseline=baseline)
    assert [(f.level, f.code) for f in result.findings] == [("unchecked", "baseline.headers")]
    assert result.outcome is Outcome.NOT_CHECKED

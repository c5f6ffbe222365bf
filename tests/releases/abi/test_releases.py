"""The real releases: what is known of their bindings, and of mixing them, comes out exactly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llamaproof.abi.check import check_pair
from llamaproof.abi.findings import AbiFinding, Result
from tests.support.abi.toy_library import places

_CHECKOUT = Path(__file__).resolve().parents[3]
_TREES = _CHECKOUT / "build" / "tree"


def _release(version: str) -> Path:
    """The unpatched tree of a release: laid by the build, or unpacked where the variable says."""
    pin = f"llama-cpp-python-{version}"
    candidates = [_TREES / f"{pin}-stock"]
    if not (_CHECKOUT / "patches" / pin).is_dir():
        candidates.append(_TREES / pin)  # without a series it is as it was released
    if "LLAMAPROOF_RELEASES" in os.environ:
        candidates.append(Path(os.environ["LLAMAPROOF_RELEASES"]) / f"llama_cpp_python-{version}")
    found = next((c for c in candidates if (c / "llama_cpp" / "llama_cpp.py").is_file()), None)
    if found is None:
        pytest.skip(
            f"no tree of {version}: unpack its sdist, and set LLAMAPROOF_RELEASES to the folder "
            "it is in"
        )
    return found


def _check(bindings: str, headers: str) -> Result:
    return check_pair(_release(bindings), [_release(headers)])


def _at(result: Result, where: str) -> AbiFinding:
    (found,) = (f for f in result.defects if f.where == where)
    return found


@pytest.mark.parametrize(
    ("version", "structs", "functions"),
    [("0.3.16", 17, 236), ("0.3.17", 19, 252), ("0.3.36", 34, 342)],
)
def test_a_release_has_just_the_defect_it_is_known_for(
    version: str, structs: int, functions: int
) -> None:
    result = _check(version, version)
    assert places(result) == [("struct.field-missing", "llama_opt_params.optimizer_type")]
    assert result.defects[0].expected == "enum ggml_opt_optimizer_type, 4 bytes at offset 40"
    assert (result.counts["structs"], result.counts["functions"]) == (structs, functions)


def test_old_bindings_on_a_newer_library_read_flash_attention_as_something_else() -> None:
    result = _check("0.3.16", "0.3.17")
    assert _at(result, "llama_context_params.flash_attn").code == "struct.field-extra"
    missing = _at(result, "llama_context_params.flash_attn_type")
    assert missing.expected == "enum llama_flash_attn_type, 4 bytes at offset 36"
    assert "bytes 36 to 39: rope_freq_base" in missing.consequence
    moved = _at(result, "llama_context_params.op_offload")
    assert "byte 115: no_perf" in moved.consequence


def test_differences_that_keep_a_structs_size_are_found() -> None:
    # llama_model_params is 72 bytes in both, with a bool put in among the others.
    result = _check("0.3.16", "0.3.17")
    moved = {f.where.partition(".")[2] for f in result.defects if "llama_model_params." in f.where}
    assert moved == {
        "use_direct_io",
        "use_mlock",
        "check_tensors",
        "use_extra_bufts",
        "no_host",
        "no_alloc",
    }


def test_functions_that_went_are_found() -> None:
    result = _check("0.3.16", "0.3.17")
    gone = {f.where for f in result.defects if f.code == "function.removed"}
    assert len(gone) == 19
    assert {"llama_kv_self_clear", "llama_set_adapter_lora", "llama_get_kv_self"} <= gone


def test_prototypes_and_values_that_changed_are_found() -> None:
    result = _check("0.3.16", "0.3.36")
    assert _at(result, "llama_sampler_init_penalties").found == "4 arguments"
    assert _at(result, "LLAMA_SESSION_VERSION").expected == "10"
    codes = {f.code for f in result.defects if f.where == "mtmd_helper_bitmap_init_from_buf"}
    assert codes == {"function.arity", "function.result-type"}

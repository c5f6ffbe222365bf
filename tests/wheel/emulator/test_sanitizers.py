"""Attention kernels of a built wheel, on the emulator under the sanitizers."""

from __future__ import annotations

from pathlib import Path

from tests.support.executor.fixtures import Sanitized


def test_whole_attention_kernels(sanitized: Sanitized, wheel: Path) -> None:
    """mma with stream-k and its fix-up for MLA; vec, quantised; both with more than one block."""
    for shape in (
        ("--head-sizes", "576/512", "--type", "f16", "--ratio", "20"),
        ("--head-sizes", "128", "--type", "q8_0", "--ratio", "4"),
    ):
        tokens = ("--tokens", "1", "--tokens", "35", "--n-kv", "512")
        code, output = sanitized.python("-m", "llamaproof", "emulate", wheel, *shape, *tokens)
        assert code == 0, output
        assert "Sanitizer" not in output, output
        assert "2 holds" in output

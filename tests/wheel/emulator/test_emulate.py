"""The kernels of a built wheel, executed: the whole way from the wheel to the verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llamaproof import cli


def test_ratio_20_through_the_wheels_own_kernels(wheel: Path, tmp_path: Path) -> None:
    out = tmp_path / "emulation.json"
    arguments = ["--head-sizes", "576/512", "--type", "f16", "--ratio", "20"]
    code = cli.main(
        [
            "emulate",
            str(wheel),
            *arguments,
            "--tokens",
            "1",
            "--n-kv",
            "512",
            "--json",
            str(out),
        ]
    )
    document = json.loads(out.read_text())
    (run,) = document["runs"]
    (cell,) = run["cells"]
    assert (code, cell["verdict"]) == (0, "holds")
    assert cell["nmse"] < document["nmse_limit"]
    kernels = [launch["kernel"] for launch in cell["launches"]]
    assert any("flash_attn_ext_f16" in kernel for kernel in kernels)
    assert all(launch["findings"] == [] for launch in cell["launches"])
    assert cell["launches"][0]["counts"]["mma_ops"] > 0


def test_the_counts_are_exactly_repeatable(wheel: Path, tmp_path: Path) -> None:
    counts = []
    for index in range(2):
        out = tmp_path / f"{index}.json"
        shape = ["--head-sizes", "128", "--type", "q8_0", "--ratio", "4", "--n-kv", "256"]
        cli.main(["emulate", str(wheel), *shape, "--tokens", "3", "--json", str(out)])
        (run,) = json.loads(out.read_text())["runs"]
        (cell,) = run["cells"]
        counts.append([launch["counts"] for launch in cell["launches"]])
        assert cell["verdict"] == "holds"
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("heads", "ratio"), [("576/512", 20), ("64", 8), ("80", 4), ("128", 4), ("256", 1)]
)
def test_flat_attention_of_large_values_does_not_overflow(
    wheel: Path, tmp_path: Path, heads: str, ratio: int
) -> None:
    out = tmp_path / "flat.json"
    shape = ["--head-sizes", heads, "--type", "f16", "--ratio", str(ratio), "--n-kv", "4096"]
    tokens = ["--tokens", "1", "--tokens", "35"]
    card = ["--inputs", "flat", "--multiprocessors", "1"]
    code = cli.main(["emulate", str(wheel), *card, *shape, *tokens, "--json", str(out)])
    (run,) = json.loads(out.read_text())["runs"]
    assert run["inputs"] == "flat"
    assert [cell["verdict"] for cell in run["cells"]] == ["holds", "holds"]
    assert code == 0

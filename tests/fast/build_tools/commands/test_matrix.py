"""Each variant of the policy becomes a job that builds just that, and proves it as asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from build_tools import cli
from build_tools.commands.matrix import cmake_items
from llamaproof.binary.code_on_card import archs_of_cmake_item

DEMANDS = """
schema = "llamaproof.demands"
version = 1
[profile.default]
reason = "All wheels."
[profile.default.work]
card = "L40S"
reason = "The kept counts are of it."
[profile.ours]
reason = "One of them."
[profile.ours.against]
target = "stock"
reason = "Nothing is to be worse."
"""
VARIANT = """
[[variant]]
name = "{name}"
title = "A variant"
reason = "For a test."
cuda = {{ major = "{major}", reason = "Drivers." }}
code = {{ archs = {archs}, reason = "Cards." }}
demands = {{ profile = "{profile}", reason = "All that can be shown." }}
[[variant.platform]]
tag = "manylinux_2_*_x86_64"
reason = "Linux of the last years."
"""
POLICY = """
schema = "llamaproof.release-policy"
version = 1
title = "Wheels"
url = "https://wheels.example"
reason = "For a test."
[[proof]]
name = "abi"
oldest = 1
reason = "Bindings."
"""


def matrix(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    (folder / "demands.toml").write_text(DEMANDS)
    policy = folder / "release.toml"
    policy.write_text(
        POLICY
        + VARIANT.format(name="a", major="13", archs='["89"]', profile="demands.toml:ours")
        + VARIANT.format(
            name="b", major="12", archs='["60-virtual", "75-real"]', profile="demands.toml"
        )
        + VARIANT.format(name="c", major="none", archs='["cpu"]', profile="demands.toml")
    )
    assert cli.main(["matrix", "--policy", str(policy)]) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    jobs: list[dict[str, object]] = json.loads(line)["include"]
    return jobs


def test_a_job_says_what_its_wheel_is_built_with_and_proved_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = matrix(tmp_path, capsys)
    assert (first["variant"], first["cuda"], first["cuda_arch"]) == ("a", "13", "89")
    assert first["against_stock"] is True and "ours" in str(first["demands"])
    assert (second["cuda"], second["cuda_arch"]) == ("12", "60-virtual;75-real")
    assert second["against_stock"] is False
    assert (third["cuda"], third["cuda_arch"]) == ("", "cpu")


@pytest.mark.parametrize("items", [["89"], ["75-virtual", "80-real"], ["90a", "120f-virtual"], []])
def test_architectures_are_written_back_as_they_were_read(items: list[str]) -> None:
    archs = {str(arch) for item in items for arch in archs_of_cmake_item(item)}
    assert list(cmake_items(archs)) == items

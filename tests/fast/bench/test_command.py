"""`llamaproof bench` from end to end on kept records, and what it notes of its targets."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from llamaproof.bench import gate_input
from llamaproof.bench import record as records
from llamaproof.bench.command import _record
from llamaproof.bench.options import add_options
from llamaproof.bench.points import Selection, select_emulated
from llamaproof.bench.targets import Named, new_record
from llamaproof.bench.worker import Hello
from llamaproof.cli import main
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from llamaproof.target import open_target
from llamaproof.wheel_contents import FILE_NAME
from tests.support.wheel_facts import FACTS

KEPT = Path(gate_input.__file__).parent / "kept"
STOCK = KEPT / "0.3.16-L40S.json"
HELLO = Hello(
    ggml_version="0", backends=(), kv_layout="v_separate", device="emulated", gpu=None,
    driver_version="", clocks_missing="",
)  # fmt: skip


def bench(*arguments: object) -> int:
    return main(["bench", *map(str, arguments)])


def test_a_kept_record_is_judged_and_reported_without_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("--from", STOCK, "--report", tmp_path / "page") == DEFECT
    said = capsys.readouterr().out
    assert "FAILS        on-gpu  109 held, 23 failed" in said
    assert "576/512@20 f16 tokens=1 kv=1024 falls back" in said
    assert "not counted: " in said and "q8_0, 1, 4, 8, 64, 512 tokens" in said
    assert (tmp_path / "page" / "bench.html").is_file()
    assert (tmp_path / "page" / "bench.md").is_file()


def test_a_record_holds_against_itself_as_a_baseline() -> None:
    newest = KEPT / "0.3.36-L40S.json"
    for rule in ("no-worse-than-baseline", "no-worse-than-0.3.36"):
        assert bench("--from", newest, "--baseline", newest, "--judge", rule) == HOLDS


def test_a_worse_build_fails_against_its_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slower = records.load(KEPT / "0.3.36-L40S.json")
    result = next(r for r in slower.results if r.point.cell.ratio == 20)
    slower.put(replace(result, counts={n: 7.6 * v for n, v in result.counts.items()}))
    slower.save(tmp_path / "slower.json")
    arguments = ("--baseline", KEPT / "0.3.36-L40S.json", "--judge", "no-worse-than-baseline")
    assert bench("--from", tmp_path / "slower.json", *arguments) == DEFECT
    assert "7.6x REGRESSION" in capsys.readouterr().out


def test_what_was_not_judged_is_no_pass(tmp_path: Path) -> None:
    record = records.load(STOCK)
    record.unit = "host seconds"
    record.save(tmp_path / "host.json")
    assert bench("--from", tmp_path / "host.json") == NOT_CHECKED


def test_no_target_and_no_record_is_an_error_that_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench() == NOT_CHECKED
    assert "no target was given" in "".join(capsys.readouterr())


def test_the_series_and_tree_of_a_package_are_kept(tmp_path: Path) -> None:
    package = tmp_path / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    (package / "llama_cpp.py").write_text("")
    (package / "lib" / "libggml-base.so").write_bytes(b"")
    (package / FILE_NAME).write_text(FACTS.text())
    with open_target(str(tmp_path)) as target:
        record = new_record("emulator", [Named(target=target, role=None)], [HELLO])
    info = record.targets[0]
    assert (info.series, info.tree) == (("0001-a.patch", "0002-b.patch"), FACTS.tree)
    record.save(tmp_path / "record.json")
    assert records.load(tmp_path / "record.json").targets == record.targets


def test_a_resumed_run_keeps_what_was_asked_for_before(tmp_path: Path) -> None:
    (tmp_path / "libggml-base.so").write_bytes(b"")
    before, after = (
        select_emulated(Selection(gqa_ratios=[ratio], tokens=[1])) for ratio in (20, 16)
    )
    parser = argparse.ArgumentParser()
    add_options(parser)
    with open_target(str(tmp_path)) as target:
        named = [Named(target=target, role=None)]
        path = tmp_path / "run.json"
        first = parser.parse_args(["x", "--on", "emulator", "--json", str(path)])
        _record(first, named, [HELLO], before)
        second = parser.parse_args(["x", "--on", "emulator", "--resume", str(path)])
        resumed = _record(second, named, [HELLO], after)
    assert resumed.requested == before + after

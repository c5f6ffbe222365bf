"""The `abi` command: exit codes, the table and the JSON document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llamaproof.cli import main
from tests.support.abi.toy_library import write_pair
from tests.support.abi.toy_wheel import ToyWheel, write_wheel


def _pair(folder: Path) -> list[str]:
    return ["abi", "--bindings", str(folder), "--headers", str(folder / "headers")]


def test_a_pair_that_matches_exits_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_pair(write_pair(tmp_path))) == 0
    said = capsys.readouterr().out
    assert "3 structs" in said
    assert "holds: no defect" in said


def test_a_defect_exits_with_1_and_is_told_in_words_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(
        tmp_path, bindings=[('("flash_attn", ctypes.c_bool)', '("flash_attn", ctypes.c_int)')]
    )
    answer = tmp_path / "answer.json"
    assert main([*_pair(tmp_path), "--json", str(answer)]) == 1
    assert "1 defect" in capsys.readouterr().out
    document = json.loads(answer.read_text())
    assert (document["schema"], document["version"]) == ("llamaproof.abi", 2)
    assert document["outcome"] == "a defect was found"
    assert document["counts"]["structs"] == 3
    (finding,) = document["findings"]
    assert finding == {
        "level": "defect",
        "code": "struct.field-type",
        "where": "llama_params.flash_attn",
        "expected": "bool, 1 byte at offset 8",
        "found": "c_int, 4 bytes at offset 8",
        "consequence": finding["consequence"],
    }


def test_what_could_not_be_checked_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (write_pair(tmp_path) / "llama_cpp" / "llama_cpp.py").write_text(
        "import ctypes\n_lib = ctypes.CDLL('libllama.so')\n"
    )
    assert main(_pair(tmp_path)) == 2
    assert "no structs were found to compare" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such.whl"],
        ["--bindings", "no-such-folder"],
        ["a.whl", "--bindings", "b"],
    ],
)
def test_bad_arguments_exit_with_2_and_say_what_to_do(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["abi", *arguments]) == 2
    assert "next:" in capsys.readouterr().err


def test_a_file_that_is_no_wheel_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "llama_cpp_python-1.0-py3-none-any.whl"
    bad.write_bytes(b"this is no archive")
    assert main(["abi", str(bad)]) == 2
    assert "not a readable wheel" in capsys.readouterr().err


def test_a_truncated_wheel_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = write_wheel(tmp_path, ToyWheel())
    wheel.write_bytes(wheel.read_bytes()[:-200])
    assert main(["abi", str(wheel)]) == 2
    assert "error: " in capsys.readouterr().err


def test_a_wheel_that_is_right_exits_with_0_and_is_named_by_its_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = write_wheel(tmp_path, ToyWheel())
    answer = tmp_path / "answer.json"
    assert main(["abi", str(wheel), "--kernels", "--json", str(answer)]) == 0
    said = capsys.readouterr().out
    assert "sm_89 in 2" in said
    assert "flash_attn_ext_f16<576, 512, 4, 16, 8, 2, false, true>" in said
    target = json.loads(answer.read_text())["target"]
    assert (target["name"], len(target["sha256"])) == (wheel.name, 64)


def test_a_json_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path)
    assert main([*_pair(tmp_path), "--json", str(tmp_path / "absent" / "answer.json")]) == 2
    (tmp_path / "folder").mkdir()
    assert main([*_pair(tmp_path), "--json", str(tmp_path / "folder")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "headers", "llama_cpp"]


def test_a_wheel_that_names_its_compilers_is_shown_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = write_wheel(tmp_path / "ours", ToyWheel())
    report = tmp_path / "report.json"
    assert main(["abi", str(ours), "--json", str(report)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "made with g++ (Debian 12.2.0-14+deb12u1) 12.2.0; Cuda compilation tools" in said
    facts = json.loads(report.read_text())["facts"]
    assert facts["made_with"]["ld"].startswith("GNU ld") and facts["reproducible"] is True
    main(["abi", str(write_wheel(tmp_path / "others", ToyWheel(made_here=False)))])
    assert "made with" not in capsys.readouterr().out

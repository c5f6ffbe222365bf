"""The whole diagnosis: what stops, what is only said, and the page and document it is told on."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from llamaproof import cli, shadow
from llamaproof.attention.familiar_models import FAMILIAR_MODELS
from llamaproof.doctor.diagnosis import Diagnosis, diagnose
from llamaproof.doctor.findings import DoctorFinding, fine, note, stops, unclear
from llamaproof.doctor.package import Host
from llamaproof.doctor.terminal import diagnosis_json, print_diagnosis
from llamaproof.doctor.where_attention_runs import FamiliarResult, remedy_for, shape_in_words
from llamaproof.errors import DEFECT, NOT_CHECKED
from llamaproof.gguf.attention import LayerAttention
from llamaproof.placement.outcome import FALLS_BACK
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from tests.support.small_libraries import package

L40S = shadow.find_gpu("L40S")


def _diagnosis(*findings: DoctorFinding, familiar: tuple[FamiliarResult, ...] = ()) -> Diagnosis:
    return Diagnosis(
        target="installed",
        version="0.3.16",
        gpu="L40S",
        is_shadow=True,
        findings=findings,
        report=None,
        header=None,
        familiar=familiar,
    )


def _page(diagnosis: Diagnosis) -> str:
    out = io.StringIO()
    print_diagnosis(diagnosis, Printer(out))
    return out.getvalue()


def test_nothing_wrong_holds_and_says_how_to_call_it() -> None:
    diagnosis = _diagnosis(fine("cuda", "it is built with CUDA"))
    assert diagnosis.outcome is Outcome.HOLDS
    page = _page(diagnosis)
    assert page.startswith("Flash attention will run on L40S (played: there is no GPU here).")
    assert "flash_attn=True" in page


def test_what_stops_outweighs_what_is_unclear() -> None:
    unknown = unclear("unread", "one thing was not read", "read it")
    wrong = stops("cpu-only", "it is built without CUDA", "install another")
    assert _diagnosis(unknown).outcome is Outcome.NOT_CHECKED
    assert _diagnosis(unknown, wrong).outcome is Outcome.DEFECT
    page = _page(_diagnosis(unknown, wrong))
    assert "will not run" in page.splitlines()[0]
    assert "What helps: install another." in page
    assert "flash_attn=True" not in page


def test_notes_do_not_change_the_answer() -> None:
    diagnosis = _diagnosis(note("no-driver", "there is no driver"))
    assert diagnosis.outcome is Outcome.HOLDS
    assert "there is no driver" in _page(diagnosis)


def test_a_familiar_model_that_falls_back_is_named() -> None:
    by_name = {model.name: model for model in FAMILIAR_MODELS}
    results = (
        FamiliarResult(model=by_name["Llama 3 8B"], failures=()),
        FamiliarResult(model=by_name["GLM-4.7-Flash"], failures=(FALLS_BACK, FALLS_BACK)),
    )
    diagnosis = _diagnosis(familiar=results)
    lines = _page(diagnosis).splitlines()
    assert any("GLM-4.7-Flash" in line and "falls back to the CPU" in line for line in lines)
    assert any("Llama 3 8B" in line and "runs on the GPU" in line for line in lines)
    document = json.loads(json.dumps(diagnosis_json(diagnosis)))
    assert (document["schema"], document["version"]) == ("llamaproof.doctor", 3)
    assert [len(result["failures"]) for result in document["familiar"]] == [0, 2]


@pytest.mark.parametrize(("latent", "words"), [(True, "latent"), (False, "f16 for the K and V")])
def test_the_remedy_fits_the_attention(latent: bool, words: str) -> None:
    layer = LayerAttention(
        layer=0,
        n_head=20,
        n_head_kv=1,
        key_length=576,
        value_length=512,
        window=0,
        softcap=0.0,
        max_bias=0.0,
        sinks=False,
        latent=latent,
    )
    assert shape_in_words([layer, layer]) == "head sizes 576/512, GQA ratio 20"
    assert words in remedy_for([layer])


def test_a_package_without_cuda_is_diagnosed_without_running_anything(tmp_path: Path) -> None:
    target = package(tmp_path, ("libllama.so", "libggml.so"))
    diagnosis = diagnose(
        str(tmp_path),
        target,
        None,
        shadow_gpu=L40S,
        environ=os.environ,
        host=Host.here(),
    )
    assert diagnosis.outcome is Outcome.DEFECT
    assert "built without CUDA" in diagnosis.verdict
    assert diagnosis.familiar == ()


def test_the_command_prints_writes_and_exits_by_the_diagnosis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package(tmp_path, ("libllama.so", "libggml.so"))
    output = tmp_path / "doctor.json"
    code = cli.main(["doctor", "--target", str(tmp_path), "--json", str(output)])
    assert code == DEFECT
    assert "will not run" in capsys.readouterr().out
    assert json.loads(output.read_text())["outcome"] == "a defect was found"


def test_a_model_that_is_not_there_could_not_be_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["doctor", "no-such.gguf"]) == NOT_CHECKED
    assert "no such file" in capsys.readouterr().err


def test_a_card_that_nobody_knows_could_not_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", "--target", str(tmp_path), "--gpu", "Voodoo 2"]) == NOT_CHECKED
    assert capsys.readouterr().err.startswith("error: ")

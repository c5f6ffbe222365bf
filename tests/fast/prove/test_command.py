"""`llamaproof prove` on small wheels: every proof is made, and what is planted is found.

What is small is the data: the wheels, the grid, the shapes that are executed and those whose work
is counted. The wheels' kernels run on the shadow runtime and the emulator, as any wheel's do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llamaproof import cli
from llamaproof.attention.cell import HeadSizes
from llamaproof.attention.grid import cells_of
from llamaproof.dispatch import requirement
from llamaproof.emulator.shapes import PROOF_SHAPES
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from llamaproof.ggml import GgmlType
from llamaproof.placement.by_model import MODEL_CELLS
from llamaproof.prove import numbers, placement, work
from tests.support.prove.small_data import in_place_of_minutes
from tests.support.prove.small_wheel import SmallWheel

# What every run here is asked for; a test adds what it is about.
DEMANDS = """
schema = "llamaproof.demands"
version = 1
[profile.default]
reason = "A small wheel."
[profile.default.work]
card = "L40S"
reason = "The kept counts are of it."
[profile.L40S]
reason = "A small wheel for one card."
[profile.L40S.cards]
names = ["L40S"]
reason = "One is enough."
"""
AT_20 = "576/512@20:f16#1"
STOCK = SmallWheel(supported="r % 16 == 0", dispatched="r % 16 == 0")
BINDINGS_ALONE = ("--without", "numbers", "--without", "work")

# The kernel adds the mask to each score; without it a token sees what comes after it.
NO_MASK = ("fma.rn.f32 %sum, %sum, %scale, %b;", "mul.f32 %sum, %sum, %scale;")
# The scores are made anew for every 64 of them.
QUADRATIC = (
    (
        "    // A score for each cell that is this thread's.\n    mov.u32 %i, %thread;",
        "    .reg .b32 %again;\n    mov.u32 %again, 0;\nagain:\n    mov.u32 %i, %thread;",
    ),
    (
        "    bar.sync 0;",
        "    add.u32 %again, %again, 64;\n    setp.lt.u32 %end, %again, %n;\n"
        "    @%end bra again;\n    bar.sync 0;",
    ),
)
UNKNOWN = ("mov.u32 %token, %ctaid.y;", "mov.u32 %token, %ctaid.y;\n    mov.u32 %i, %pm0;")


@dataclass
class Proof:
    """A wheel, what proving it printed, and the evidence beside it."""

    wheel: Path
    code: int

    @property
    def document(self) -> dict[str, Any]:
        path = self.wheel.with_name(self.wheel.name + ".evidence.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    @property
    def page(self) -> str:
        return self.wheel.with_name(self.wheel.name + ".evidence.html").read_text()

    @property
    def outcomes(self) -> dict[str, str]:
        return {
            name: self.document[name]["outcome"] for name in ("abi", "dispatch", "numbers", "work")
        }


def prove(folder: Path, small: SmallWheel, *arguments: str, profile: str = "L40S") -> Proof:
    """Write a wheel and prove it."""
    wheel = small.write(folder / "dist")
    demands = folder / "demands.toml"
    demands.write_text(DEMANDS)
    code = cli.main(["prove", "--demands", f"{demands}:{profile}", *arguments, str(wheel)])
    return Proof(wheel=wheel, code=code)


@pytest.fixture(autouse=True, scope="module")
def small_data() -> Iterator[None]:
    with in_place_of_minutes():
        yield


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(STOCK.write(tmp_path_factory.mktemp("stock")))


@pytest.fixture(scope="module")
def sound(stock: str, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    folder = tmp_path_factory.mktemp("sound")
    return prove(folder, SmallWheel(), "--require", AT_20, "--against", stock)


def test_a_sound_wheel_holds_in_every_section(sound: Proof) -> None:
    document = sound.document
    assert sound.code == HOLDS, document
    assert (document["schema"], document["version"]) == ("llamaproof.evidence", 3)
    digest = hashlib.sha256(sound.wheel.read_bytes()).hexdigest()
    assert document["wheel"] == {"name": sound.wheel.name, "sha256": digest}
    assert document["outcome"] == "holds"
    assert set(sound.outcomes.values()) == {"holds"}


def test_what_was_executed_and_counted_is_in_the_document(sound: Proof) -> None:
    document = sound.document
    assert document["dispatch"]["proof"]["requirements"][0]["holds"] is True
    assert "cells are better and 0 worse than in" in document["dispatch"]["words"]
    executed = document["numbers"]["proof"]["executed"]
    assert [
        (one["gpu"], one["inputs"], one["multiprocessors"], one["outcome"]) for one in executed
    ] == [
        ("L40S", "random", 142, "holds"),
        ("L40S", "peak", 4, "holds"),
        ("L40S", "random", 142, "holds"),
    ]
    assert executed[1]["reasons"] == ["a maximum that jumps"]
    [cell, _] = executed[1]["cells"]
    assert cell["cpu_nmse"] < 5e-4 and not cell["right_where_the_cpu_is_wrong"]
    [left_out] = document["numbers"]["proof"]["left_out"]
    assert left_out == {"what": "long contexts", "reason": "hours"}
    assert "long contexts" in sound.page
    verdicts = [cell["verdict"] for cell in executed[0]["cells"]]
    assert {v: verdicts.count(v) for v in set(verdicts)} == {"holds": 4, "falls back": 8}
    assert len(document["work"]["proof"]["record"]["results"]) == len(work.proof_points())


def test_what_was_demanded_is_in_the_document_and_on_the_page(sound: Proof) -> None:
    demanded = sound.document["demands"]
    assert (demanded["profile"], demanded["overridden"]) == ("L40S", ["require"])
    assert demanded["require"][0]["cells"] == AT_20
    page = sound.page
    assert "<h2>What was demanded</h2>" in page
    assert "asked for on the command line (--require)" in page
    assert "The kept counts are of it." in page


def test_the_page_says_first_which_models_run(sound: Proof) -> None:
    page = sound.page
    asked = page.index("<h2>Does attention run on the GPU?</h2>")
    assert asked < page.index("<h2>What was proved</h2>")
    assert page.index("<h2>What was proved</h2>") < page.index(f"<h2>{placement.TITLE}</h2>")
    assert "GLM-4.7-Flash" in page[asked : page.index("<h2>What was proved</h2>")]
    for title in (placement.TITLE, numbers.TITLE, work.TITLE):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<html") == page.count("</html>") == 1


def test_planted_a_defect_of_the_bindings_is_1(tmp_path: Path) -> None:
    wrong = SmallWheel(bindings=[('("scale", ctypes.c_float)', '("scale", ctypes.c_double)')])
    proof = prove(tmp_path, wrong, *BINDINGS_ALONE)
    assert proof.code == DEFECT
    assert proof.outcomes["abi"] == "a defect was found"
    assert "llama_params.scale" in proof.page


def test_planted_a_requirement_that_is_not_met_is_1(tmp_path: Path) -> None:
    proof = prove(tmp_path, STOCK, "--require", AT_20, *BINDINGS_ALONE)
    assert proof.code == DEFECT
    assert f"{AT_20} does not hold" in proof.document["dispatch"]["words"]


def test_planted_a_node_that_is_taken_and_has_no_kernel_is_1(tmp_path: Path) -> None:
    halved = SmallWheel(supported="r % 4 == 0", dispatched="r % 16 == 0")
    proof = prove(tmp_path, halved, "--require", AT_20, *BINDINGS_ALONE)
    assert proof.code == DEFECT
    assert "GGML_ASSERT(gqa_ratio % 16 == 0) failed" in json.dumps(proof.document["dispatch"])


def test_planted_a_cell_worse_than_stock_is_1(tmp_path: Path, stock: str) -> None:
    worse = SmallWheel(supported="r % 32 == 0", dispatched="r % 32 == 0")
    proof = prove(tmp_path, worse, "--against", stock, *BINDINGS_ALONE)
    assert proof.code == DEFECT
    words = proof.document["dispatch"]["words"]
    assert " worse than in llama_cpp_python" in words and "and 0 worse" not in words


def test_planted_a_wrong_number_is_1_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = prove(tmp_path, SmallWheel(kernel=(NO_MASK,)), "--without", "work")
    assert proof.code == DEFECT
    assert proof.outcomes["numbers"] == "a defect was found"
    assert f"L40S: {proof.wheel.name}: 576/512@20 f16" in capsys.readouterr().out
    assert "largest error" in proof.page


def test_planted_quadratic_work_is_1(tmp_path: Path) -> None:
    proof = prove(tmp_path, SmallWheel(kernel=QUADRATIC), "--without", "numbers")
    assert proof.code == DEFECT
    verdicts = {v["rule"]: v["outcome"] for v in proof.document["work"]["proof"]["verdicts"]}
    assert verdicts["near-linear-doubling"] == "a defect was found"
    assert verdicts["on-gpu"] == "holds"


def test_a_card_without_code_is_1_where_it_was_asked_for(tmp_path: Path) -> None:
    proof = prove(tmp_path, SmallWheel(), "--cards", "T4,L40S", *BINDINGS_ALONE)
    assert proof.code == DEFECT
    section = proof.document["dispatch"]
    assert "no code that runs on T4 (sm_75)" in section["words"]
    assert section["proof"]["no_code_for"] == [{"gpu": "T4", "sm": 75}]
    assert [gpu["name"] for gpu in section["proof"]["gpus"]] == ["L40S"]


def test_a_card_without_code_is_1_where_its_kernels_were_to_be_executed(tmp_path: Path) -> None:
    arguments = ("--numbers", "T4", "--without", "work")
    proof = prove(tmp_path, SmallWheel(), *arguments)
    assert proof.code == DEFECT
    assert "no code that runs on T4 (sm_75)" in proof.document["numbers"]["words"]
    assert proof.outcomes["dispatch"] == "holds"


def test_ptx_serves_every_newer_card(tmp_path: Path) -> None:
    arguments = ("--cards", "T4+", "--numbers", "T4,H200", "--without", "work")
    proof = prove(tmp_path, SmallWheel(sms=(75, 80, 90)), *arguments, "--require", AT_20)
    assert proof.code == HOLDS
    executed = proof.document["numbers"]["proof"]["executed"]
    assert [one["sm"] for one in executed] == [75, 75, 90, 90]
    kernels = [cell["kernels"] for one in executed for cell in one["cells"] if "kernels" in cell]
    assert {kernel[0].rpartition("(")[2] for kernel in kernels} == {
        "PTX of sm_75)",
        "PTX of sm_90)",
    }


def test_numbers_that_could_not_be_had_are_2(tmp_path: Path) -> None:
    proof = prove(tmp_path, SmallWheel(kernel=(UNKNOWN,)), "--without", "work")
    assert proof.code == NOT_CHECKED
    section = proof.document["numbers"]
    assert section["outcome"] == "could not be checked"
    assert "%pm0" in section["words"]


def test_numbers_and_work_of_no_kernel_at_all_are_no_pass(tmp_path: Path) -> None:
    proof = prove(tmp_path, SmallWheel(supported="false"))
    assert proof.outcomes["numbers"] == "could not be checked"
    assert proof.outcomes["work"] == "a defect was found"
    assert proof.code == DEFECT


def test_a_wrong_number_of_stock_puts_the_wheels_own_in_doubt(tmp_path: Path) -> None:
    wrong = SmallWheel(kernel=(NO_MASK,)).write(tmp_path / "stock")
    proof = prove(tmp_path, SmallWheel(), "--against", str(wrong), "--without", "work")
    assert proof.code == NOT_CHECKED
    assert proof.outcomes["numbers"] == "could not be checked"


def test_a_comparison_that_could_not_be_made_is_2(tmp_path: Path) -> None:
    newer = SmallWheel(sms=(90,)).write(tmp_path / "stock")
    arguments = ("--against", str(newer), "--without", "work")
    proof = prove(tmp_path, SmallWheel(), *arguments)
    assert proof.code == NOT_CHECKED
    assert f"{newer.name} has no code for L40S (sm_89)" in proof.document["dispatch"]["words"]
    assert "it has no code for sm_89" in proof.document["numbers"]["words"]


def test_a_wheel_whose_work_cannot_be_compared_is_2_unless_that_is_left_out(tmp_path: Path) -> None:
    newer = SmallWheel(sms=(90,))
    proof = prove(tmp_path, newer, "--cards", "H200", "--without", "numbers")
    assert proof.code == NOT_CHECKED
    assert "--without work" in proof.document["work"]["words"]
    assert prove(tmp_path, newer, "--cards", "H200", *BINDINGS_ALONE).code == HOLDS


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    proof = prove(tmp_path, SmallWheel(), *BINDINGS_ALONE)
    assert proof.code == HOLDS
    assert proof.outcomes["numbers"] == proof.outcomes["work"] == "left out"
    words = "not proved, left out: asked for on the command line (--without numbers)"
    assert proof.document["numbers"]["words"] == words
    assert "asked for on the command line (--without work)" in proof.page


def test_cards_for_numbers_that_are_left_out_are_refused(tmp_path: Path) -> None:
    arguments = ("--without", "numbers", "--numbers", "T4")
    assert prove(tmp_path, SmallWheel(), *arguments).code == NOT_CHECKED


def test_a_wheel_for_the_cpu_has_nothing_to_prove_unless_a_card_was_asked_for(
    tmp_path: Path,
) -> None:
    cpu = SmallWheel(sms=())
    proof = prove(tmp_path, cpu, profile="default")
    assert proof.code == HOLDS
    assert proof.outcomes["dispatch"] == "nothing to prove"
    proof = prove(tmp_path, cpu)
    assert proof.code == DEFECT
    assert "must serve L40S (sm_89)" in proof.document["dispatch"]["words"]


def test_evidence_that_cannot_be_written_is_2(tmp_path: Path) -> None:
    wheel = SmallWheel().write(tmp_path / "dist")
    in_the_way = wheel.with_name(wheel.name + ".evidence.json")
    in_the_way.mkdir()
    assert prove(tmp_path, SmallWheel(), *BINDINGS_ALONE).code == NOT_CHECKED
    assert list(wheel.parent.glob("*.evidence.*")) == [in_the_way]


def test_the_cells_of_familiar_models_and_requirements_are_examined() -> None:
    required = requirement.parse("576/512@3:f16")
    examined = set(placement.examined_cells([required]))
    of_models = {cell for cell in MODEL_CELLS if str(cell.heads) == "576/512"}
    assert of_models
    assert examined >= {*of_models, *required.cells}


def test_every_ratio_is_executed_with_one_token_and_with_more() -> None:
    latent = HeadSizes(k=576, v=512)
    executed = {
        (cell.ratio, cell.n_tokens > 1)
        for cell in cells_of(PROOF_SHAPES)
        if cell.heads == latent and cell.type_k is GgmlType.F16 and cell.n_kv_heads == 1
    }
    assert {(ratio, many) for ratio in range(1, 129) for many in (False, True)} <= executed
    assert any(c.heads == latent and c.n_kv_heads > 1 for c in cells_of(PROOF_SHAPES))

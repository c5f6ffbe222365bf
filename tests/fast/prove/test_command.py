"""`llamaproof prove` from what each proof finds to the evidence and the exit code.

The proofs themselves are tested where they live; here each finds what a test plants.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from llamaproof import cli, shadow
from llamaproof.abi.device import DeviceCode
from llamaproof.abi.findings import Finding, Result, defect
from llamaproof.attention.cell import HeadSizes
from llamaproof.attention.grid import cells_of
from llamaproof.bench import report
from llamaproof.bench.left_out import left_out_lines
from llamaproof.bench.points import Point
from llamaproof.bench.record import Machine, Record, TargetInfo
from llamaproof.dispatch import requirement
from llamaproof.dispatch.requirement import Requirement
from llamaproof.emulator.results import CellResult, CellVerdict, EmulationEvidence
from llamaproof.emulator.shapes import PROOF_SHAPES
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import GgmlType
from llamaproof.placement.by_model import MODEL_CELLS
from llamaproof.placement.survey import Survey
from llamaproof.prove import command, numbers, placement, work
from llamaproof.target import Target
from tests.support.bench import made_up_results as bench
from tests.support.placement.made_up_surveys import CELLS, evidence

STOCK = "stock.whl"
DEMANDS = """
schema = "llamaproof.demands"
version = 1
[profile.default]
reason = "A wheel of which a test knows everything."
[profile.default.work]
card = "L40S"
reason = "The kept counts are of it."
"""
GOOD = CellResult(verdict=CellVerdict.HOLDS, nmse=1e-6)
FALLS_BACK = CellResult(verdict=CellVerdict.FALLS_BACK)
WRONG = CellResult(verdict=CellVerdict.WRONG, nmse=0.5, largest_error=3.0, where=(0, 19, 5))


@dataclass
class World:
    """What the proofs will find. Attributes are changed by a test before it runs the command.

    Attributes:
        step: the wheel has kernels for (576, 512) at multiples of it; stock at those of 16.
        numbers: results of the wheel by ratio; every other cell holds.
        stock_numbers: the same of stock.
        gap: why nothing can be executed; empty when it can.
        cost: of a cell of the gate.
        uncounted: cells of the gate without a result.
    """

    wheel: Path
    archs: tuple[str, ...] = ("sm_89",)
    stock_archs: tuple[str, ...] = ("sm_89",)
    abi: tuple[Finding, ...] = ()
    step: int = 4
    numbers: dict[int, CellResult] = field(default_factory=dict)
    stock_numbers: dict[int, CellResult] = field(default_factory=dict)
    gap: str = ""
    cost: Callable[[Point], float] = bench.good_cost
    uncounted: tuple[Point, ...] = ()

    def run(self, *arguments: str) -> int:
        """Prove it, demanding no more than the arguments do."""
        demands = self.wheel.with_name("demands.toml")
        demands.write_text(DEMANDS)
        return cli.main(["prove", "--demands", str(demands), *arguments, str(self.wheel)])

    @property
    def document(self) -> dict[str, Any]:
        path = self.wheel.with_name(self.wheel.name + ".evidence.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    @property
    def page(self) -> str:
        return self.wheel.with_name(self.wheel.name + ".evidence.html").read_text()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    wheel = tmp_path / "some.whl"
    wheel.write_bytes(b"a wheel")
    found = World(wheel=wheel)

    def is_stock(spec: str) -> bool:
        return Path(spec).name == STOCK

    @contextlib.contextmanager
    def open_target(spec: str) -> Iterator[Target]:
        yield Target(
            name=Path(spec).name, kind="wheel", package=None, lib_dir=tmp_path / Path(spec).name,
            version="0.3.16", sha256=hashlib.sha256(b"a wheel").hexdigest(),
        )  # fmt: skip

    def read_device_code(libraries: object) -> DeviceCode:
        archs = found.stock_archs if libraries == STOCK else found.archs
        counted = dict.fromkeys(archs, 1)
        return DeviceCode(fatbins=len(archs), archs=counted, kernels=0, attention=())

    def collect(target: str, gpus: Sequence[shadow.Gpu], _cells: object, **_rest: object) -> Survey:
        step = 16 if is_stock(target) else found.step
        return evidence(step=step, gpus=tuple(gpu.name for gpu in gpus))

    def emulate(
        target: str, gpu: shadow.Gpu, cells: Sequence[Any], **_rest: object
    ) -> EmulationEvidence:
        if found.gap:
            raise LlamaproofError(found.gap)
        planted = found.stock_numbers if is_stock(target) else found.numbers
        return EmulationEvidence(
            target=Path(target).name, sha256="ab" * 32, gpu=gpu.name, sm=gpu.sm, ggml_version="0",
            kv_layout="v_separate", inputs="random", reference="CPU backend", seconds=1.0,
            results={cell: planted.get(cell.ratio, GOOD) for cell in cells},
        )  # fmt: skip

    def count(wheel: Path, gpu: shadow.Gpu, cells: Sequence[Point]) -> Record:
        results = bench.counted(cells, found.cost)
        return Record(
            unit="counted work",
            machine=Machine(
                system="", cpu="", cpu_count=2, device=f"emulated CUDA0 NVIDIA {gpu.name}",
                gpu=None, driver_version="", clocks_missing="",
            ),
            targets=(
                TargetInfo(
                    name=wheel.name, role="0.3.16+x", version="0.3.16+x", sha256=None,
                    libraries={}, ggml_version="0", kv_layout="v_separate",
                ),
            ),
            created="today",
            results=[r for cell, r in results.items() if cell not in found.uncounted],
            requested=tuple(cells),
            complete=True,
        )  # fmt: skip

    def kept(_unit: object) -> tuple[Record, ...]:
        """Both releases, at the cost of a sound kernel."""
        now = count(Path("kept"), shadow.find_gpu("L40S"), work.proof_points())
        cells = bench.counted(work.proof_points(), bench.good_cost)
        return tuple(
            replace(
                now,
                targets=(replace(now.targets[0], role=role),),
                results=list(cells.values()),
            )
            for role in ("0.3.16", "0.3.36")
        )

    def check_target(target: Target, **_rest: object) -> Result:
        return Result(
            target=target.name, sha256="", findings=found.abi, counts={"structs": 3},
            required=("structs",),
        )  # fmt: skip

    def parse(text: str) -> Requirement:
        ratio = int(text)
        chosen = tuple(c for c in CELLS if c.heads.k == 576 and c.ratio == ratio)
        return Requirement(text=text, cells=chosen)

    # A target's libraries are looked at only by what is replaced here: its name will do for them.
    monkeypatch.setattr(Target, "libraries", property(lambda self: self.name))
    for module in (command, placement):
        monkeypatch.setattr(module, "open_target", open_target)
        monkeypatch.setattr(module, "read_device_code", read_device_code)
    monkeypatch.setattr(command, "check_target", check_target)
    monkeypatch.setattr(placement, "collect", collect)
    monkeypatch.setattr(numbers, "emulate", emulate)
    monkeypatch.setattr(work, "count", count)
    monkeypatch.setattr(work, "kept_records", kept)
    monkeypatch.setattr(requirement, "parse", parse)
    # Pictures take a second each; those of the bench are tested there.
    monkeypatch.setattr(report, "plots_of", lambda _record: ())
    return found


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {name: document[name]["outcome"] for name in ("abi", "dispatch", "numbers", "work")}


def test_a_sound_wheel_holds_in_every_section(world: World) -> None:
    assert world.run("--require", "20", "--against", STOCK) == 0
    document = world.document
    assert (document["schema"], document["version"]) == ("llamaproof.evidence", 3)
    assert document["wheel"]["sha256"] == hashlib.sha256(b"a wheel").hexdigest()
    assert document["outcome"] == "holds"
    assert set(outcomes(document).values()) == {"holds"}
    assert document["dispatch"]["proof"]["requirements"][0]["holds"] is True
    executed = document["numbers"]["proof"]["executed"]
    assert [(one["gpu"], one["target"]) for one in executed] == [
        ("L40S", "some.whl"),
        ("L40S", STOCK),
    ]
    assert len(document["work"]["proof"]["record"]["results"]) == len(work.proof_points())


def test_the_page_has_every_section_in_words_and_tables(world: World) -> None:
    world.numbers = {20: WRONG}
    world.run("--require", "20")
    page = world.page
    for title in (placement.TITLE, numbers.TITLE, work.TITLE):
        assert f"<h2>{title}</h2>" in page
    assert "a defect was found" in page
    assert "NMSE 0.5, largest error 3 at token 0, head 19, column 5" in page
    assert "no-cliff-20-16" in page
    assert next(left_out_lines(work.proof_points())).strip() in page
    assert page.count("<html") == page.count("</html>") == 1


def test_the_page_says_first_which_models_run_and_what_does_not(world: World) -> None:
    world.step = 16
    world.run()
    page = world.page
    asked = page.index("<h2>Does attention run on the GPU?</h2>")
    assert (
        asked < page.index("<h2>What was proved</h2>") < page.index(f"<h2>{placement.TITLE}</h2>")
    )
    first_screen = page[asked : page.index("<h2>What was proved</h2>")]
    assert "GLM-4.7-Flash" in first_screen and "576/512@20" in first_screen
    assert "with f16 K and V: 576/512." in first_screen
    models = {model["name"]: model for model in world.document["dispatch"]["proof"]["models"]}
    assert models["GLM-4.7-Flash"]["cards"]["L40S"]["attention"] == "CPU"


def test_the_cells_of_familiar_models_and_requirements_are_examined() -> None:
    required = Requirement(text="576/512@3", cells=CELLS[:1])
    assert set(placement.examined_cells([required])) >= {*MODEL_CELLS, CELLS[0]}


def test_planted_a_defect_of_the_bindings_is_1(world: World) -> None:
    world.abi = (defect("struct.x", "a.b", expected="1", found="2", consequence="<all> wrong"),)
    assert world.run() == 1
    assert outcomes(world.document)["abi"] == "a defect was found"
    assert "&lt;all&gt; wrong" in world.page


def test_planted_a_requirement_that_is_not_met_is_1(world: World) -> None:
    world.step = 16
    assert world.run("--require", "20") == 1
    assert "20 does not hold" in world.document["dispatch"]["words"]


def test_planted_a_cell_worse_than_stock_is_1(world: World) -> None:
    world.step = 32
    assert world.run("--against", STOCK) == 1
    assert " worse than in release-16.whl" in world.document["dispatch"]["words"]


def test_planted_a_wrong_number_is_1_and_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.numbers = {20: WRONG}
    assert world.run() == 1
    assert outcomes(world.document)["numbers"] == "a defect was found"
    printed = capsys.readouterr().out
    assert "L40S: some.whl: 576/512@20 f16 tokens=1 " in printed
    assert "head 19, column 5" in printed


def test_planted_quadratic_work_is_1(world: World) -> None:
    world.cost = lambda cell: bench.good_cost(cell) * cell.cell.n_kv / 1024
    assert world.run() == 1
    verdicts = {v["rule"]: v["outcome"] for v in world.document["work"]["proof"]["verdicts"]}
    assert verdicts["near-linear-slope"] == "a defect was found"
    assert verdicts["on-gpu"] == "holds"


def test_a_card_without_code_is_1_where_it_was_asked_for(world: World) -> None:
    assert world.run("--cards", "L40S") == 0
    assert world.run("--cards", "T4+", "--require", "20") == 1
    section = world.document["dispatch"]
    assert "no code that runs on T4 (sm_75), A100 (sm_80)" in section["words"]
    assert section["proof"]["no_code_for"][0] == {"gpu": "T4", "sm": 75}
    assert [gpu["name"] for gpu in section["proof"]["gpus"]] == ["L40S"]


def test_a_card_without_code_is_1_where_its_kernels_were_to_be_executed(world: World) -> None:
    assert world.run("--cards", "L40S", "--numbers", "T4,L40S") == 1
    assert "no code that runs on T4 (sm_75)" in world.document["numbers"]["words"]
    assert outcomes(world.document)["dispatch"] == "holds"


def test_ptx_serves_every_newer_card(world: World) -> None:
    world.archs = ("compute_75", "compute_80", "compute_90")
    arguments = ("--cards", "T4+", "--numbers", "T4,A100,L40S,H200", "--require", "20")
    assert world.run(*arguments) == 0
    executed = world.document["numbers"]["proof"]["executed"]
    assert [one["sm"] for one in executed] == [75, 80, 89, 90]


def test_numbers_that_could_not_be_had_are_2(world: World) -> None:
    world.gap = "unknown instruction wgmma"
    assert world.run() == 2
    section = world.document["numbers"]
    assert section["outcome"] == "could not be checked"
    assert "unknown instruction wgmma" in section["words"]


def test_numbers_of_no_kernel_at_all_are_2(world: World) -> None:
    ratios = {cell.ratio for cell in cells_of(PROOF_SHAPES)}
    world.numbers = dict.fromkeys(ratios, FALLS_BACK)
    assert world.run() == 2
    assert outcomes(world.document)["numbers"] == "could not be checked"


def test_a_wrong_number_of_stock_puts_the_wheels_own_in_doubt(world: World) -> None:
    world.stock_numbers = {16: WRONG}
    assert world.run("--against", STOCK) == 2
    assert outcomes(world.document)["numbers"] == "could not be checked"


def test_a_comparison_that_could_not_be_made_is_2(world: World) -> None:
    world.archs, world.stock_archs = ("compute_75",), ("compute_90",)
    assert world.run("--cards", "T4", "--against", STOCK, "--without", "work") == 2
    assert "stock.whl has no code for T4 (sm_75)" in world.document["dispatch"]["words"]
    assert "it has no code for sm_75" in world.document["numbers"]["words"]


def test_missing_counts_are_2(world: World) -> None:
    world.uncounted = work.proof_points()[-1:]
    assert world.run() == 2
    assert outcomes(world.document)["work"] == "could not be checked"


def test_a_wheel_whose_work_cannot_be_compared_is_2_unless_that_is_left_out(world: World) -> None:
    world.archs = ("compute_90",)
    assert world.run() == 2
    assert "--without work" in world.document["work"]["words"]
    assert world.run("--without", "work") == 0


def test_what_is_left_out_is_said(world: World) -> None:
    assert world.run("--without", "numbers", "--without", "work") == 0
    document = world.document
    assert outcomes(document)["numbers"] == outcomes(document)["work"] == "left out"
    assert document["numbers"]["words"] == (
        "not proved, left out: asked for on the command line (--without numbers)"
    )
    assert "asked for on the command line (--without work)" in world.page


def test_cards_for_numbers_that_are_left_out_are_refused(world: World) -> None:
    assert world.run("--without", "numbers", "--numbers", "T4") == 2


def test_a_wheel_for_the_cpu_has_nothing_to_prove_unless_a_card_was_asked_for(
    world: World,
) -> None:
    world.archs = ()
    assert world.run() == 0
    assert outcomes(world.document)["dispatch"] == "nothing to prove"
    assert world.run("--cards", "T4") == 1
    assert "must serve T4 (sm_75)" in world.document["dispatch"]["words"]


def test_evidence_that_cannot_be_written_is_2(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    assert world.run("--without", "numbers", "--without", "work") == 2
    assert not list(world.wheel.parent.glob("*.evidence.*"))


def test_every_ratio_is_executed_with_one_token_and_with_more() -> None:
    latent = HeadSizes(k=576, v=512)
    executed = {
        (cell.ratio, cell.n_tokens > 1)
        for cell in cells_of(PROOF_SHAPES)
        if cell.heads == latent and cell.type_k is GgmlType.F16 and cell.n_kv_heads == 1
    }
    assert {(ratio, many) for ratio in range(1, 129) for many in (False, True)} <= executed
    assert any(c.heads == latent and c.n_kv_heads > 1 for c in cells_of(PROOF_SHAPES))

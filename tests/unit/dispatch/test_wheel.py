"""What a wheel of the series has to show before anybody installs it.

The wheel is the one in LLAMAPROOF_WHEEL, else the newest in dist/. LLAMAPROOF_STOCK_LIBS may name
a folder of stock 0.3.16 libraries to compare it with.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import llamaproof
from llamaproof import shadow
from llamaproof.abi.device import read_device_code
from llamaproof.dispatch import requirement
from llamaproof.dispatch.comparison import changes
from llamaproof.dispatch.grid import DEFAULT_GRID, cells_of
from llamaproof.dispatch.libraries import linux_libraries
from llamaproof.dispatch.run import collect
from llamaproof.errors import BadInput
from llamaproof.target import open_target

pytestmark = [pytest.mark.wheel, pytest.mark.native]

EVERY_FOURTH = "576/512@%4:f16"


@pytest.fixture(scope="module")
def wheel() -> str:
    if not (Path(llamaproof.__file__).parent / "_native" / "libllamaproof_shadow.so").is_file():
        pytest.skip("the native libraries of llamaproof are not built")
    named = os.environ.get("LLAMAPROOF_WHEEL")
    built = sorted(Path("dist").glob("llama_cpp_python-*.whl"), key=lambda p: p.stat().st_mtime)
    if not named and not built:
        pytest.skip("no wheel in dist/, and LLAMAPROOF_WHEEL names none")
    spec = named or str(built[-1])
    with open_target(spec) as target:
        try:
            shadow.cuda_needs(linux_libraries(target))
        except BadInput as error:
            pytest.skip(f"not a CUDA wheel: {error.what}")
    return spec


def gpus(spec: str) -> tuple[shadow.Gpu, ...]:
    """A card of each sm from 75 on that a target has code for."""
    with open_target(spec) as target:
        code = read_device_code(linux_libraries(target))
    covered = tuple(g for g in shadow.representatives() if g.sm >= 75 and code.runs_on(g.sm))
    assert covered, f"{spec} has code for no card from sm_75 on"
    return covered


def test_glm_4_7_flash_and_its_like_run_on_every_card_the_wheel_is_for(wheel: str) -> None:
    wanted = requirement.parse(EVERY_FOURTH)
    evidence = collect(wheel, gpus(wheel), wanted.cells)
    assert [str(u.cell) for u in requirement.unmet(wanted, evidence.outcomes)] == []


@pytest.mark.slow
def test_no_cell_is_worse_than_in_stock_0_3_16(wheel: str) -> None:
    stock = os.environ.get("LLAMAPROOF_STOCK_LIBS")
    if not stock or not Path(stock).exists():
        pytest.skip("LLAMAPROOF_STOCK_LIBS names no stock 0.3.16 libraries")
    both = [gpu for gpu in gpus(wheel) if gpu in gpus(stock)][:1]
    assert both, "the two have code for no card in common"
    cells = cells_of(DEFAULT_GRID)
    before, after = collect(stock, both, cells), collect(wheel, both, cells)
    worse = [c for c in changes(before.outcomes, after.outcomes) if c.verdict == "worse"]
    assert [(str(c.cell), c.before.text, c.after.text) for c in worse] == []

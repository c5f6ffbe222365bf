"""What a wheel of the series has to show before anybody installs it.

LLAMAPROOF_STOCK_LIBS may name a folder of stock 0.3.16 libraries to compare it with.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.abi.device import read_device_code
from llamaproof.attention.grid import DEFAULT_GRID, cells_of
from llamaproof.dispatch import requirement
from llamaproof.dispatch.changes import changes
from llamaproof.placement.on_shadow import collect
from llamaproof.prove.demands_file import load_demands
from llamaproof.target import open_target
from llamaproof.target.libraries import linux_libraries
from tests.support import needs
from tests.support.placement import damaged_libraries as planted

EVERY_RATIO = load_demands().requirements[0].text


def gpus(spec: str) -> tuple[shadow.Gpu, ...]:
    """A card of each sm from 75 on that a target has code for."""
    with open_target(spec) as target:
        code = read_device_code(linux_libraries(target))
    covered = tuple(g for g in shadow.representatives() if g.sm >= 75 and code.runs_on(g.sm))
    assert covered, f"{spec} has code for no card from sm_75 on"
    return covered


def test_glm_4_7_flash_and_its_like_run_on_every_card_the_wheel_is_for(wheel: Path) -> None:
    wanted = requirement.parse(EVERY_RATIO)
    evidence = collect(str(wheel), gpus(str(wheel)), wanted.cells)
    assert [str(u.cell) for u in requirement.unmet(wanted, evidence.outcomes)] == []


def test_planted_a_kernel_beyond_the_shared_memory_of_sm_75_aborts_there_alone(
    wheel: Path, tmp_path: Path
) -> None:
    played = {gpu.sm: gpu for gpu in gpus(str(wheel))}
    if not {75, 80} <= played.keys():
        pytest.skip("the wheel has code for sm_75 or for sm_80 missing")
    cells = requirement.parse("576/512@20:f16#512").cells
    sound = collect(str(wheel), [played[75]], cells).reports[0].outcomes
    taken = {o.use.shared_bytes for o in sound.values() if o.use is not None}
    limit = played[75].shared_per_block_optin
    assert taken and max(taken) <= limit

    folder = tmp_path / "libraries"
    with open_target(str(wheel)) as target:
        backend = planted.copy(target.lib_dir, folder)
    for amount in taken:
        planted.ask_for_shared_memory(backend, amount, limit + 1024)
    found = collect(str(folder), [played[75], played[80]], cells).outcomes
    assert {o.kind for o in found[played[80].name].values()} == {"kernel"}
    assert {o.kind for o in found[played[75].name].values()} == {"abort"}
    for outcome in found[played[75].name].values():
        assert outcome.message.startswith("CUDA error: invalid argument")


def test_whatever_supports_op_promises_runs(wheel: Path) -> None:
    found = collect(str(wheel), gpus(str(wheel))[:1], cells_of(DEFAULT_GRID)).reports[0].outcomes
    assert [(str(c), o.message) for c, o in found.items() if o.kind == "abort"] == []


def test_no_cell_is_worse_than_in_stock_0_3_16(wheel: Path) -> None:
    lacking = needs.lacking_stock()
    if lacking:
        pytest.skip(lacking)
    stock = str(needs.stock_libraries())
    both = [gpu for gpu in gpus(str(wheel)) if gpu in gpus(stock)][:1]
    assert both, "the two have code for no card in common"
    cells = cells_of(DEFAULT_GRID)
    before, after = collect(stock, both, cells), collect(str(wheel), both, cells)
    worse = [c for c in changes(before.outcomes, after.outcomes) if c.verdict == "worse"]
    assert [(str(c.cell), c.before.text, c.after.text) for c in worse] == []

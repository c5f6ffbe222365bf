"""What each family of inputs alone finds: defects planted in ggml's own attention kernels.

Each is sought with random inputs too, which pass over it, so that a family is there for a reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llamaproof.attention.cell import Cell, Extras
from llamaproof.attention.families import RANDOM, find_family
from llamaproof.emulator.results import CellResult, CellVerdict
from tests.support.emulator.planted_kernels import COMMON, MMA, Bench, Edit, Kernels, cell

PLAIN = cell("128", 4, 35, 1024)
STREAMS = dataclasses.replace(PLAIN, n_streams=2)
# Heads that are no power of two, each in a tile of its own: ALiBi has slopes by head.
ALIBI = dataclasses.replace(cell("128", 3, 35, 512), extras=Extras(max_bias=8.0))


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A defect, the family that finds it, and at which shape.

    Attributes:
        random_too: random inputs at the same shape find it as well.
        multiprocessors: that the card is played with; 0 for all of its own.
    """

    name: str
    family: str
    where: Cell
    edits: tuple[Edit, ...]
    random_too: bool = False
    multiprocessors: int = 0
    not_finite: bool = False
    on: Cell = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "on", find_family(self.family).fitted(self.where))


PLANTED = (
    # A maximum that begins at -inf: where a block's first steps are hidden, -inf - -inf is NaN.
    Planted(
        name="no-initial-maximum",
        family="masked-front",
        where=PLAIN,
        multiprocessors=1,
        edits=(Edit(MMA, "KQ_max[col] = -FLT_MAX/2.0f;", "KQ_max[col] = -INFINITY;"),),
        not_finite=True,
    ),
    # The scan for hidden tiles begins at the front and ends at the first one.
    Planted(
        name="ends-at-a-hidden-tile",
        family="masked-middle",
        where=STREAMS,
        multiprocessors=1,
        edits=(
            Edit(
                COMMON,
                "int KV_max_sj = (ne30 - 1) * FATTN_KQ_STRIDE;\n"
                "    for (; KV_max_sj >= 0; KV_max_sj -= FATTN_KQ_STRIDE) {",
                "int KV_max_sj = 0;\n"
                "    for (; KV_max_sj < ne30 * FATTN_KQ_STRIDE; KV_max_sj += FATTN_KQ_STRIDE) {",
            ),
            Edit(
                COMMON, "if (!all_inf) {\n            break;", "if (all_inf) {\n            break;"
            ),
            Edit(COMMON, "KV_max_sj += FATTN_KQ_STRIDE;\n\n    if", "if"),
        ),
    ),
    # Scores that pass through f16 on their way: beyond 65504 before they are scaled.
    Planted(
        name="scores-in-f16",
        family="beyond-f16",
        where=PLAIN,
        edits=(
            Edit(
                MMA,
                "expf(KQ_C_16[k*ntiles/2 + t].x[l] - KQ_max_new[KQ_index])",
                "expf(fminf(11.3f*KQ_C_16[k*ntiles/2 + t].x[l], 65504.0f)/11.3f"
                " - KQ_max_new[KQ_index])",
            ),
        ),
        not_finite=True,
    ),
    # A mask that hides with the lowest f16 in place of -inf: whoever sees nothing sees all.
    Planted(
        name="hides-with-a-number",
        family="nothing-visible",
        where=PLAIN,
        edits=(
            Edit(
                MMA,
                "KQ_C_16[KQ_index].x[l0 + 0] += slope*tmp.x;",
                "KQ_C_16[KQ_index].x[l0 + 0] += fmaxf(slope*tmp.x, -65504.0f);",
            ),
            Edit(
                MMA,
                "KQ_C_16[KQ_index].x[l0 + 1] += slope*tmp.y;",
                "KQ_C_16[KQ_index].x[l0 + 1] += fmaxf(slope*tmp.y, -65504.0f);",
            ),
        ),
        not_finite=True,  # what is not defined is counted as that
    ),
    # Every stream reads the first one's K: what one sequence never shows.
    Planted(
        name="no-stride-of-streams",
        family="random",
        where=STREAMS,
        random_too=True,
        edits=(
            Edit(MMA, "(K + nb13*sequence + int64_t(nb12)*head_kv)", "(K + int64_t(nb12)*head_kv)"),
        ),
    ),
    # Each head of a group gets the first one's sink.
    Planted(
        name="one-sink-for-all",
        family="sinks",
        where=PLAIN,
        edits=(Edit(MMA, "nheads ? sinks_f[jc % ncols2] : 0.0f", "nheads ? sinks_f[0] : 0.0f"),),
    ),
    # Every head gets the first one's slope.
    Planted(
        name="one-slope-for-all",
        family="alibi",
        where=ALIBI,
        edits=(Edit(MMA, "get_alibi_slope(max_bias, head0, ", "get_alibi_slope(max_bias, 0, "),),
        random_too=True,
    ),
    # tanh by its definition: infinity over infinity for scores far beyond the cap.
    Planted(
        name="tanh-by-definition",
        family="softcap",
        where=cell("128", 4, 35, 512),
        edits=(
            Edit(
                MMA,
                "logit_softcap*tanhf(KQ_C[i].x[l]);",
                "logit_softcap*(expf(2*KQ_C[i].x[l]) - 1)/(expf(2*KQ_C[i].x[l]) + 1);",
            ),
        ),
        not_finite=True,
    ),
)


@pytest.fixture(scope="module")
def benches(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Bench]]:
    with ExitStack() as held:
        yield {
            count: held.enter_context(
                Bench.opened(
                    wheel, tmp_path_factory.mktemp(f"sm{count}"), multiprocessors=count or None
                )
            )
            for count in sorted({planted.multiprocessors for planted in PLANTED})
        }


@dataclass(frozen=True, kw_only=True)
class Found:
    """The sound kernel on a family's inputs, the planted one on them and on random ones."""

    sound: CellResult
    by_family: CellResult
    by_random: CellResult


def execute(bench: Bench, planted: Planted, folder: Path) -> Found:
    where, family = planted.on, find_family(planted.family)
    sound = bench.execute([where], name=f"{planted.name}-sound", family=family)
    kernels = Kernels(bench=bench, sound=sound, folder=folder, family=family)
    edited = kernels.compiled(where, *planted.edits, name=planted.name)
    by_random = edited.execute(where, RANDOM, name=f"{planted.name}-random")
    by_family = by_random
    if family is not RANDOM:
        by_family = edited.execute(where, family, name=f"{planted.name}-family")
    return Found(sound=sound[where], by_family=by_family, by_random=by_random)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_it_is_found_by_its_family(
    benches: dict[int, Bench], planted: Planted, tmp_path: Path
) -> None:
    found = execute(benches[planted.multiprocessors], planted, tmp_path)
    assert found.sound.verdict is CellVerdict.HOLDS, found.sound.error_words
    assert found.by_family.verdict is CellVerdict.WRONG
    assert (found.by_family.not_finite > 0) == planted.not_finite
    expected = CellVerdict.WRONG if planted.random_too else CellVerdict.HOLDS
    assert found.by_random.verdict is expected, found.by_random.error_words

"""The latent of MLA is stored once, and the cache goes on working: saved, copied, shifted, shared.

With flash attention V is a view of K; without, it is a tensor of its own, as in stock 0.3.16. Both
are decoded in the same ways and compared by the normalised mean squared error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.installed.scripts import LATENT_CACHE, RunPython

F16, Q8_0 = 1, 8
# Latent (512) and rotated part (64) of K, the latent again where V is apart; 512 cells, 2 layers.
MIB_OF_K = 576 * 512 * 2 * 2 / 2**20
MAX_NMSE = 5e-4
RESTORED = ("state restored", "sequence restored")
SHARED = ("copied, streams", "own, streams", "copied, unified", "own, unified")

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a cache gave in each way, and the first line of the log on its size."""

    logits: dict[str, Logits]
    log: str

    @property
    def mib(self) -> tuple[float, float]:
        """Of K and of V."""
        sizes = re.findall(r"K \(\w+\): +([\d.]+) MiB, V \(\w+\): +([\d.]+) MiB", self.log)
        return float(sizes[0][0]), float(sizes[0][1])


Use = Callable[..., Used]


@pytest.fixture(scope="module")
def use(
    run_python: RunPython, models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Use:
    folder = tmp_path_factory.mktemp("latent-cache")

    def used(flash_attn: str, *types: int, model: str = "glm-4.7-flash") -> Used:
        output = folder / "logits.npz"
        options = zip(("--cache-type", "--cache-type-v"), map(str, types), strict=False)
        ran = run_python(
            LATENT_CACHE, models[model], output, "--flash-attn", flash_attn,
            *(word for option in options for word in option),
        )  # fmt: skip
        return Used(logits=dict(np.load(output)), log=ran.output)

    return used


def nmse(found: Logits, expected: Logits) -> float:
    difference = found.astype(np.float64) - expected
    return float(np.sum(difference**2) / np.sum(expected.astype(np.float64) ** 2))


def test_the_latent_is_stored_once_with_flash_attention(use: Use) -> None:
    on, off = use("on"), use("off")
    assert on.mib == pytest.approx((MIB_OF_K, 0), abs=0.01)
    assert off.mib == pytest.approx((MIB_OF_K, MIB_OF_K * 512 / 576), abs=0.01)


def test_another_models_v_keeps_its_room(use: Use) -> None:
    k, v = use("on", model="llama-3-70b").mib
    assert k == v > 0


def test_every_way_of_using_the_cache_gives_what_a_cache_with_v_apart_gives(use: Use) -> None:
    on, off = use("on"), use("off")
    assert on.logits.keys() == off.logits.keys()
    for way, logits in on.logits.items():
        assert nmse(logits, off.logits[way]) < MAX_NMSE, way


@pytest.mark.parametrize("types", [(F16,), (Q8_0,), (F16, Q8_0)])
def test_what_was_saved_copied_or_shared_goes_on_as_if_nothing_had_been(
    use: Use, types: tuple[int, ...]
) -> None:
    logits = use("on", *types).logits
    for way in RESTORED:
        assert np.array_equal(logits[way], logits["plain"]), way
    for way in SHARED:
        assert nmse(logits[way], logits["plain"]) < MAX_NMSE, way
    assert nmse(logits["shifted"], logits["plain"]) > MAX_NMSE


def test_a_type_of_v_that_is_not_used_is_said(use: Use) -> None:
    words = "V cache type q8_0 is not used"
    assert words in use("on", F16, Q8_0).log
    assert words not in use("on", Q8_0).log

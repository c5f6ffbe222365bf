"""The NVIDIA driver for Linux that code built with a version of CUDA needs."""

from __future__ import annotations

# CUDA Toolkit Release Notes, "CUDA Driver": the first driver that runs machine code of each major
# version, and the driver that each version came with. A driver compiles PTX that is no newer than
# its own CUDA, so PTX needs the latter.
_FIRST_OF_MAJOR = {"12": 525, "13": 580}
_CAME_WITH = {
    "12.0": 525, "12.1": 530, "12.2": 535, "12.3": 545, "12.4": 550, "12.5": 555, "12.6": 560,
    "12.8": 570, "12.9": 575, "13.0": 580, "13.1": 590,
}  # fmt: skip


def least_driver(cuda: str, *, compiles_ptx: bool) -> int | None:
    """The oldest driver's first number, such as 580; None where it is not known here.

    Args:
        cuda: the version of the toolkit, such as `13.0`, or `13.0.2`.
        compiles_ptx: whether the driver has to compile PTX for the card.
    """
    major, _, rest = cuda.partition(".")
    if compiles_ptx:
        return _CAME_WITH.get(f"{major}.{rest.partition('.')[0]}")
    return _FIRST_OF_MAJOR.get(major)


def driver_words(cuda: str, *, compiles_ptx: bool) -> str:
    """`driver 580 or newer`, or what is known in its place."""
    least = least_driver(cuda, compiles_ptx=compiles_ptx)
    if least is None:
        return f"a driver for CUDA {cuda} or newer"
    return f"driver {least} or newer"

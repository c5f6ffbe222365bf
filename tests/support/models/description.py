"""A model described as GGUF metadata and tensors, before any weight exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# How a tensor's random values are drawn; the writer says what each one means.
Fill = Literal["matrix", "expert", "embedding", "norm", "bias", "router"]

Value = int | float | bool | str


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor: its GGUF name, its dimensions and how it is filled.

    Attributes:
        shape: in ggml's order, ne[0] (the contiguous one, a matrix's input width) first.
    """

    name: str
    shape: tuple[int, ...]
    fill: Fill


@dataclass(frozen=True, kw_only=True)
class Description:
    """A whole model.

    Attributes:
        architecture: GGUF's `general.architecture`.
        metadata: keys without the architecture's prefix, e.g. `attention.head_count`.
        tokens: size of the vocabulary.
    """

    name: str
    architecture: str
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    tokens: int

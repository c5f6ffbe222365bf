"""Tensor types, and what tensors and graphs are to Python: addresses in ggml's memory."""

from __future__ import annotations

import enum
from typing import Literal, NewType

from llamaproof.errors import BadInput

Tensor = NewType("Tensor", int)
Graph = NewType("Graph", int)

# Where llama.cpp of a release puts V when K and V come from one latent (`Ggml.kv_layout`).
KvLayout = Literal["v_separate", "v_first_of_k"]


class GgmlType(enum.IntEnum):
    """Ids of `enum ggml_type` (ggml.h); GGUF files hold them, so no release may renumber them."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    I32 = 26
    BF16 = 30

    @property
    def label(self) -> str:
        """The name ggml prints, as in `q8_0`."""
        return self.name.lower()

    @property
    def block_size(self) -> int:
        """Elements in a block (QK8_0 and its like in ggml-common.h); 1 for plain types."""
        return 32 if self.name.startswith("Q") else 1

    @classmethod
    def parse(cls, text: str) -> GgmlType:
        """The type of a name such as `q8_0`.

        Raises:
            BadInput: no such type.
        """
        for member in cls:
            if member.label == text.lower():
                return member
        known = ", ".join(member.label for member in cls)
        raise BadInput(f"no such tensor type: {text!r}", hint=f"the types are {known}")

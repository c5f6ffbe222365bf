"""ggml's public C API, called in a folder of llama.cpp libraries: no headers, no compiler."""

from llamaproof.ggml.context import Context, OutOfMemory
from llamaproof.ggml.device import Device, Stream
from llamaproof.ggml.library import Ggml
from llamaproof.ggml.loading import load, open_libraries
from llamaproof.ggml.types import GgmlType, Graph, KvLayout, Tensor

__all__ = [
    "Context",
    "Device",
    "Ggml",
    "GgmlType",
    "Graph",
    "KvLayout",
    "OutOfMemory",
    "Stream",
    "Tensor",
    "load",
    "open_libraries",
]

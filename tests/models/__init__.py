"""Small GGUF models with real attention geometry and random weights, written by the tests."""

from tests.models.catalogue import MODELS, SMALL_MODELS
from tests.models.description import Description, Tensor
from tests.models.writer import write_header, write_model

__all__ = [
    "MODELS",
    "SMALL_MODELS",
    "Description",
    "Tensor",
    "write_header",
    "write_model",
]

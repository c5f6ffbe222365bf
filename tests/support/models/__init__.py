"""Small GGUF models with real attention geometry and random weights, written by the tests."""

from tests.support.models.catalogue import MODELS, SMALL_MODELS
from tests.support.models.description import Description, Tensor
from tests.support.models.writer import write_header, write_model

__all__ = [
    "MODELS",
    "SMALL_MODELS",
    "Description",
    "Tensor",
    "write_header",
    "write_model",
]

"""From a description to a GGUF file, whole or its header alone."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import quantize

from tests.support.models import vocabulary
from tests.support.models.description import Description, Tensor

# With f16 weights nothing but attention itself differs between two ways of running it: the CPU
# quantises activations to 8 bits for quantised weights, which turns a difference of one f16 step
# into a whole quantisation step: the NMSE of the logits is then 1e-4 instead of 1e-6.
WEIGHT_TYPE = GGMLQuantizationType.F16
# Experts are quantised, as in nearly every published file. With f16 ones CUDA's mul_mat_id reads
# the router's choice on the host, which a GPU that computes nothing cannot give. What they add to
# the NMSE is about 1e-5.
EXPERT_TYPE = GGMLQuantizationType.Q8_0


def write_model(
    model: Description,
    path: Path,
    *,
    seed: int = 1,
    weight_type: GGMLQuantizationType = WEIGHT_TYPE,
) -> Path:
    """Write a model that llama.cpp loads and decodes; the same bytes for the same arguments.

    Matrices are drawn with a standard deviation of 1/sqrt(ne[0]), so that activations keep their
    size from layer to layer and attention scores spread over several units: logits depend on the
    whole context, and a wrong attention shows in them.
    """
    writer = _writer(model, path)
    for tensor in model.tensors:
        values = _values(tensor, seed)
        kind = _storage(tensor, weight_type)
        if kind == GGMLQuantizationType.F32:
            writer.add_tensor(tensor.name, values)
        elif kind == GGMLQuantizationType.F16:
            writer.add_tensor(tensor.name, values.astype(np.float16))
        else:
            writer.add_tensor(tensor.name, quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_header(
    model: Description,
    path: Path,
    *,
    weight_type: GGMLQuantizationType = WEIGHT_TYPE,
) -> Path:
    """Write everything of a model but its weights: what the start of a download holds."""
    writer = _writer(model, path)
    for tensor in model.tensors:
        kind = _storage(tensor, weight_type)
        block, block_bytes = GGML_QUANT_SIZES[kind]
        writer.add_tensor_info(
            tensor.name,
            tuple(reversed(tensor.shape)),
            np.dtype(np.float32),
            math.prod(tensor.shape) // block * block_bytes,
            raw_dtype=kind,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    return path


def _writer(model: Description, path: Path) -> GGUFWriter:
    writer = GGUFWriter(path, model.architecture)
    writer.add_name(model.name)
    for key, value in model.metadata.items():
        _add_metadata(writer, f"{model.architecture}.{key}", value)
    entries = vocabulary.tokens(model.tokens)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([entry.text for entry in entries])
    writer.add_token_scores([entry.score for entry in entries])
    writer.add_token_types([entry.kind for entry in entries])
    writer.add_bos_token_id(vocabulary.BOS_ID)
    writer.add_eos_token_id(vocabulary.EOS_ID)
    writer.add_unk_token_id(vocabulary.UNKNOWN_ID)
    return writer


def _add_metadata(writer: GGUFWriter, key: str, value: int | float | bool | str) -> None:
    if isinstance(value, bool):  # before int: a bool is one
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_string(key, value)


def _storage(tensor: Tensor, weight_type: GGMLQuantizationType) -> GGMLQuantizationType:
    # As llama.cpp's own quantiser does: norms, biases and routers stay f32.
    if tensor.fill in ("matrix", "embedding"):
        return weight_type
    if tensor.fill == "expert":
        return EXPERT_TYPE if weight_type == WEIGHT_TYPE else weight_type
    return GGMLQuantizationType.F32


def _values(tensor: Tensor, seed: int) -> npt.NDArray[np.float32]:
    # Seeded by name, so that one tensor's values do not depend on which others the model has.
    generator = np.random.default_rng((seed, zlib.crc32(tensor.name.encode())))
    values = generator.standard_normal(tuple(reversed(tensor.shape)), dtype=np.float32)
    if tensor.fill in ("matrix", "expert", "router"):
        values /= np.float32(math.sqrt(tensor.shape[0]))
    elif tensor.fill in ("norm", "bias"):
        values *= np.float32(0.1)
    if tensor.fill == "norm":
        values += np.float32(1.0)
    return values

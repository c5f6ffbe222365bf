"""The attention of each layer of a model, derived from its GGUF metadata.

What a key means and what holds where it is missing follows llama.cpp's loader
(`llama_model::load_hparams` of 0.3.16, and src/models/*.cpp of 0.3.36 for what came later).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llamaproof.errors import BadInput
from llamaproof.gguf.header import Array, Header

# llama.cpp's LLAMA_MAX_LAYERS (src/llama-hparams.h)
MAX_LAYERS = 512


@dataclass(frozen=True, kw_only=True)
class WindowPattern:
    """Which layers have a sliding window: all but one in `period`, the last or the first."""

    period: int
    full_first: bool = False


# set_swa_pattern (0.3.16) and load_swa_pattern (0.3.36) by architecture; the windows llama.cpp
# takes where the file has no `attention.sliding_window`.
WINDOW_PATTERNS: Mapping[str, WindowPattern] = {
    "afmoe": WindowPattern(period=4),
    "cohere2": WindowPattern(period=4),
    "cohere2moe": WindowPattern(period=4, full_first=True),
    "exaone-moe": WindowPattern(period=4),
    "exaone4": WindowPattern(period=4),
    "gemma-embedding": WindowPattern(period=6),
    "gemma2": WindowPattern(period=2),
    "gemma3": WindowPattern(period=6),
    "gemma3n": WindowPattern(period=5),
    "gpt-oss": WindowPattern(period=2),
    "laguna": WindowPattern(period=4, full_first=True),
    "llama4": WindowPattern(period=4),
    "mellum": WindowPattern(period=4),
    "modern-bert": WindowPattern(period=3, full_first=True),
    "olmo2": WindowPattern(period=4),
    "plamo3": WindowPattern(period=8),
    "smallthinker": WindowPattern(period=4, full_first=True),
}
DEFAULT_WINDOWS: Mapping[str, int] = {"gemma2": 4096, "llama4": 8192, "smallthinker": 4096}

# Architectures whose scores llama.cpp caps, with the cap it takes where the file has no
# `attn_logit_softcapping` (llama-hparams.h; attn_soft_cap is set for gemma2 alone).
DEFAULT_SOFTCAPS: Mapping[str, float] = {"gemma2": 50.0}

# f_max_alibi_bias is set to this for these, whatever the file says; others read the key.
ALIBI_BIAS = 8.0
ALIBI_ARCHITECTURES = frozenset({"bloom", "refact", "jina-bert-v2"})
# Baichuan has rotary positions in its 7B and ALiBi in its 13B, which llama.cpp tells by the layers.
_BAICHUAN_ALIBI_LAYERS = 40

# Architectures that have an `attn_sinks` tensor in every layer, for files whose tensor list is cut.
SINK_ARCHITECTURES = frozenset({"gpt-oss", "granite-swa", "hy-v4"})

_PART_KEY = "split.no"


@dataclass(frozen=True, kw_only=True)
class LayerAttention:
    """The attention of one layer as its FLASH_ATTN_EXT node sees it.

    Attributes:
        n_head: query heads.
        n_head_kv: KV heads that K and V hold; 1 for latent attention.
        key_length: columns of K per KV head.
        value_length: columns of V per KV head.
        window: tokens a query sees; 0 where it sees them all.
        softcap: cap on scores; 0.0 where there is none.
        max_bias: ALiBi's largest slope; 0.0 where positions are not encoded that way.
        sinks: a learned score per head takes part in every softmax.
        latent: K holds a compressed state that V is part of (MLA).
    """

    layer: int
    n_head: int
    n_head_kv: int
    key_length: int
    value_length: int
    window: int
    softcap: float
    max_bias: float
    sinks: bool
    latent: bool

    @property
    def gqa_ratio(self) -> int:
        return self.n_head // self.n_head_kv


@dataclass(frozen=True, kw_only=True)
class ModelAttention:
    """The attention of a model.

    Attributes:
        layers: those that have attention, in order.
        n_layer: all layers, those without attention (recurrent ones) included.
        context_length: tokens the model was trained for.
        assumptions: what had to be taken for granted because the file ends too early.
    """

    name: str
    architecture: str
    n_layer: int
    context_length: int
    layers: tuple[LayerAttention, ...]
    assumptions: tuple[str, ...]


def attention_of(header: Header) -> ModelAttention:
    """The attention of every layer of the model a header describes.

    Raises:
        BadInput: a key that is needed is missing, of the wrong type or beyond belief.
    """
    return _Deriver(header).derive()


class _Deriver:
    def __init__(self, header: Header) -> None:
        self._header = header
        self._assumptions: list[str] = []
        self._architecture = self._text("general.architecture")
        self._n_layer = 0

    def derive(self) -> ModelAttention:
        self._refuse_later_parts()
        self._n_layer = self._count("block_count", most=MAX_LAYERS)
        heads = self._per_layer("attention.head_count", None)
        kv_heads = self._per_layer("attention.head_count_kv", heads)
        layers = tuple(
            self._layer(layer, n_head, n_head_kv)
            for layer, (n_head, n_head_kv) in enumerate(zip(heads, kv_heads, strict=True))
            if n_head > 0 and n_head_kv > 0 and not self._is_recurrent(layer)
        )
        return ModelAttention(
            name=str(self._header.metadata.get("general.name", self._header.path.stem)),
            architecture=self._architecture,
            n_layer=self._n_layer,
            context_length=self._count("context_length", most=1 << 31),
            layers=layers,
            assumptions=tuple(self._assumptions),
        )

    def _refuse_later_parts(self) -> None:
        part = self._header.metadata.get(_PART_KEY, 0)
        if isinstance(part, int) and part > 0:
            raise BadInput(
                f"this is part {part + 1} of a model that was split, and describes no attention",
                where=self._header.path,
                hint="give the part whose name has -00001-of-",
            )

    def _layer(self, layer: int, n_head: int, n_head_kv: int) -> LayerAttention:
        if n_head % n_head_kv:
            raise self._bad(f"layer {layer} has {n_head} heads over {n_head_kv} KV heads")
        windowed = self._is_windowed(layer)
        key_length, value_length = self._lengths(n_head, windowed)
        return LayerAttention(
            layer=layer,
            n_head=n_head,
            n_head_kv=n_head_kv,
            key_length=key_length,
            value_length=value_length,
            window=self._window() if windowed else 0,
            softcap=self._softcap(),
            max_bias=self._max_bias(),
            sinks=self._has_sinks(layer),
            latent=self._has("attention.kv_lora_rank") and n_head_kv == 1,
        )

    def _lengths(self, n_head: int, windowed: bool) -> tuple[int, int]:
        lengths = []
        for name in ("key_length", "value_length"):
            key = f"attention.{name}"
            if windowed and self._has(f"{key}_swa"):
                key = f"{key}_swa"
            if self._has(key):
                lengths.append(self._count(key, most=1 << 16))
            else:
                lengths.append(self._count("embedding_length", most=1 << 24) // n_head)
        if 0 in lengths:
            raise self._bad(f"heads of {lengths[0]} and {lengths[1]} columns")
        return lengths[0], lengths[1]

    def _is_recurrent(self, layer: int) -> bool:
        if not self._has("full_attention_interval"):
            return False
        interval = self._count("full_attention_interval", most=MAX_LAYERS)
        return interval > 0 and (layer + 1) % interval != 0

    def _window(self) -> int:
        key = "attention.sliding_window"
        if self._has(key):
            return self._count(key, most=1 << 31)
        return DEFAULT_WINDOWS.get(self._architecture, 0)

    def _is_windowed(self, layer: int) -> bool:
        if self._window() == 0:
            return False
        key = "attention.sliding_window_pattern"
        pattern = WINDOW_PATTERNS.get(self._architecture)
        if self._has(key):
            value = self._header.metadata[f"{self._architecture}.{key}"]
            if isinstance(value, Array):
                return bool(self._elements(key, value)[layer])
            period = self._count(key, most=MAX_LAYERS)
            full_first = pattern is not None and pattern.full_first
            pattern = WindowPattern(period=period, full_first=full_first)
        # An architecture that is not in the table and states no pattern: llama.cpp ignores the
        # window of most (Mistral's and Qwen's files carry one), so it is ignored here.
        return pattern is not None and _in_window(pattern, layer)

    def _softcap(self) -> float:
        default = DEFAULT_SOFTCAPS.get(self._architecture)
        if default is None:
            return 0.0
        return self._float("attn_logit_softcapping", default)

    def _max_bias(self) -> float:
        if self._architecture in ALIBI_ARCHITECTURES:
            return ALIBI_BIAS
        if self._architecture == "baichuan" and self._n_layer == _BAICHUAN_ALIBI_LAYERS:
            return ALIBI_BIAS
        return self._float("attention.max_alibi_bias", 0.0)

    def _has_sinks(self, layer: int) -> bool:
        if self._header.has_all_tensors:
            pattern = re.compile(rf"blk\.{layer}\.attn_sinks(\.weight)?$")
            return any(pattern.match(info.name) for info in self._header.tensors)
        has = self._architecture in SINK_ARCHITECTURES
        words = "has" if has else "has no"
        self._assume(f"{self._architecture} {words} attention sinks (the tensor list is cut)")
        return has

    def _assume(self, text: str) -> None:
        if text not in self._assumptions:
            self._assumptions.append(text)

    def _has(self, key: str) -> bool:
        return f"{self._architecture}.{key}" in self._header.metadata

    def _per_layer(self, key: str, default: tuple[int, ...] | None) -> tuple[int, ...]:
        value = self._header.metadata.get(f"{self._architecture}.{key}")
        if value is None and default is not None:
            self._note_missing(key)
            return default
        if isinstance(value, Array):
            return tuple(
                self._whole(key, element, 1 << 16) for element in self._elements(key, value)
            )
        return (self._count(key, most=1 << 16),) * self._n_layer

    def _note_missing(self, key: str) -> None:
        if not self._header.has_all_metadata:
            self._assume(f"{key} is not set (the metadata are cut)")

    def _elements(self, key: str, value: Array) -> tuple[int | float | bool, ...]:
        if value.values is None or value.count < self._n_layer:
            raise self._bad(f"{key} has {value.count} elements for {self._n_layer} layers")
        return value.values[: self._n_layer]

    def _count(self, key: str, *, most: int) -> int:
        full = f"{self._architecture}.{key}"
        if full not in self._header.metadata:
            raise self._missing(full)
        return self._whole(key, self._header.metadata[full], most)

    def _whole(self, key: str, value: object, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._bad(f"{key} is {value!r}, not a whole number")
        if not 0 <= value <= most:
            raise self._bad(f"{key} is {value:,}; 0 to {most:,} can be")
        return value

    def _float(self, key: str, default: float) -> float:
        full = f"{self._architecture}.{key}"
        if full not in self._header.metadata:
            self._note_missing(key)
            return default
        value = self._header.metadata[full]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._bad(f"{key} is {value!r}, not a number")
        return float(value)

    def _text(self, key: str) -> str:
        value = self._header.metadata.get(key)
        if value is None:
            raise self._missing(key)
        if not isinstance(value, str):
            raise self._bad(f"{key} is {value!r}, not text")
        return value

    def _missing(self, key: str) -> BadInput:
        reason = f": {self._header.truncated}" if not self._header.has_all_metadata else ""
        return BadInput(
            f"the key {key} is not in the file{reason}",
            where=self._header.path,
            hint="more of the file is needed" if reason else "this is no model with attention",
        )

    def _bad(self, problem: str) -> BadInput:
        return BadInput(
            f"the metadata make no sense: {problem}",
            where=self._header.path,
            hint="download the file again, or ask its publisher",
        )


def _in_window(pattern: WindowPattern, layer: int) -> bool:
    if pattern.period == 0:
        return True
    full = 0 if pattern.full_first else pattern.period - 1
    return layer % pattern.period != full

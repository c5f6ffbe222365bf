"""The attention of models that many people run, by the names they know them by.

Heads and head sizes are meant to be those of each model's published `config.json`. Those files were
not at hand: only GLM-4.7-Flash, Gemma 4, MiMo-V2-Flash, MiniMax M2 and Mistral Small 4 were
cross-checked. The fields are `num_attention_heads`, `num_key_value_heads` and `head_dim` (else
`hidden_size / num_attention_heads`). A latent model (MLA) has one KV head, with
`kv_lora_rank + qk_rope_head_dim` for K and `kv_lora_rank` for V: that is how llama.cpp feeds it.
Whether a release of llama.cpp knows the model at all is another question.
"""

from __future__ import annotations

from dataclasses import dataclass

from llamaproof.attention.cell import PLAIN, Cell, Extras, HeadSizes
from llamaproof.attention.grid import DEEP, SHALLOW
from llamaproof.ggml import GgmlType

# One token decoded, and a whole ubatch of a prompt.
_N_TOKENS = (1, 512)


@dataclass(frozen=True, kw_only=True)
class FamiliarLayer:
    """One kind of attention layer of a familiar model."""

    heads: HeadSizes
    n_head: int
    n_head_kv: int
    extras: Extras = PLAIN

    @property
    def gqa_ratio(self) -> int:
        """Query heads per KV head."""
        return self.n_head // self.n_head_kv

    def __str__(self) -> str:
        extras = f" with {self.extras}" if str(self.extras) else ""
        return f"{self.heads}@{self.gqa_ratio}{extras}"

    def cells(self) -> tuple[Cell, ...]:
        """The nodes that decoding and prefilling it asks for, with f16 K and V."""
        return tuple(
            Cell(
                heads=self.heads,
                type_k=GgmlType.F16,
                type_v=GgmlType.F16,
                extras=self.extras,
                ratio=self.gqa_ratio,
                n_tokens=n_tokens,
                n_kv=n_kv,
                n_kv_heads=self.n_head_kv,
            )
            for n_tokens in _N_TOKENS
            for n_kv in (SHALLOW, DEEP)
        )


@dataclass(frozen=True, kw_only=True)
class FamiliarModel:
    """A model that many people run.

    Attributes:
        name: the one it is known by.
        config: the model's own repository, whose config.json the numbers are from.
        layers: one for each kind of attention layer it has; most models have one kind.
    """

    name: str
    config: str
    layers: tuple[FamiliarLayer, ...]

    @property
    def shape(self) -> str:
        """Head sizes and GQA ratio of its layers: `576/512@20`, or `256@2, 512@8`."""
        return ", ".join(map(str, self.layers))

    def cells(self) -> tuple[Cell, ...]:
        """The nodes that decoding and prefilling it asks for."""
        return tuple(cell for layer in self.layers for cell in layer.cells())


def _layer(heads: str, n_head: int, n_head_kv: int, extras: Extras = PLAIN) -> FamiliarLayer:
    return FamiliarLayer(
        heads=HeadSizes.parse(heads), n_head=n_head, n_head_kv=n_head_kv, extras=extras
    )


def _model(name: str, config: str, *layers: FamiliarLayer) -> FamiliarModel:
    return FamiliarModel(name=name, config=config, layers=layers)


_SINKS = Extras(sinks=True)
_GEMMA_2_SOFTCAP = Extras(softcap=50.0)  # attn_logit_softcapping

FAMILIAR_MODELS: tuple[FamiliarModel, ...] = (
    _model("Llama 3 8B", "meta-llama/Meta-Llama-3-8B", _layer("128", 32, 8)),
    _model("Llama 3 70B", "meta-llama/Meta-Llama-3-70B", _layer("128", 64, 8)),
    _model("Llama 3.2 1B", "meta-llama/Llama-3.2-1B", _layer("64", 32, 8)),
    _model("Llama 3.2 3B", "meta-llama/Llama-3.2-3B", _layer("128", 24, 8)),
    _model("Llama 4 Scout", "meta-llama/Llama-4-Scout-17B-16E", _layer("128", 40, 8)),
    _model("Qwen2.5 7B", "Qwen/Qwen2.5-7B-Instruct", _layer("128", 28, 4)),
    _model("Qwen3 8B", "Qwen/Qwen3-8B", _layer("128", 32, 8)),
    _model("Qwen3 14B", "Qwen/Qwen3-14B", _layer("128", 40, 8)),
    _model("Qwen3 32B", "Qwen/Qwen3-32B", _layer("128", 64, 8)),
    _model("Qwen3 30B-A3B", "Qwen/Qwen3-30B-A3B", _layer("128", 32, 4)),
    _model("Qwen3 235B-A22B", "Qwen/Qwen3-235B-A22B", _layer("128", 64, 4)),
    _model("Qwen3 Coder 480B-A35B", "Qwen/Qwen3-Coder-480B-A35B-Instruct", _layer("128", 96, 8)),
    _model("Qwen3 Next 80B-A3B", "Qwen/Qwen3-Next-80B-A3B-Instruct", _layer("256", 16, 2)),
    _model("Mistral 7B", "mistralai/Mistral-7B-Instruct-v0.3", _layer("128", 32, 8)),
    _model(
        "Mistral Small 3 24B", "mistralai/Mistral-Small-24B-Instruct-2501", _layer("128", 32, 8)
    ),
    _model("Mistral Large 2", "mistralai/Mistral-Large-Instruct-2407", _layer("128", 96, 8)),
    _model("Mistral Small 4", "mistralai/Mistral-Small-4-119B-2603", _layer("320/256", 32, 1)),
    _model("Gemma 2 9B", "google/gemma-2-9b", _layer("256", 16, 8, _GEMMA_2_SOFTCAP)),
    _model("Gemma 2 27B", "google/gemma-2-27b", _layer("128", 32, 16, _GEMMA_2_SOFTCAP)),
    _model("Gemma 3 1B", "google/gemma-3-1b-it", _layer("256", 4, 1)),
    _model("Gemma 3 4B", "google/gemma-3-4b-it", _layer("256", 8, 4)),
    _model("Gemma 3 12B", "google/gemma-3-12b-it", _layer("256", 16, 8)),
    _model("Gemma 3 27B", "google/gemma-3-27b-it", _layer("128", 32, 16)),
    # `global_head_dim` and `num_global_key_value_heads` are those of the layers without a window.
    _model("Gemma 4 12B", "google/gemma-4-12B-it", _layer("256", 16, 8), _layer("512", 16, 1)),
    _model(
        "Gemma 4 26B-A4B", "google/gemma-4-26B-A4B-it", _layer("256", 16, 8), _layer("512", 16, 2)
    ),
    _model("Phi 2", "microsoft/phi-2", _layer("80", 32, 32)),
    _model("Phi 3 mini", "microsoft/Phi-3-mini-4k-instruct", _layer("96", 32, 32)),
    _model("Phi 4", "microsoft/phi-4", _layer("128", 40, 10)),
    _model("gpt-oss 20B", "openai/gpt-oss-20b", _layer("64", 64, 8, _SINKS)),
    _model("gpt-oss 120B", "openai/gpt-oss-120b", _layer("64", 64, 8, _SINKS)),
    _model("DeepSeek V2 Lite", "deepseek-ai/DeepSeek-V2-Lite", _layer("576/512", 16, 1)),
    _model("DeepSeek V3, R1", "deepseek-ai/DeepSeek-V3", _layer("576/512", 128, 1)),
    # Files converted before llama.cpp had MLA: `qk_nope_head_dim + qk_rope_head_dim` for K,
    # `v_head_dim` for V, and as many KV heads as query heads.
    _model(
        "DeepSeek V3, R1 (GGUF without MLA)",
        "deepseek-ai/DeepSeek-V3",
        _layer("192/128", 128, 128),
    ),
    _model("GLM-4.5-Air", "zai-org/GLM-4.5-Air", _layer("128", 96, 8)),
    _model("GLM-4.7", "zai-org/GLM-4.7", _layer("128", 96, 8)),
    _model("GLM-4.7-Flash", "zai-org/GLM-4.7-Flash", _layer("576/512", 20, 1)),
    _model("Kimi K2", "moonshotai/Kimi-K2-Instruct", _layer("576/512", 64, 1)),
    _model("MiniMax M2", "MiniMaxAI/MiniMax-M2", _layer("128", 48, 8)),
    # Sinks in the layers with a window alone (`add_swa_attention_sink_bias`).
    _model(
        "MiMo-V2-Flash",
        "XiaomiMiMo/MiMo-V2-Flash",
        _layer("192/128", 64, 4),
        _layer("192/128", 64, 8, _SINKS),
    ),
    _model("Nemotron-4 340B", "nvidia/Nemotron-4-340B-Instruct", _layer("192", 96, 8)),
)

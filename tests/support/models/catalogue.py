"""The models by name: real attention geometry, everything else as small as it may be."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.models import deepseek2, gemma, gpt_oss, llama
from tests.support.models.description import Description

# A few megabytes each; the names are those of the model whose attention they have.
SMALL_MODELS: Mapping[str, Description] = {
    model.name: model
    for model in (
        deepseek2.glm_4_7_flash(),
        deepseek2.mla(name="mla-16", n_head=16),
        deepseek2.mla(name="mla-128", n_head=128),
        llama.llama_3_70b(),
        llama.multi_query(),
        gemma.gemma_2_2b(),
        gemma.gemma_3_1b(),
        gpt_oss.gpt_oss_20b(),
    )
}

# With the real sizes too: only their headers are ever written.
MODELS: Mapping[str, Description] = {
    **SMALL_MODELS,
    "glm-4.7-flash-full": deepseek2.glm_4_7_flash_full(),
}

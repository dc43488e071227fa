"""Checkpoints of two or three layers with random weights, one of each family of decoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

VOCABULARY = 100
POSITIONS = 256

_SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": POSITIONS,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}

MEMBERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"tie_word_embeddings": True}),
    "llama-biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "qwen2": ("qwen2", {}),
    "qwen2-window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", {"head_dim": 16, "tie_word_embeddings": True}),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral-window": ("mistral", {"sliding_window": 9, "head_dim": 24}),
    "smollm3": ("smollm3", {"no_rope_layer_interval": 2}),
    "gemma2": (
        "gemma2",
        {
            "head_dim": 16,
            "sliding_window": 9,
            "query_pre_attn_scalar": 24,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
    ),
    "gemma3_text": (
        "gemma3_text",
        {
            "head_dim": 16,
            "sliding_window": 9,
            "query_pre_attn_scalar": 24,
            "sliding_window_pattern": 2,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
    "phi3": ("phi3", {"sliding_window": None}),
    "phi3-short": (
        "phi3",
        {
            "partial_rotary_factor": 0.5,
            "original_max_position_embeddings": 200,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0, 1.1, 1.2, 1.3],
                "long_factor": [2.0, 2.1, 2.2, 2.3],
            },
        },
    ),
    "granite": (
        "granite",
        {
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.4,
            "attention_multiplier": 0.2,
            "logits_scaling": 2.5,
            "tie_word_embeddings": True,
        },
    ),
}
"""By name of a form, the ``model_type`` and what is not as in the others."""


def random_config(form: str, **members: Any) -> Any:
    """A small configuration of transformers."""
    from transformers import AutoConfig

    kind, own = MEMBERS[form]
    return AutoConfig.for_model(kind, **_SIZES | own | members)


def random_model(form: str, *, labels: int = 0, **members: Any) -> Any:
    """A model of transformers in float32, in evaluation mode.

    Args:
        form: of :data:`MEMBERS`.
        labels: of a head over the last token; 0 for a causal language model.
        members: of its configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    if labels:
        config = random_config(form, num_labels=labels, **members)
        auto: Any = AutoModelForSequenceClassification
    else:
        config, auto = random_config(form, **members), AutoModelForCausalLM
    torch.manual_seed(0)
    model = auto.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        # As large as trained ones, or nothing would be told apart.
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embed" not in name and "head" not in name:
                parameter.mul_(5)
            elif parameter.dim() == 2:
                parameter.mul_(2)
            elif name.endswith("norm.weight"):
                parameter.uniform_(-0.5, 0.5) if "gemma" in form else parameter.uniform_(0.5, 1.5)
            else:
                parameter.uniform_(-0.5, 0.5)
    return model


def random_checkpoint(
    folder: Path, form: str, *, labels: int = 0, dtype: str = "float32", **options: Any
) -> Path:
    """The same on disk, with a byte-level tokeniser; ``options`` are for ``save_pretrained``."""
    import torch
    from transformers import PreTrainedTokenizerFast

    from tests.inference.tiny import tokenizer

    model = random_model(form, labels=labels).to(getattr(torch, dtype))
    model.save_pretrained(folder, **options)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), bos_token="<s>").save_pretrained(folder)
    return folder

"""Adapters: what a training changed in a language model, in a few megabytes.

A safetensors file: ``score.weight``, the head, float32 of shape (1, hidden), and for each product
of the blocks its low-rank update (LoRA, Hu et al., ICLR 2022) as ``NAME.lora_A``, float16 of shape
(rank, inputs), and ``NAME.lora_B``, float16 of shape (outputs, rank), where NAME is the product's
weight in a trunk of transformers. The metadata say how many of the first blocks were kept, the
scale of the updates, and how they were trained, for the model card.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from edge_rerank_export.errors import RecipeError

HEAD = "score.weight"
"""A trained head's name, as in transformers' models for the classification of sequences."""

_DOWN, _UP = ".lora_A", ".lora_B"


def keep_layers(trunk: Any, count: int) -> None:
    """Drop the last blocks of a trunk of transformers in place.

    The states of the middle blocks tell choices better than those of the last, which turn to
    the next token; dropping blocks in between breaks them all. Figures are in EXPERIMENTS.md.

    Raises:
        RecipeError: when the model has fewer.
    """
    holder, name = (trunk, "layers") if hasattr(trunk, "layers") else (trunk.encoder, "layer")
    blocks = getattr(holder, name)
    if not 1 <= count <= len(blocks):
        raise RecipeError(f"training.layers: expected 1 to {len(blocks)}, or 0 for all")
    setattr(holder, name, blocks[:count])
    trunk.config.num_hidden_layers = count
    if getattr(trunk.config, "layer_types", None):
        trunk.config.layer_types = trunk.config.layer_types[:count]


def write_adapter(
    path: Path,
    updates: Mapping[str, tuple[Tensor, Tensor]],
    head: Tensor,
    *,
    layers: int,
    scale: float,
    training: str,
) -> None:
    """Write the file.

    Args:
        path: of the file.
        updates: by name of a weight, the two factors: (rank, inputs) and (outputs, rank).
        head: of shape (1, hidden).
        layers: blocks that were kept.
        scale: what the product of two factors is multiplied by.
        training: how they were trained.
    """
    tensors = {HEAD: head.detach().float().cpu().contiguous()}
    for name, (down, up) in updates.items():
        tensors[name + _DOWN] = down.detach().half().cpu().contiguous()
        tensors[name + _UP] = up.detach().half().cpu().contiguous()
    metadata = {"layers": str(layers), "scale": repr(scale), "training": training}
    save_file(tensors, path, metadata=metadata)


def apply_adapter(trunk: Any, path: Path) -> tuple[Tensor, str]:
    """Change a trunk of transformers in place as it was in the training.

    Args:
        trunk: the model that the training began with.
        path: see the module's description.

    Returns:
        The head, float32 of shape (1, hidden), and how it was trained.

    Raises:
        RecipeError: when the file cannot be read or is of another model; the trunk may have
            lost blocks by then.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        layers, scale = int(metadata["layers"]), float(metadata["scale"])
        training = metadata["training"]
        head: Tensor = tensors.pop(HEAD)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RecipeError(f"adapter: not readable: {type(error).__name__}") from error
    keep_layers(trunk, layers)
    weights = dict(trunk.named_parameters())
    with torch.no_grad():
        for name in [name.removesuffix(_DOWN) for name in tensors if name.endswith(_DOWN)]:
            down, up = tensors[name + _DOWN].float(), tensors[name + _UP].float()
            weight = weights.get(name)
            if weight is None or weight.shape != (up.shape[0], down.shape[1]):
                raise RecipeError(f"adapter: of another model, which has a product {name}")
            weight += scale * (up @ down)
    return head, training

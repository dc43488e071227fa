"""The adapter in models/ fits the model that its recipe names."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from transformers import LlamaConfig, LlamaModel

from edge_rerank_export.models.adapter import apply_adapter
from edge_rerank_export.recipes.adapter import find_adapter
from edge_rerank_export.recipes.file import find_recipe
from edge_rerank_export.recipes.pack import ScorerPackRecipe
from edge_rerank_export.recipes.read import read_recipe


def test_it_changes_every_product_of_the_layers_that_stay() -> None:
    recipe = read_recipe(find_recipe("smollm2-tuned"))
    assert isinstance(recipe, ScorerPackRecipe)
    # SmolLM2-135M, with two layers more than are kept and next to no vocabulary.
    trunk = LlamaModel(
        LlamaConfig(
            vocab_size=64,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=18,
            num_attention_heads=9,
            num_key_value_heads=3,
        )
    )
    before = {name: value.clone() for name, value in trunk.named_parameters()}
    head, training = apply_adapter(trunk, find_adapter(recipe.source.adapter))
    assert head.shape == (1, 576)
    assert head.abs().max() > 0
    assert "CC0" in training and "non-commercial" not in training
    assert len(trunk.layers) == 16
    after = dict(trunk.named_parameters())
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {name for name in after if name.endswith("_proj.weight")}

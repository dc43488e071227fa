"""Text encoders that would not come out as the original are refused by name, weights unread."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.text_encoder import load_encoder
from edge_rerank_export.packing.build import build
from edge_rerank_export.recipes.read import read_recipe
from tests.export.encoders import VOCABULARY, recipe_file, save_encoder, write_json


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (
            {"model_type": "mamba"},
            "must be one of bert, camembert, .*got 'mamba'; a family is added",
        ),
        ({"model_type": "t5"}, "got 't5'"),
        ({"model_type": "deberta-v2"}, "got 'deberta-v2'"),
        ({}, "got None"),
        (
            {"model_type": "nomic_bert", "auto_map": {"AutoModel": "modeling_x.NomicBertModel"}},
            r"got 'nomic_bert', whose code \(modeling_x\.NomicBertModel\) is its own and never run",
        ),
        (
            {"model_type": "new", "auto_map": {"AutoModel": "x/new-impl--modeling.NewModel"}},
            "got 'new', whose code",
        ),
        (
            {
                "model_type": "bert",
                "auto_map": {"AutoModel": "x/jina--modeling_bert.JinaBertModel"},
            },
            "expected a class of transformers for 'bert', got 'JinaBertModel'",
        ),
        (
            {"model_type": "bert", "architectures": ["BertOfMyOwn"]},
            "got 'BertOfMyOwn', which is not one",
        ),
        ({"model_type": "bert", "architectures": ["RobertaModel"]}, "got 'RobertaModel'"),
        ({"model_type": "bert", "quantization_config": {"quant_method": "gptq"}}, "quantization"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "position_embedding"),
        ({"model_type": "bert", "is_decoder": True}, r"config\.is_decoder"),
        ({"model_type": "roberta", "hidden_act": "mine"}, r"config\.hidden_act.*got 'mine'"),
        ({"model_type": "distilbert", "activation": "mine"}, r"config\.activation.*got 'mine'"),
        ({"model_type": "modernbert", "hidden_activation": "mine"}, r"config\.hidden_activation"),
        ({"model_type": "roberta", "pad_token_id": None}, "positions depend on it"),
        ({"model_type": "mpnet", "pad_token_id": 0}, r"config\.pad_token_id: expected 1"),
        ({"model_type": "bert", "hidden_size": "many"}, r"config\.json cannot be read"),
    ],
)
def test_models_that_are_refused_by_name(
    members: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    write_json(tmp_path / "config.json", members)
    (tmp_path / "model.safetensors").write_bytes(b"never read")
    with pytest.raises(UnsupportedModel, match=reason):
        load_encoder(tmp_path)


def test_the_tokeniser_of_another_model_is_refused(tmp_path: Path) -> None:
    model = save_encoder(tmp_path / "model", "bert")
    more = " ".join(f"word{n}" for n in range(VOCABULARY))
    other = save_encoder(tmp_path / "other", "bert", more=[more])
    shutil.copy(other / "tokenizer.json", model)
    recipe = read_recipe(recipe_file(model, tmp_path / "recipe.toml"))
    reason = f"tokenizer.json: expected tokens from 0 to {VOCABULARY - 1}, .* another model's"
    with pytest.raises(UnsupportedModel, match=reason):
        build(recipe, tmp_path / "pack")

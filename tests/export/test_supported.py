"""What cannot be converted is refused by name, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_rerank_export.cli import main
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.checkpoint import (
    check_language_model,
    describe_language_model,
)
from edge_rerank_export.models.families import DECODER_TYPES
from edge_rerank_export.models.language_model import check_scoring
from tests.inference.tiny import tiny_llama


def config(folder: Path, **members: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(members))
    return folder


@pytest.mark.parametrize("kind", [*DECODER_TYPES, "bert"])
def test_types_that_can_be_scorers(kind: str, tmp_path: Path) -> None:
    assert check_language_model(config(tmp_path, model_type=kind)).model_type == kind


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"model_type": "mamba"}, "one of llama, qwen2, .*, granite, bert, got 'mamba'"),
        ({"model_type": "gpt2"}, "got 'gpt2'"),
        ({"model_type": "gemma"}, "got 'gemma'"),
        ({"model_type": "gemma3"}, "got 'gemma3'"),
        ({"model_type": "mixtral"}, "got 'mixtral'"),
        ({"model_type": "qwen3_moe"}, r"got 'qwen3_moe'.*models/families\.py"),
        ({"model_type": "t5"}, "got 't5'"),
        ({}, "got None"),
        (
            {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}},
            "got 'mine'; its own code is never run",
        ),
        ({"model_type": "llama", "hidden_act": "gelu"}, r"config\.hidden_act.*got 'gelu'"),
        ({"model_type": "gemma2", "hidden_activation": "silu"}, r"config\.hidden_activation"),
        (
            {"model_type": "gemma3_text", "use_bidirectional_attention": True},
            r"config\.use_bidirectional_attention.*got True",
        ),
        ({"model_type": "llama", "partial_rotary_factor": 0.5}, r"config\.partial_rotary_factor"),
        (
            {"model_type": "llama", "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
            r"config\.rope_scaling.*got 'dynamic'",
        ),
        (
            {
                "model_type": "mistral",
                "architectures": ["MistralForSequenceClassification"],
                "id2label": {"0": "bad", "1": "fair", "2": "good"},
                "label2id": {"bad": 0, "fair": 1, "good": 2},
            },
            r"config\.num_labels: expected 1 or 2, got 3",
        ),
        ({"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}, "quantization"),
        ({"model_type": "bert", "hidden_act": "relu"}, r"config\.hidden_act"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "position_embedding"),
        ({"model_type": "bert", "is_decoder": True}, r"config\.is_decoder"),
    ],
)
def test_scorers_that_would_not_compute_what_the_original_does(
    members: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    config(tmp_path, **members)
    for read in (check_language_model, describe_language_model):
        with pytest.raises(UnsupportedModel, match=reason):
            read(tmp_path)


@pytest.mark.parametrize("part", ["[encoder]\nmax_tokens = 32\n", ""])
def test_a_recipe_of_such_a_model_ends_with_two(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    config(folder, model_type="mamba")
    (folder / "model.safetensors").write_bytes(b"never read")
    scorer = "[scorer]\nheading = 'x'\nstart = 'x'\nline_tokens = 9\nhistory_tokens = 9\n"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"kind = '{'encoder' if part else 'scorer'}'\n"
        "name = 'x'\nrelease = 1\nlicence = 'x'\nsummary = 'x'\n"
        f"[source]\nuri = {json.dumps(f'path:{folder}')}\nsha256 = '{'0' * 64}'\n"
        + (part or f"{scorer}vocabulary = 9\n")
    )
    for command in ("build", "convert"):
        assert main([command, str(recipe), "--out", str(tmp_path / "out")]) == 2
        assert "got 'mamba'" in capsys.readouterr().err


def test_a_text_longer_than_the_model_reads() -> None:
    model: Any = tiny_llama()
    check_scoring(model, positions=256, head=None)
    with pytest.raises(
        UnsupportedModel, match="reads 256 tokens, history and lines take up to 257"
    ):
        check_scoring(model, positions=257, head=None)

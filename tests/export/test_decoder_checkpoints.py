"""Checkpoints of decoders by what is in their configuration files, and packs made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.manifest import LIKELIHOOD_WEIGHT
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.checkpoint import Form, describe_language_model, memory_of
from edge_rerank_export.models.language_model import load_language_model
from edge_rerank_export.packing.build import build
from edge_rerank_export.packing.derive import derive_scorer
from edge_rerank_export.packing.folder import CARD_NAME
from edge_rerank_export.packing.prior import prior_weight
from edge_rerank_export.recipes.pack import (
    ScorerBounds,
    ScorerPackRecipe,
    ScorerRecipe,
    SourceRecipe,
    TemplateRecipe,
)
from edge_rerank_export.sources.fetch import file_sha256
from tests.export.families import random_checkpoint, random_model

QUERY, DOCUMENTS = "river", ["rose", "a map", "mars"]
CHAT = TemplateRecipe(before="D:", after="\n<s>A:", spaced=True)


def recipe_of(folder: Path, scorer: ScorerRecipe) -> ScorerPackRecipe:
    source = SourceRecipe(f"path:{folder}", file_sha256(folder / "model.safetensors"))
    bounds = ScorerBounds(min_tau=0.5, max_conversion_error=1e-4, max_company_effect=1e-5)
    return ScorerPackRecipe("tiny", 1, "Apache-2.0", "Random.", source, scorer, bounds)


def test_a_checkpoint_is_described_without_its_weights(tmp_path: Path) -> None:
    folder = random_checkpoint(
        tmp_path, "gemma3_text", labels=2, dtype="bfloat16", max_shard_size="60KB"
    )
    weights = sum(one.numel() for one in random_model("gemma3_text", labels=2).model.parameters())
    shards = sorted(path.name for path in folder.glob("*.safetensors"))
    for path in folder.glob("*.safetensors"):
        path.unlink()
    described = describe_language_model(folder)
    assert described.family == "gemma3_text"
    assert described.form is Form.HEAD
    assert described.labels == ("LABEL_0", "LABEL_1")
    assert (described.positions, described.dtype, described.turned) == (256, "bfloat16", False)
    assert described.files == tuple(shards)
    assert len(shards) > 1
    assert described.weights == weights
    assert described.memory == memory_of(weights)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_half_precision_are_read_as_they_are(dtype: str, tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path, "granite", dtype=dtype)
    loaded = load_language_model(folder)
    wanted = random_model("granite").to(getattr(torch, dtype)).float().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in loaded.state_dict().items())


def test_a_checkpoint_without_some_of_its_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = random_checkpoint(tmp_path, "mistral")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnsupportedModel, match=r"has no model\.layers\.1\.mlp\.up_proj\.weight"):
        load_language_model(folder)


def test_answers_stand_in_the_modules_of_sentence_transformers(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path, "qwen3")
    assert describe_language_model(folder).form is Form.LIKELIHOOD
    module = "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"
    (folder / "modules.json").write_text(json.dumps([{"path": "1_LogitScore", "type": module}]))
    (folder / "1_LogitScore").mkdir()
    members = {"true_token_id": 90, "false_token_id": 79}
    (folder / "1_LogitScore" / "config.json").write_text(json.dumps(members))
    described = describe_language_model(folder)
    assert (described.form, described.answers) == (Form.ANSWERS, (90, 79))
    with pytest.raises(RecipeError, match=r"scorer\.template"):
        derive_scorer(folder, described)


def test_a_derived_recipe_fits_its_checkpoint(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path, "smollm3")
    described = describe_language_model(folder)
    derived = derive_scorer(folder, described)
    assert derived.start == "<s>"
    assert derived.history_tokens + 2 * derived.line_tokens + 64 == described.positions
    with pytest.raises(UnsupportedModel, match="256 are too few"):
        derive_scorer(folder, described, line_tokens=70)


def test_log_odds_of_two_answers_are_those_of_transformers(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "checkpoint", "qwen3")
    scorer = ScorerRecipe(
        *("Judge!\nQ:", "<s>", 12, 60),
        separator="",
        quantisation=ScorerRecipe("", "", 1, 1).quantisation.NONE,
        answers=("y", "n"),
        template=CHAT,
    )
    build(recipe_of(folder, scorer), tmp_path / "pack")
    pack = Pack.open(tmp_path / "pack")
    scores = Scorer(pack).score(DOCUMENTS, [], query=QUERY)
    model: Any = load_language_model(folder)
    tokenizer = Scorer(pack).prompt._tokenizer
    tokenizer.encode_special_tokens = False
    yes, no = (tokenizer.token_to_id(name) for name in "yn")
    for document, score in zip(DOCUMENTS, scores, strict=True):
        ids = tokenizer.encode(f"<s>Judge!\nQ: {QUERY}\nD: {document}\n<s>A:").ids
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[0, -1]
        assert score == pytest.approx(float(logits[yes] - logits[no]), abs=1e-4)
    card = (tmp_path / "pack" / CARD_NAME).read_text()
    assert "by the log-odds of the answer `y` against `n`" in card
    assert "Not trained by this toolchain" in card
    spec = pack.manifest.scorer
    assert spec is not None
    assert f"adds {spec.weight:.4g} to the log-odds of a click: set beforehand" in card
    other = replace(scorer, answers=("y", "?!"))
    with pytest.raises(RecipeError, match=r"scorer\.answers: not a token"):
        build(recipe_of(folder, other), tmp_path / "other")
    other = replace(scorer, answers=())
    with pytest.raises(RecipeError, match=r"scorer\.template: expected only with"):
        build(recipe_of(folder, other), tmp_path / "other")


def test_a_head_of_two_labels_says_which_on_its_card(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "checkpoint", "gemma2", labels=2)
    scorer = ScorerRecipe("Liked:", "<s>", 12, 60)
    build(recipe_of(folder, scorer), tmp_path / "pack")
    card = (tmp_path / "pack" / CARD_NAME).read_text()
    assert "as log-odds of its label `LABEL_1` against `LABEL_0`" in card
    assert "basis without outliers" not in card  # norms after each half forbid it
    assert "likelihoods" not in card
    assert "how well it ranks what people chose" in card


def test_prior_weights_are_those_of_a_kind() -> None:
    assert prior_weight(Form.LIKELIHOOD, []) == LIKELIHOOD_WEIGHT
    wide, wider = [0.0, 40.0, -40.0], [0.0, 400.0, -400.0]
    assert prior_weight(Form.HEAD, wide) == pytest.approx(10 * prior_weight(Form.HEAD, wider))
    assert prior_weight(Form.ANSWERS, [0.0, 0.01]) == 1.0

"""Checkpoints of decoders by what is in their configuration files, and packs made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import LIKELIHOOD_WEIGHT
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.checkpoint import Form, describe_language_model
from edge_rerank_export.models.language_model import load_language_model
from edge_rerank_export.packing.build import build
from edge_rerank_export.packing.derive import derive_scorer
from edge_rerank_export.packing.folder import CARD_NAME
from edge_rerank_export.packing.prior import prior_weight
from edge_rerank_export.recipes.bounds import ScorerBounds
from edge_rerank_export.recipes.pack import (
    ScorerPackRecipe,
    ScorerRecipe,
    SourceRecipe,
    TemplateRecipe,
)
from edge_rerank_export.sources.fetch import file_sha256
from edge_rerank_export.sources.weights import count_weights
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
    assert len(shards) > 1
    assert described.weights == weights


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_half_precision_are_read_as_they_are(dtype: str, tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path, "granite", dtype=dtype)
    loaded = load_language_model(folder)
    assert describe_language_model(folder).dtype == dtype
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


def write_gguf(
    path: Path, form: str, *, scaled: bool = False, eight_bits: bool = False, name: str = ""
) -> Any:
    """A model of a family that llama.cpp knows, and the model itself."""
    import gguf

    # To llama.cpp a mistral is a llama by another name, and turns pairs of neighbours by position.
    kind = "llama" if form == "mistral" else form.removesuffix("_text")
    own = {"tie_word_embeddings": form.startswith("gemma")}
    if form == "qwen3":
        own["head_dim"] = 128  # which transformers takes it for, whatever a file says
    model = random_model(form, **own)
    config = model.config
    writer = gguf.GGUFWriter(str(path), kind)
    writer.add_name(name or f"tiny {form}")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_vocab_size(config.vocab_size)
    writer.add_token_list([f"t{number}" for number in range(config.vocab_size)])
    if scaled:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    architecture = getattr(gguf.MODEL_ARCH, kind.upper())
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for weight, value in model.state_dict().items():
        array = value.numpy()
        if weight != "lm_head.weight" or not form.startswith("gemma"):
            stored = names.get_name(weight, try_suffixes=(".weight", ".bias"))
            if kind == "llama" and (".q_proj." in weight or ".k_proj." in weight):
                heads = config.num_attention_heads
                heads = heads if ".q_proj." in weight else config.num_key_value_heads
                rows = value.reshape(heads, 2, -1, value.shape[-1]).transpose(1, 2)
                array = rows.reshape(value.shape).contiguous().numpy()
            stored_as = None
            if eight_bits and array.ndim == 2:
                stored_as = gguf.GGMLQuantizationType.Q8_0
                array = gguf.quants.quantize(array, stored_as)
            writer.add_tensor(stored, array, raw_dtype=stored_as)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


@pytest.mark.parametrize("form", ["llama", "qwen2", "qwen3", "mistral"])
def test_a_gguf_file_is_read_with_what_is_in_it(form: str, tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "model.gguf", form)
    described = describe_language_model(tmp_path)
    assert described.family == ("llama" if form == "mistral" else form)
    assert count_weights(tmp_path) == sum(one.numel() for one in model.parameters())
    tokens = torch.arange(30)[None]
    with torch.inference_mode():
        wanted, got = model(tokens).logits, load_language_model(tmp_path)(tokens).logits
    assert torch.allclose(wanted, got, atol=1e-5)


def test_a_gguf_file_of_eight_bits_is_read_as_what_it_stands_for(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "model.gguf", "qwen2", eight_bits=True)
    got = load_language_model(tmp_path).state_dict()
    for name, value in model.state_dict().items():
        steps = value.abs().max() / 127
        assert (got[name] - value).abs().max() <= steps  # half a step, of a block of 32 at most
    assert count_weights(tmp_path) == sum(one.numel() for one in model.parameters())


@pytest.mark.parametrize(
    ("form", "scaled", "reason"),
    [
        ("gemma2", False, "a gemma2; of GGUF files llama, qwen2, qwen3 are read"),
        ("gemma3_text", False, "a gemma3_text; of GGUF"),
        ("qwen2", True, r"qwen2\.rope\.scaling\.type is not read by transformers"),
        ("granite", False, "of GGUF files llama, qwen2, qwen3 are read"),
    ],
)
def test_a_gguf_file_that_is_read_in_part_is_refused(
    form: str, scaled: bool, reason: str, tmp_path: Path
) -> None:
    write_gguf(tmp_path / "model.gguf", form, scaled=scaled)
    with pytest.raises(UnsupportedModel, match=reason):
        describe_language_model(tmp_path)


def test_a_gguf_file_that_is_called_mistral_is_refused(tmp_path: Path) -> None:
    """By that name alone transformers takes it for a family that it then does not read."""
    write_gguf(tmp_path / "model.gguf", "mistral", name="mistral")
    with pytest.raises(UnsupportedModel, match="a mistral; of GGUF files llama"):
        describe_language_model(tmp_path)


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

"""What sentence-transformers keeps beside a model is read from its files, and computed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModel

from edge_rerank import Item
from edge_rerank._progress import Progress
from edge_rerank.errors import PackInvalid
from edge_rerank.inference.encoders.text import TextEncoder, _feed
from edge_rerank.inference.session import Session
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import check_cost
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import (
    EncoderSpec,
    QueryPrompt,
)
from edge_rerank.ranking.candidates import Candidates
from edge_rerank.ranking.comparisons import TextComparer
from edge_rerank.ranking.interests import Interests
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.encoder_description import check_weight_files, describe_encoder
from edge_rerank_export.models.sentence_files import Pooling
from edge_rerank_export.models.sentence_layers import pooled
from edge_rerank_export.models.text_encoder import convert, load_encoder
from edge_rerank_export.models.text_tokenizer import read_tokenizer
from edge_rerank_export.packing.build import build
from edge_rerank_export.packing.encoder import quantize_encoder
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.verify.encoder import encoder_rows
from edge_rerank_export.verify.texts import own_texts
from tests.export.encoders import (
    HIDDEN,
    POSITIONS,
    recipe_file,
    save_dense,
    save_encoder,
    save_modules,
    write_json,
)
from tests.export.test_encoder_families import FEW, RANDOM, rows, unit

Array = NDArray[np.float32]

TANH, IDENTITY = "torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity"
MEAN = {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}
ALL_POOLINGS = {
    "embedding_dimension": HIDDEN,
    "pooling_mode": ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"],
}


def by_hand(states: Array, mode: str) -> Array:
    """One mode over the states of the tokens of one text."""
    count = len(states)
    places = np.arange(1, count + 1)[:, None]
    vectors: dict[str, Array] = {
        "cls": states[0],
        "max": states.max(axis=0),
        "mean": states.sum(axis=0) / count,
        "mean_sqrt_len_tokens": states.sum(axis=0) / np.sqrt(count),
        "weightedmean": (states * places).sum(axis=0) / places.sum(),
        "lasttoken": states[-1],
    }
    return vectors[mode]


@pytest.mark.parametrize("mode", list(Pooling))
@pytest.mark.parametrize("left", [False, True])
def test_poolings_by_hand_with_padding_on_either_side(mode: Pooling, left: bool) -> None:
    rng = np.random.default_rng(0)
    lengths = (1, 4, 9)
    states = rng.normal(size=(3, 9, HIDDEN)).astype(np.float32)
    mask = np.zeros((3, 9), dtype=np.int64)
    for row, length in enumerate(lengths):
        mask[row, 9 - length :] = 1 if left else mask[row, 9 - length :]
        mask[row, :length] = mask[row, :length] if left else 1
    got = pooled(torch.tensor(states), torch.tensor(mask), [mode]).numpy()
    for row in range(3):
        # sentence-transformers weighs by the place in the row, padding counted.
        own = states[row][mask[row] == 1]
        if mode is Pooling.WEIGHTED_MEAN and left:
            places = np.flatnonzero(mask[row])[:, None] + 1
            expected = (own * places).sum(axis=0) / places.sum()
        else:
            expected = by_hand(own, mode)
        np.testing.assert_allclose(got[row], expected, atol=1e-5)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("plain"), "bert")


@pytest.fixture
def model(plain: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in plain.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def states_of(model: Path, ids: torch.Tensor, mask: torch.Tensor) -> list[Array]:
    original = AutoModel.from_pretrained(model).eval()
    with torch.inference_mode():
        states = original(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    return [one[kept.numpy() == 1] for one, kept in zip(states, mask, strict=True)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_several_poolings_end_to_end_in_a_graph_that_a_pack_may_hold(
    model: Path, tmp_path: Path
) -> None:
    save_modules(model, ("Pooling", ALL_POOLINGS))
    described = describe_encoder(model)
    assert (described.pooling, described.dim) == (tuple(Pooling), 6 * HIDDEN)
    convert(load_encoder(model), tmp_path / "f.onnx")
    raw = (tmp_path / "f.onnx").read_bytes()
    check_model(raw)
    check_cost(raw, _feed(EncoderSpec("m", "t", 6 * HIDDEN, POSITIONS, 0, 21)))
    for shape in ((1, 2), (3, 11), (7, 30)):
        ids, mask = rows(shape, 0, padded=True)
        expected = [
            np.concatenate([by_hand(own, mode) for mode in ALL_POOLINGS["pooling_mode"]])
            for own in states_of(model, ids, mask)
        ]
        feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        got = Session(raw).run(feed)[0]
        assert np.abs(got - unit(np.stack(expected))).max() <= 1e-4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dense_layers_with_what_is_between_them(model: Path, tmp_path: Path) -> None:
    save_modules(
        model,
        ("Pooling", {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": True}),
        ("Dense", {"in_features": HIDDEN, "out_features": 24, "activation_function": TANH}),
        ("Normalize", {}),
        ("Dropout", {"dropout": 0.1}),
        (
            "Dense",
            {
                "in_features": 24,
                "out_features": 24,
                "activation_function": IDENTITY,
                "use_residual": True,
            },
        ),
    )
    first, second = save_dense(model, 2, HIDDEN, 24), save_dense(model, 5, 24, 24)
    described = describe_encoder(model)
    assert described.dense_weights == ("2_Dense/model.safetensors", "5_Dense/model.safetensors")
    assert described.dim == 24
    assert not described.sentences.normalised
    exported, quantised = tmp_path / "f.onnx", tmp_path / "q.onnx"
    convert(load_encoder(model), exported)
    ids, mask = rows((5, 21), 0, padded=True)
    vectors = np.stack([own[0] for own in states_of(model, ids, mask)])
    inner = unit(np.tanh(vectors @ first["linear.weight"].numpy().T + first["linear.bias"].numpy()))
    outer = inner @ second["linear.weight"].numpy().T + second["linear.bias"].numpy() + inner
    feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    assert np.abs(Session(exported.read_bytes()).run(feed)[0] - unit(outer)).max() <= 1e-4
    tokenizer = read_tokenizer(model / "tokenizer.json")
    texts = own_texts().texts[:9]
    quantize_encoder(exported, quantised, Scheme.INT8, tokenizer=tokenizer, texts=texts)
    kinds = [node.op_type for node in onnx.load(str(quantised)).graph.node]
    assert kinds.count("MatMulIntegerToFloat") == 6 * 2 + 2
    assert "Gemm" not in kinds
    close = (Session(quantised.read_bytes()).run(feed)[0] * unit(outer)).sum(axis=1)
    assert close.min() > 0.99


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_pack_of_the_first_dimensions_of_vectors_of_any_length(
    model: Path, tmp_path: Path
) -> None:
    save_modules(model, ("Pooling", MEAN))
    write_json(model / "config_sentence_transformers.json", {"similarity_fn_name": "dot"})
    recipe = read_recipe(recipe_file(model, tmp_path / "r.toml", "dim = 16", RANDOM))
    build(recipe, tmp_path / "pack", texts=FEW)
    pack = Pack.open(tmp_path / "pack")
    assert pack.manifest.encoder is not None
    assert pack.manifest.encoder.dim == 16
    card = pack.read("MODEL_CARD.md").decode()
    assert "mean pooling, the first 16 of 32 dimensions and scaling to length 1" in card
    assert "the original's vectors have lengths of their own, compared by dot" in card
    ids, mask = rows((3, 9), 0, padded=True)
    with torch.inference_mode():
        got = load_encoder(model, dim=16)(ids, mask)["vector"].numpy()
    whole = np.stack([own.mean(axis=0) for own in states_of(model, ids, mask)])
    assert np.abs(got - unit(whole[:, :16])).max() <= 1e-5
    with pytest.raises(UnsupportedModel, match=r"encoder\.dim: expected at most 32"):
        load_encoder(model, dim=33)
    with pytest.raises(RecipeError, match="dim"):
        read_recipe(recipe_file(model, tmp_path / "r.toml", "dim = -1"))


def test_a_recipe_may_say_another_pooling(model: Path) -> None:
    ids, mask = rows((2, 9), 0, padded=True)
    with torch.inference_mode():
        got = load_encoder(model, pooling=[Pooling.CLS])(ids, mask)["vector"].numpy()
    assert (
        np.abs(got - unit(np.stack([own[0] for own in states_of(model, ids, mask)]))).max() < 1e-5
    )


def test_descriptions_without_files_say_what_is_assumed(model: Path) -> None:
    described = describe_encoder(model)
    assert not described.sentences.found
    assert described.pooling == (Pooling.MEAN,)
    assert (described.sentences.item_prompt, described.sentences.query_prompt) == ("", "")
    assert (described.max_tokens, described.dim, described.model_type) == (
        POSITIONS,
        HIDDEN,
        "bert",
    )
    counted = sum(one.numel() for one in AutoModel.from_pretrained(model).parameters())
    assert described.weights() == counted


def test_descriptions_of_everything_that_the_files_say(model: Path) -> None:
    save_modules(model, ("Pooling", MEAN | {"include_prompt": True}), ("Normalize", {}))
    write_json(model / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": True})
    write_json(model / "tokenizer_config.json", {"model_max_length": 20})
    write_json(
        model / "config_sentence_transformers.json",
        {
            "prompts": {"query": "query: ", "passage": "passage: ", "sts": "same: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )
    described = describe_encoder(model)
    sentences = described.sentences
    assert sentences.found
    assert sentences.normalised
    assert sentences.lower_case
    assert (sentences.item_prompt, sentences.query_prompt) == ("passage: ", "query: ")
    assert (sentences.similarity, described.max_tokens) == ("cosine", 40)
    (model / "sentence_bert_config.json").unlink()
    assert describe_encoder(model).max_tokens == 20
    write_json(model / "sentence_roberta_config.json", {"max_seq_length": 512})
    assert describe_encoder(model).max_tokens == POSITIONS
    write_json(
        model / "config_sentence_transformers.json",
        {"prompts": {"sts": "same: "}, "default_prompt_name": "sts"},
    )
    sentences = describe_encoder(model).sentences
    assert (sentences.item_prompt, sentences.query_prompt) == ("same: ", "same: ")


def test_a_transformer_in_a_folder_of_its_own(plain: Path, tmp_path: Path) -> None:
    inside = tmp_path / "0_Transformer"
    inside.mkdir()
    for path in plain.iterdir():
        (inside / path.name).symlink_to(path)
    save_modules(tmp_path, ("Pooling", MEAN))
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    write_json(tmp_path / "modules.json", modules)
    described = describe_encoder(tmp_path)
    assert described.folder == "0_Transformer"
    assert load_encoder(tmp_path).dim == HIDDEN


def test_a_prompt_that_the_pooling_leaves_out(model: Path, tmp_path: Path) -> None:
    save_modules(model, ("Pooling", MEAN | {"include_prompt": False}))
    recipe = read_recipe(recipe_file(model, tmp_path / "r.toml", "prefix = 'query: '", RANDOM))
    with pytest.raises(UnsupportedModel, match="include_prompt"):
        build(recipe, tmp_path / "pack", texts=FEW)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_pack_reads_queries_and_items_after_prompts_of_their_own(
    model: Path, tmp_path: Path
) -> None:
    encoder = "prefix = 'Cast iron: '\nquery_prefix = 'knife, pan: '\nquantisation = 'none'"
    build(
        read_recipe(recipe_file(model, tmp_path / "r.toml", encoder)), tmp_path / "pack", texts=FEW
    )
    pack = Pack.open(tmp_path / "pack")
    assert "every query with `knife, pan:`" in pack.read("MODEL_CARD.md").decode()
    made, original = TextEncoder(pack), load_encoder(model)
    plain = read_tokenizer(model / "tokenizer.json")
    plain.enable_truncation(32)
    text = "steel knife"

    def expected(whole: str) -> Array:
        ids = torch.tensor([plain.encode(whole).ids])
        with torch.inference_mode():
            found: Array = original(ids, torch.ones_like(ids))["vector"][0].numpy()
        return found

    for words in (text, " ".join([text] * 20)):
        queries, items = made.queries.encode([words])[0], made.encode([words])[0]
        assert np.abs(queries - expected(f"knife, pan: {words}")).max() <= 1e-5
        assert np.abs(items - expected(f"Cast iron: {words}")).max() <= 1e-5
        assert np.abs(queries - items).max() > 1e-2
        # What a pack is verified with is what the runtime reads.
        assert encoder_rows(pack, [words], query=True) == [made._as_query(made._tokenize(words))]
    assert not made.queries.encode(["\u16a0\u16a1"]).any()  # unread, whatever stands before it
    asked: list[str] = []

    class Spy:
        dim = made.dim

        def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> Array:
            asked.extend(texts)
            return made.queries.encode(texts, progress=progress)

    comparer = TextComparer(made, cache_items=9, queries=Spy())
    comparer.compare(Candidates([Item("1", text)]), Interests((), ()), "what they ask")
    assert asked == ["what they ask"]


def test_a_prompt_of_queries_that_does_not_fit_the_tokeniser(tiny_pack: Path) -> None:
    pack = Pack.open(tiny_pack)
    spec = pack.manifest.encoder
    assert spec is not None
    assert TextEncoder(pack).queries.dim == spec.dim
    for prompt in (QueryPrompt(1, 2, (5,)), QueryPrompt(1, 0, (5,) * spec.max_tokens)):
        manifest = replace(pack.manifest, encoder=replace(spec, query_prompt=prompt))
        with pytest.raises(PackInvalid, match="query_prompt"):
            TextEncoder(replace(pack, manifest=manifest))


def test_weights_that_are_not_there_are_not_made_up(model: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, model / "model.safetensors", {"format": "pt"})
    load_encoder(model)  # the pooler is not used
    kept.pop("encoder.layer.1.output.dense.weight")
    save_file(kept, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(UnsupportedModel, match=r"1 are missing, encoder\.layer\.1\.output"):
        load_encoder(model)


def test_pickles_are_refused_with_the_remedy_on_a_disk_and_on_a_hub(model: Path) -> None:
    described = describe_encoder(model)
    files = ["config.json", "pytorch_model.bin", "onnx/model.onnx"]
    with pytest.raises(UnsupportedModel, match=r"pytorch_model\.bin, a pickle.*save_pretrained"):
        check_weight_files(described, files, complete=True)
    check_weight_files(described, [*files, "model.safetensors"], complete=True)
    with pytest.raises(UnsupportedModel, match=r"expected model\.safetensors, found none"):
        check_weight_files(described, ["config.json"], complete=True)
    check_weight_files(described, ["config.json"], complete=False)
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(UnsupportedModel, match="a pickle"):
        describe_encoder(model)


def test_a_dense_layer_of_a_pickle_or_of_other_sizes(model: Path) -> None:
    dense = {"in_features": HIDDEN, "out_features": 8, "activation_function": TANH}
    save_modules(model, ("Pooling", MEAN), ("Dense", dense))
    (model / "2_Dense" / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(UnsupportedModel, match=r"2_Dense/model\.safetensors, got pytorch_model"):
        describe_encoder(model)
    (model / "2_Dense" / "pytorch_model.bin").unlink()
    save_dense(model, 2, HIDDEN, 9)
    with pytest.raises(UnsupportedModel, match="expected the weights that"):
        load_encoder(model)


def typed(name: str, path: str = "2_x") -> list[dict[str, str]]:
    first = {"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}
    pooling = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    return [first, pooling, {"path": path, "type": name}]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("modules.json", typed("sentence_transformers.models.LSTM"), "got 'sentence_.*LSTM'"),
        ("modules.json", typed("sentence_transformers.models.WordWeights"), "WordWeights"),
        ("modules.json", typed("custom_st.Transformer"), "custom_st.*never run"),
        ("modules.json", typed("sentence_transformers.models.Pooling"), "several"),
        ("modules.json", typed("sentence_transformers.models.Transformer"), "Pooling, Transformer"),
        ("modules.json", typed("sentence_transformers.models.Dense", "../x"), "inside of the"),
        (
            "modules.json",
            typed("x")[:1] + typed("sentence_transformers.models.Dense")[2:],
            "then a",
        ),
        ("modules.json", {"0": 1}, "a list"),
        ("1_Pooling/config.json", {"pooling_mode_mine": True}, "got pooling_mode_mine"),
        ("1_Pooling/config.json", {"pooling_mode": "mine"}, "got mine; one is added in"),
        ("1_Pooling/config.json", {"word_embedding_dimension": 5}, "32 dimensions, got 5"),
        ("2_Dense/config.json", {"in_features": 9, "out_features": 8}, "expected 32, got 9"),
        ("2_Dense/config.json", {"in_features": HIDDEN, "out_features": 0}, "integer ≥ 1"),
        ("2_Dense/config.json", {"activation_function": "mine.Swirl"}, "got 'mine.Swirl'"),
        ("2_Dense/config.json", {"module_input_name": "token_embeddings"}, "a Dense of whole"),
        ("config_sentence_transformers.json", {"prompts": ["query"]}, "prompts: expected texts"),
        ("config_sentence_transformers.json", [], "expected a JSON object"),
    ],
)
def test_vectors_that_are_made_in_a_way_that_is_not_known(
    file: str, content: Any, reason: str, model: Path
) -> None:
    dense = {"in_features": HIDDEN, "out_features": 8, "activation_function": TANH}
    save_modules(model, ("Pooling", MEAN), ("Dense", dense), ("Normalize", {}))
    assert describe_encoder(model).dim == 8
    write_json(model / file, content)
    with pytest.raises(UnsupportedModel, match=reason):
        describe_encoder(model)

"""Cross-encoders become packs of pairs that rank as they do."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from edge_rerank import Item, Reranker
from edge_rerank.inference.pair_scorer import PairScorer, _feed
from edge_rerank.inference.session import Session
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import check_cost
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import PairScorerSpec
from edge_rerank_export.cli import main
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.encoder_families import FAMILIES
from edge_rerank_export.models.pair_model import (
    PairModel,
    check_pair_model,
    convert_pair_model,
    is_pair_model,
    load_pair_model,
    load_pair_tokenizer,
    longest_pair,
)
from edge_rerank_export.packing.build import build
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.verify.layers import layer_errors
from edge_rerank_export.verify.orders import kendall_tau
from edge_rerank_export.verify.readings import readings_of
from edge_rerank_export.verify.texts import RankingCase, Texts
from tests.inference.tiny_pairs import (
    KINDS,
    examples,
    liked,
    make_pack,
    write_cross_encoder,
    write_recipe,
)

STEPS = 180


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("trained"), steps=STEPS)


def toy_texts(lists: int) -> Texts:
    """Lists of the toy's texts, with a history of two of one kind."""
    rng = random.Random(1)
    places: dict[str, int] = {}
    cases = []
    for _ in range(lists):
        kind = rng.choice(list(KINDS))
        history = liked(rng, kind)
        shown = dict.fromkeys(examples(rng, 12)[1])
        cases.append(
            RankingCase(
                tuple(places.setdefault(text, len(places)) for text in history),
                tuple(places.setdefault(text, len(places)) for text in shown),
            )
        )
    return Texts(tuple(places), tuple(cases))


@pytest.fixture(scope="module")
def pack(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("pack")
    recipe = read_recipe(write_recipe(trained, work / "recipe.toml"))
    build(recipe, work / "pack", texts=toy_texts(8))
    return work / "pack"


def original_scores(folder: Path, query: str, texts: list[str]) -> np.ndarray:
    """What sentence-transformers' CrossEncoder computes, before its activation function."""
    from sentence_transformers.cross_encoder import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu")
    pairs = [(query, text) for text in texts]
    return np.asarray(model.predict(pairs, activation_fn=torch.nn.Identity()))


def test_a_trained_cross_encoder_keeps_its_order_in_rank(trained: Path, pack: Path) -> None:
    rng = random.Random(2)
    taus, hits, plain = [], [], []
    with Reranker.open(pack) as reranker, Reranker.open() as without:
        for query in KINDS:
            _, texts, _ = examples(rng, 30)
            texts = list(dict.fromkeys(texts))
            wanted = original_scores(trained, query, texts)
            assert wanted.std() > 1
            items = [Item(str(place), text) for place, text in enumerate(texts)]
            orders, firsts = [], []
            for opened in (reranker, without):
                ranking = opened.rank(items, query=query)
                assert not ranking.degraded
                firsts.append(texts[int(ranking[0].item.id)])
                places = np.array(
                    [-one.rank for one in sorted(ranking, key=lambda x: int(x.item.id))]
                )
                orders.append(kendall_tau(wanted, places))
            taus.append(orders[0])
            plain.append(orders[1])
            hits.append(sum(word in KINDS[query] for word in firsts[0].split()) >= 3)
    assert np.mean(taus) >= 0.95
    assert min(taus) >= 0.9
    assert np.mean(plain) < 0.5, "the control: words and vectors alone know another order"
    assert all(hits), "and what the toy taught is what comes first"


def test_the_pack_says_what_it_is(trained: Path, pack: Path) -> None:
    opened = Pack.open(pack)
    spec = opened.manifest.pair_scorer
    assert spec is not None
    assert (spec.quantisation, spec.max_tokens, spec.item_tokens) == ("int8", 96, 48)
    assert set(opened.manifest.verification) >= {
        *("kendall_tau", "query_tau", "score_error", "batch_effect"),
    }
    assert (pack / "pairs.onnx").stat().st_size < (trained / "model.safetensors").stat().st_size / 2
    card = (pack / "MODEL_CARD.md").read_text()
    assert "`LABEL_0`" in card
    assert "as whoever published them trained them" in card
    assert "million weights for each token" in card
    assert "query_tau" not in card  # explained in words


def test_the_steps_one_by_one(trained: Path, pack: Path, tmp_path: Path) -> None:
    recipe = str(write_recipe(trained, tmp_path / "recipe.toml"))
    converted, quantised = tmp_path / "f.onnx", tmp_path / "q.onnx"
    assert main(["convert", recipe, "--out", str(converted)]) == 0
    assert main(["quantize", str(converted), "--recipe", recipe, "--out", str(quantised)]) == 0
    # A second time the same recipe gives the same bytes.
    assert quantised.read_bytes() == (pack / "pairs.onnx").read_bytes()
    inputs = readings_of(Pack.open(pack), converted, toy_texts(4))
    found = layer_errors(converted, quantised, inputs)
    assert len(inputs) == 4
    assert len(found.layers) >= 12
    assert 0 < found.result < 0.1
    assert all(0 < one.added < 0.1 for one in found.layers)


def tiny_config(kind: str, **members: Any) -> Any:
    config = AutoConfig.for_model(kind, **members)
    sizes = {
        **dict.fromkeys(("hidden_size", "dim"), 32),
        **dict.fromkeys(("intermediate_size", "hidden_dim"), 64),
        **dict.fromkeys(("num_hidden_layers", "n_layers", "global_attn_every_n_layers"), 2),
        **dict.fromkeys(("num_attention_heads", "n_heads"), 2),
        **dict.fromkeys(("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id"), 2),
        **{"embedding_size": 16, "vocab_size": 400, "max_position_embeddings": 140},
        **{"local_attention": 16, "pad_token_id": 1, "initializer_range": 0.2},
    }
    for name, value in sizes.items():
        if getattr(config, name, None) is not None:
            setattr(config, name, value)
    return config


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_every_family_computes_what_transformers_does(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = tiny_config(kind, num_labels=1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    model = load_pair_model(tmp_path)
    original = AutoModelForSequenceClassification.from_pretrained(
        tmp_path, attn_implementation="eager"
    ).eval()
    convert_pair_model(model, tmp_path / "pairs.onnx")
    raw = (tmp_path / "pairs.onnx").read_bytes()
    check_model(raw)
    check_cost(raw, _feed(PairScorerSpec("m", "t", 128, 32, 0, "x", "y", 21)))
    session = Session(raw)
    lengths = [41, 3, 5, 17, 40, 22, 9]
    rng = torch.Generator().manual_seed(1)
    for count, padding in ((1, 0), (1, 7), (3, 0), (7, 13)):
        shape = (count, max(lengths[:count]) + padding)
        places = torch.arange(shape[1]) < torch.tensor(lengths[:count])[:, None]
        ids = torch.where(places, torch.randint(3, 400, shape, generator=rng), config.pad_token_id)
        types = (places & (torch.arange(shape[1]) >= 2)).long()
        given = {"input_ids": ids, "attention_mask": places.long(), "token_type_ids": types}
        given = {name: given[name] for name in model.inputs}
        assert set(session.inputs) == set(given)
        scores = session.run({name: value.numpy() for name, value in given.items()})[0]
        assert scores.shape == (count, 1)
        with torch.inference_mode():
            for row, length in enumerate(lengths[:count]):
                one = {name: value[row : row + 1, :length] for name, value in given.items()}
                wanted = original(**one).logits.numpy()
                assert np.abs(scores[row] - wanted[0]).max() <= 1e-4
                alone = session.run({name: value.numpy() for name, value in one.items()})[0]
                assert np.abs(scores[row] - alone[0]).max() <= 1e-5


def test_two_labels_are_the_log_odds_of_one(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "model", labels=2)
    members = json.loads((folder / "config.json").read_text())
    members["id2label"] = {"0": "fits", "1": "does not"}
    members["label2id"] = {"fits": 0, "does not": 1}
    (folder / "config.json").write_text(json.dumps(members))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    logits = (
        AutoModelForSequenceClassification.from_pretrained(folder)
        .eval()(**tokenizer("garden", "rose hedge", return_tensors="pt"))
        .logits[0]
        .tolist()
    )
    for label, wanted in (("", logits[1] - logits[0]), ("fits", logits[0] - logits[1])):
        made = make_pack(
            tmp_path / f"pack-{label}", folder, pair=f"quantisation = 'none'\nlabel = '{label}'"
        )
        score = PairScorer(Pack.open(made)).score(["rose hedge"], (), query="garden")[0]
        assert score == pytest.approx(wanted, abs=1e-4)
    with pytest.raises(UnsupportedModel, match="expected one of fits, does not, got 'other'"):
        load_pair_model(folder, label="other")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"model_type": "deberta-v2"}, "one of bert, .*got 'deberta-v2'; a family is added in"),
        ({"model_type": "t5"}, "got 't5'"),
        ({"architectures": ["BertModel"]}, "a BertForSequenceClassification, got BertModel"),
        ({"architectures": ["RobertaForSequenceClassification"]}, "expected a class of"),
        ({"auto_map": {"AutoModel": "modeling.Own"}}, "code of a model's own is never run"),
        ({"num_labels": 3}, "one label or two, got 3: 'LABEL_0', 'LABEL_1', 'LABEL_2'"),
        ({"num_labels": 2, "problem_type": "multi_label_classification"}, "problem_type"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
        ({"is_decoder": True}, "is_decoder"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.ReLU"}}, "got 'torch.nn.ReLU'"),
        ({"sbert_ce_default_activation_function": "own.Activation"}, "got 'own.Activation'"),
    ],
)
def test_classifiers_that_would_not_score_as_the_original_does(
    members: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    good = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**good, "num_labels": 1}))
    assert check_pair_model(tmp_path).model_type == "bert"
    path.write_text(json.dumps({**good, "num_labels": 1, **members}))
    with pytest.raises(UnsupportedModel, match=reason):
        check_pair_model(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("modules.json", [{"path": "1", "type": "x.LogitScore"}], "got 'LogitScore'"),
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
            "no prompt",
        ),
        ("config_sentence_transformers.json", {"activation_fn": "torch.nn.Tanh"}, "Tanh"),
        ("config_sentence_transformers.json", [], "expected a JSON object"),
        ("config.json", [], "expected a JSON object"),
    ],
)
def test_files_beside_the_configuration(
    file: str, content: Any, reason: str, tmp_path: Path
) -> None:
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_labels": 1}))
    assert is_pair_model(tmp_path)
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(UnsupportedModel, match=reason):
        check_pair_model(tmp_path)


def test_a_checkpoint_without_the_classifier_is_refused(trained: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: one for name, one in weights.items() if not name.startswith("classifier")}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UnsupportedModel, match=r"weights: expected classifier\.bias, found none"):
        load_pair_model(tmp_path)


def test_a_tokeniser_without_a_template_of_pairs_is_refused(trained: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    assert load_pair_tokenizer(tmp_path).is_fast
    members = json.loads((tmp_path / "tokenizer.json").read_text())
    members["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(members))
    told = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({**told, "tokenizer_class": "PreTrainedTokenizerFast"})
    )
    with pytest.raises(UnsupportedModel, match="template of pairs"):
        load_pair_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ("max_tokens = 97\nitem_tokens = 48", "reads at most 96, got 97"),
        ("max_tokens = 48\nitem_tokens = 48", "below max_tokens"),
        ("heading = ''", "expected a text"),
        ("quantisation = 'none'\nfine = 'x'", "only with quantisation"),
        ("max_token = 3", "not a known key"),
    ],
)
def test_recipes_that_do_not_fit(pair: str, reason: str, trained: Path, tmp_path: Path) -> None:
    path = write_recipe(trained, tmp_path / "recipe.toml")
    text = path.read_text().replace("max_tokens = 96\nitem_tokens = 48\n", f"{pair}\n")
    path.write_text(text)
    with pytest.raises(RecipeError, match=reason):
        build(read_recipe(path), tmp_path / "pack")


def test_every_weight_that_a_token_meets_is_counted() -> None:
    config = tiny_config("bert", num_labels=1)
    model = AutoModelForSequenceClassification.from_config(config)
    layer = 4 * 32 * 32 + 2 * 32 * 64
    pooler = 32 * 32
    assert PairModel(model, label=0, token_types=True).weights_a_token == 2 * layer + pooler


@pytest.mark.parametrize(("told", "longest"), [(48, 48), (10**30, 96), (None, 96), (512, 96)])
def test_the_longest_pair_is_read_off_the_files(
    told: int | None, longest: int, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((trained / "config.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": told}))
    assert longest_pair(tmp_path) == longest

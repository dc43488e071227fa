"""Every family of text encoders computes what transformers does, and makes a pack that ranks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModel

from edge_rerank import Item, Reranker
from edge_rerank.inference.encoders.text import _feed
from edge_rerank.inference.session import Session
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import check_cost
from edge_rerank.packs.specs import EncoderSpec
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.encoder_description import describe_encoder
from edge_rerank_export.models.encoder_families import ACTIVATIONS, FAMILIES
from edge_rerank_export.models.text_encoder import convert, load_encoder
from edge_rerank_export.packing.build import build
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.verify.texts import RankingCase, Texts, own_texts
from tests.export.encoders import HIDDEN, POSITIONS, VOCABULARY, recipe_file, save_encoder

SHAPES = ((1, 3), (1, POSITIONS), (2, 9), (5, 33), (7, 17))

FEW = Texts(
    own_texts().texts[:30],
    tuple(RankingCase((place, place + 1), tuple(range(10, 30))) for place in range(9)),
)

RANDOM = "min_tau = 0.5\nmin_cosine = 0.9\nmax_difference = 0.2"
"""Bounds that random weights can meet; the bound of batches stays."""


SAME_AS_ROBERTA = {"xlm-roberta", "camembert"}
"""Their graphs are RoBERTa's."""


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp(request.param), request.param)


def rows(shape: tuple[int, int], pad: int, *, padded: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Random tokens, and the mask of those that are no padding."""
    rng = torch.Generator().manual_seed(shape[0] * 100 + shape[1])
    ids = torch.randint(5, VOCABULARY, shape, generator=rng)
    mask = torch.ones_like(ids)
    if padded:
        for row, length in enumerate(torch.randint(1, shape[1], shape[:1], generator=rng)):
            ids[row, length:], mask[row, length:] = pad, 0
    return ids, mask


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / lengths


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_float32_is_what_transformers_computes(model: Path, tmp_path: Path) -> None:
    convert(load_encoder(model), tmp_path / "f.onnx")
    session = Session((tmp_path / "f.onnx").read_bytes())
    original = AutoModel.from_pretrained(model).eval()  # with its own choice of attention
    pad = describe_encoder(model).pad_id
    for shape in SHAPES:
        for padded in (False, True):
            ids, mask = rows(shape, pad, padded=padded)
            with torch.inference_mode():
                states = original(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
            means = [
                one[: int(kept.sum())].mean(axis=0) for one, kept in zip(states, mask, strict=True)
            ]
            feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
            assert np.abs(session.run(feed)[0] - unit(np.stack(means))).max() <= 1e-4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in SAME_AS_ROBERTA])
def test_a_pack_opens_and_ranks_and_no_product_is_left_in_float(kind: str, tmp_path: Path) -> None:
    model = save_encoder(tmp_path / "model", kind)
    recipe = read_recipe(recipe_file(model, tmp_path / "r.toml", bounds=RANDOM))
    verification = build(recipe, tmp_path / "pack", texts=FEW)
    figures = {figure.name: figure.value for figure in verification.figures}
    assert figures["batch_effect"] <= 1e-5
    assert figures["kendall_tau"] >= 0.8, figures
    with Reranker.open(tmp_path / "pack") as reranker:
        items = [Item("1", "Cast iron skillet"), Item("2", "steel knife")]
        assert reranker.rank(items, query="Cast iron")[0].item.id == "1"
    graph = onnx.load(str(tmp_path / "pack" / "encoder.onnx")).graph
    kinds = [node.op_type for node in graph.node]
    config = describe_encoder(model).config
    count = {"modernbert": 4 * 4, "electra": 6 * 2 + 1}.get(config.model_type, 6 * 2)
    assert kinds.count("MatMulIntegerToFloat") == count
    assert "GatherElements" not in kinds  # nothing that the mean does not need


def test_texts_are_no_longer_than_the_positions(model: Path, tmp_path: Path) -> None:
    described = describe_encoder(model)
    assert described.positions == described.max_tokens == POSITIONS
    text = recipe_file(model, tmp_path / "r.toml").read_text()
    (tmp_path / "r.toml").write_text(
        text.replace("max_tokens = 32", f"max_tokens = {POSITIONS + 1}")
    )
    with pytest.raises(UnsupportedModel, match=f"max_tokens: expected at most {POSITIONS}"):
        build(read_recipe(tmp_path / "r.toml"), tmp_path / "pack")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"gelu", "swish"}))
def test_other_activations_are_computed_in_graphs_that_a_pack_may_hold(
    activation: str, tmp_path: Path
) -> None:
    save_encoder(tmp_path, "distilbert")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"activation": activation}))
    convert(load_encoder(tmp_path), tmp_path / "f.onnx")
    raw = (tmp_path / "f.onnx").read_bytes()
    check_model(raw)
    check_cost(raw, _feed(EncoderSpec("m", "t", HIDDEN, POSITIONS, 0, 21)))
    ids, mask = rows((3, 9), 0, padded=False)
    with torch.inference_mode():
        original = AutoModel.from_pretrained(tmp_path).eval()
        states = original(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    got = Session(raw).run({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    assert np.abs(got - unit(states.mean(axis=1))).max() <= 1e-4

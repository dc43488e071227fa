"""The toolchain's steps one by one, for both kinds of model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_rerank.packs.pack import Pack
from edge_rerank_export.cli import main
from edge_rerank_export.files import data_file
from edge_rerank_export.models.adapter import HEAD
from edge_rerank_export.sources.weights import file_sha256
from tests.inference.tiny import tiny_llama, tokenizer

from .conftest import write_tiny_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder_recipe(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text encoder."""
    return write_tiny_recipe(tiny_bert, tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def scorer_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorer whose weights lie beside it, as those of more than 2 GiB do."""
    import torch
    from transformers import PreTrainedTokenizerFast

    work = tmp_path_factory.mktemp("scorer")
    folder = work / "tiny-llama"
    torch.manual_seed(0)
    tiny_llama().save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), bos_token="<s>").save_pretrained(folder)
    path = work / "scorer.toml"
    path.write_text(
        "kind = 'scorer'\n"
        "name = 'tiny-scorer'\nrelease = 1\nlicence = 'Apache-2.0'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{folder}')}\n"
        f"sha256 = '{file_sha256(folder / 'model.safetensors')}'\n"
        "[scorer]\nheading = 'Liked:'\nstart = '<s>'\nline_tokens = 12\nhistory_tokens = 60\n"
        "vocabulary = 100\nfine = '/down/'\nexternal_data = true\n[bounds]\nmin_tau = 0.8\n"
    )
    return path


@pytest.fixture(scope="module")
def bert_recipe(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorer of the BERT kind, with a random head in place of a trained one."""
    import torch
    from safetensors.torch import load_file, save_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    work = tmp_path_factory.mktemp("bert")
    folder, weights = work / "bert-scorer", work / "bert-scorer" / "model.safetensors"
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(
        tiny_bert, max_position_embeddings=256, initializer_range=0.3
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    save_file(load_file(weights) | {HEAD: torch.randn(1, 32)}, weights, metadata={"format": "pt"})
    backend = Tokenizer.from_file(str(tiny_bert / "tokenizer.json"))
    PreTrainedTokenizerFast(tokenizer_object=backend).save_pretrained(folder)
    path = work / "bert-scorer.toml"
    path.write_text(
        "kind = 'scorer'\n"
        "name = 'bert-scorer'\nrelease = 1\nlicence = 'Apache-2.0'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{folder}')}\nsha256 = '{file_sha256(weights)}'\n"
        "[scorer]\nheading = 'cast iron'\nstart = '[CLS]'\nseparator = '[SEP]'\n"
        "line_tokens = 8\nhistory_tokens = 40\n[bounds]\nmin_tau = 0.8\n"
    )
    return path


@pytest.fixture(params=["encoder_recipe", "scorer_recipe", "bert_recipe"])
def recipe(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def convert(recipe: Path) -> Path:
    """The float32 ONNX of a recipe's model, made once and kept beside it."""
    model = recipe.with_suffix(".onnx")
    if not model.exists():
        assert main(["convert", str(recipe), "--out", str(model)]) == 0
    return model


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def size(model: Path) -> int:
    """Bytes of an ONNX file, and of what lies beside it."""
    beside = data_file(model)
    return model.stat().st_size + (beside.stat().st_size if beside.exists() else 0)


def test_one_by_one_they_give_what_build_gives(recipe: Path, tmp_path: Path) -> None:
    converted, quantised = convert(recipe), tmp_path / "int8.onnx"
    assert main(["quantize", str(converted), "--recipe", str(recipe), "--out", str(quantised)]) == 0
    assert size(quantised) < size(converted)
    assert main(["pack", str(quantised), str(recipe), "--out", str(tmp_path / "steps")]) == 0
    assert main(["build", str(recipe), "--out", str(tmp_path / "build")]) == 0
    assert content(tmp_path / "steps") == content(tmp_path / "build")
    assert main(["verify", str(tmp_path / "steps"), str(recipe)]) == 0
    outside = Pack.open(tmp_path / "build").manifest.external_data
    assert outside == ({"scorer.onnx": "scorer.onnx.data"} if recipe.name == "scorer.toml" else {})


def test_a_pack_says_how_its_model_is_quantised(recipe: Path, tmp_path: Path) -> None:
    converted, out = convert(recipe), tmp_path / "pack"
    assert main(["pack", str(converted), str(recipe), "--out", str(out)]) == 0
    manifest = Pack.open(out).manifest
    spec = manifest.encoder or manifest.scorer
    assert spec is not None
    assert spec.quantisation == "none"
    card = (out / "MODEL_CARD.md").read_text()
    assert "quantised (none)" in card
    assert "weights rounded" not in card


def test_a_model_of_the_other_kind_is_refused(
    encoder_recipe: Path,
    tiny_bert: Path,
    scorer_recipe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    encoder, scorer = convert(encoder_recipe), convert(scorer_recipe)
    out = str(tmp_path / "out")
    for command, reason in (
        (["quantize", str(encoder), "--recipe", str(scorer_recipe)], "float32 ONNX of a scorer"),
        (["quantize", str(scorer), "--recipe", str(encoder_recipe)], "only with a text encoder"),
        (
            ["quantize", str(scorer), "--tokenizer", str(tiny_bert / "tokenizer.json")],
            "only with a text encoder",
        ),
        (["pack", str(encoder), str(scorer_recipe)], "expected a model with the inputs"),
        (["pack", str(scorer), str(encoder_recipe)], ""),
    ):
        assert main([*command, "--out", out]) == 2
        assert reason in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_quantize_takes_a_recipe_or_a_scheme(
    scorer_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = convert(scorer_recipe), tmp_path / "out.onnx"
    command = ["quantize", str(model), "--out", str(out)]
    assert main([*command, "--recipe", str(scorer_recipe), "--scheme", "int8"]) == 2
    assert "got both" in capsys.readouterr().err
    assert main([*command, "--scheme", "int4"]) == 0
    assert out.is_file()

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edge_rerank.packs.pack import Pack
    from edge_rerank_export.verify.figures import Verification
    from edge_rerank_export.verify.texts import Texts

try:
    import edge_rerank_export.packing.build  # noqa: F401
except ModuleNotFoundError as error:
    collect_ignore_glob = ["test_*.py"]
    MISSING = error.name
else:
    MISSING = None

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

Folder = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights and a word-level tokeniser, on disk."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel

    from edge_rerank_export.verify.texts import own_texts

    folder = tmp_path_factory.mktemp("tiny-bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=2100,  # large enough for the embedding to be quantised
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    split = Whitespace()
    words = {word for text in own_texts().texts for word, _ in split.pre_tokenize_str(text)}
    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *sorted(words)])}
    assert len(vocabulary) <= config.vocab_size
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def tiny_recipe(tiny_bert: Path, tmp_path: Path) -> Path:
    """A recipe for the tiny model, with bounds that random weights can meet."""
    return write_tiny_recipe(tiny_bert, tmp_path)


@pytest.fixture(scope="session")
def tiny_pack(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's pack, a base that opens in 18 ms; the shipped one takes 127."""
    from edge_rerank_export.packing.build import build
    from edge_rerank_export.recipes.read import read_recipe

    folder = tmp_path_factory.mktemp("tiny-pack")
    build(read_recipe(write_tiny_recipe(tiny_bert, folder)), folder / "pack")
    return folder / "pack"


def write_tiny_recipe(tiny_bert: Path, folder: Path) -> Path:
    """See :func:`tiny_recipe`."""
    from edge_rerank_export.sources.weights import file_sha256

    recipe = folder / "tiny.toml"
    recipe.write_text(
        "kind = 'encoder'\n"
        "name = 'tiny'\nrelease = 1\nlicence = 'Apache-2.0'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{tiny_bert}')}\n"
        f"sha256 = '{file_sha256(tiny_bert / 'model.safetensors')}'\n"
        "[encoder]\nmax_tokens = 32\nquantisation = 'int8'\n"
        "[bounds]\nmin_tau = 0.5\nmin_cosine = 0.9\nmax_difference = 0.2\n"
    )
    return recipe


@pytest.fixture(scope="session", autouse=True)
def few_lists() -> Iterator[None]:
    """Tiny models are verified, and searched, on few lists: a third of what real ones take."""
    if MISSING is not None:
        yield
        return
    from edge_rerank_export.packing.language import LanguageBuilder
    from edge_rerank_export.packing.pairs import PairBuilder
    from edge_rerank_export.packing.scorer import ScorerBuilder
    from edge_rerank_export.verify.texts import own_texts

    verify, own = ScorerBuilder.verify, own_texts().source

    def verified(builder: ScorerBuilder, pack: Pack, texts: Texts, **steps: Any) -> Verification:
        """On as few of its own lists as when the pack is built, where ``verify`` is run."""
        few = texts.cases[: builder.build_cases] if texts.source == own else texts.cases
        return verify(builder, pack, replace(texts, cases=few), **steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LanguageBuilder, "search_lists", 5)
        patch.setattr(ScorerBuilder, "build_cases", 13)
        patch.setattr(ScorerBuilder, "verify", verified)
        patch.setattr(PairBuilder, "build_cases", 8)
        yield


@pytest.fixture(scope="session", autouse=True)
def drawn_once() -> Iterator[None]:
    """Pictures and sounds to verify with are made once: else four seconds of five of a tiny pack.

    They are the same each time, which has tests of its own.
    """
    if MISSING is not None:
        yield
        return
    from edge_rerank_export.packing import audio, dual, image

    with pytest.MonkeyPatch.context() as patch:
        for module, name in [
            (image, "check_pictures"),
            (image, "calibration_pictures"),
            (dual, "calibration_pictures"),
            (audio, "check_sounds"),
            (audio, "calibration_sounds"),
        ]:
            patch.setattr(module, name, cache(getattr(module, name)))
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder: ``folder(items=[...], test=[...])``; strings are lines as they are."""

    def make(**files: list[Any]) -> Path:
        made = tmp_path / "data"
        made.mkdir(exist_ok=True)
        for name, records in files.items():
            text = [one if isinstance(one, str) else json.dumps(one) for one in records]
            (made / f"{name}.jsonl").write_text("\n".join(text) + "\n", encoding="latin-1")
        return made

    return make

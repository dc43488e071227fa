"""Small text encoders with random weights, as people keep them on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from edge_rerank_export.verify.texts import own_texts

HIDDEN, VOCABULARY, POSITIONS = 32, 2100, 64
"""A vocabulary large enough for its table to be quantised."""

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
_BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def configuration(kind: str) -> Any:
    """A configuration of transformers by its model type."""
    after_padding = {**_SIZES, "max_position_embeddings": POSITIONS + 2, "pad_token_id": 1}
    before = {**_SIZES, "max_position_embeddings": POSITIONS, "pad_token_id": 0}
    if kind == "bert":
        return transformers.BertConfig(**before)
    if kind == "electra":
        return transformers.ElectraConfig(**before, embedding_size=16)
    if kind == "distilbert":
        return transformers.DistilBertConfig(
            vocab_size=VOCABULARY,
            dim=HIDDEN,
            n_layers=2,
            n_heads=2,
            hidden_dim=64,
            max_position_embeddings=POSITIONS,
            sinusoidal_pos_embds=True,
        )
    if kind == "modernbert":
        return transformers.ModernBertConfig(
            **{**before, "num_hidden_layers": 4},
            local_attention=8,
            global_attn_every_n_layers=3,
            cls_token_id=2,
            sep_token_id=3,
            bos_token_id=2,
            eos_token_id=3,
        )
    classes = {
        "roberta": transformers.RobertaConfig,
        "xlm-roberta": transformers.XLMRobertaConfig,
        "camembert": transformers.CamembertConfig,
        "mpnet": transformers.MPNetConfig,
    }
    return classes[kind](**after_padding)


def save_encoder(folder: Path, kind: str, *, seed: int = 0, more: Sequence[str] = ()) -> Path:
    """Write a model of type ``kind`` with a tokeniser by words, without sentence-transformers.

    It knows the words of the toolchain's texts, and those of ``more``.
    """
    torch.manual_seed(seed)
    config = configuration(kind)
    config.vocab_size += sum(len(text.split()) for text in more)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    special = _BERT_TOKENS if configuration(kind).pad_token_id == 0 else _ROBERTA_TOKENS
    first, last, unknown = (2, 3, 1) if special is _BERT_TOKENS else (0, 2, 3)
    split = Whitespace()
    words = {
        word for text in (*own_texts().texts, *more) for word, _ in split.pre_tokenize_str(text)
    }
    vocabulary = {word: place for place, word in enumerate([*special, *sorted(words)])}
    assert len(vocabulary) <= config.vocab_size
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=special[unknown]))
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = TemplateProcessing(
        single=f"{special[first]} $A {special[last]}",
        special_tokens=[(special[first], first), (special[last], last)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_json(path: Path, content: Any) -> None:
    """Write ``content``, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def save_modules(folder: Path, *after: tuple[str, dict[str, Any]]) -> None:
    """Write modules.json with a Transformer and, in folders of their own, what comes after it."""
    modules = [{"idx": 0, "name": "0", "path": "", "type": _named("Transformer")}]
    for place, (kind, members) in enumerate(after, start=1):
        path = f"{place}_{kind}"
        modules.append({"idx": place, "name": str(place), "path": path, "type": _named(kind)})
        write_json(folder / path / "config.json", members)
    write_json(folder / "modules.json", modules)


def save_dense(folder: Path, place: int, inputs: int, outputs: int) -> dict[str, torch.Tensor]:
    """Write random weights for the Dense that :func:`save_modules` put at ``place``."""
    torch.manual_seed(place)
    weights = {
        "linear.weight": torch.randn(outputs, inputs) * 0.3,
        "linear.bias": torch.randn(outputs) * 0.1,
    }
    save_file(weights, folder / f"{place}_Dense" / "model.safetensors")
    return weights


def recipe_file(model: Path, target: Path, encoder: str = "", bounds: str = "") -> Path:
    """A recipe of the model in ``model``."""
    from edge_rerank_export.sources.fetch import file_sha256

    target.write_text(
        "kind = 'encoder'\n"
        "name = 'tiny'\nrelease = 1\nlicence = 'Apache-2.0'\nsummary = 'Random weights.'\n"
        f"[source]\nuri = {json.dumps(f'path:{model}')}\n"
        f"sha256 = '{file_sha256(model / 'model.safetensors')}'\n"
        f"[encoder]\nmax_tokens = 32\n{encoder}\n[bounds]\n{bounds}\n"
    )
    return target


def _named(kind: str) -> str:
    return f"sentence_transformers.models.{kind}"

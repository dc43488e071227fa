"""Prefixes and lower case in tokenisers of every kind that text encoders have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.text_tokenizer import (
    lower_cased,
    query_prompt,
    read_tokenizer,
    with_prefix,
)
from edge_rerank_export.verify.texts import own_texts


def byte_level() -> Tokenizer:
    """As RoBERTa's and ModernBERT's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(own_texts().texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tokenizer


def word_pieces() -> Tokenizer:
    """As BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    tokenizer.train_from_iterator(own_texts().texts, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return tokenizer


def unigrams() -> Tokenizer:
    """As XLM-RoBERTa's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=600,
        special_tokens=["<s>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(own_texts().texts, trainer)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(),
            processors.TemplateProcessing(
                single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
            ),
        ]
    )
    return tokenizer


@pytest.mark.parametrize("make", [byte_level, word_pieces, unigrams])
@pytest.mark.parametrize("prefix", ["query: ", "Represent this sentence: ", "title:"])
def test_a_prefix_gives_the_tokens_of_the_whole_text(make: Any, prefix: str) -> None:
    tokenizer = make()
    tokenizer.encode_special_tokens = True
    changed = with_prefix(tokenizer, prefix)
    for text in (*own_texts().texts[:40], "ünïcödé", "</s> <s>", "two\nlines"):
        assert changed.encode(text).ids == tokenizer.encode(prefix + text).ids
    changed.enable_truncation(40)
    assert len(changed.encode("long " * 99).ids) == 40


def test_prefixes_that_no_template_holds() -> None:
    with pytest.raises(UnsupportedModel, match="at most 28 tokens"):
        with_prefix(word_pieces(), "a b c " * 12)


@pytest.mark.parametrize("make", [byte_level, word_pieces, unigrams])
@pytest.mark.parametrize("prefix", ["passage: ", ""])
def test_a_query_has_other_tokens_in_one_place(make: Any, prefix: str) -> None:
    plain = make()
    plain.encode_special_tokens = True
    items = with_prefix(plain, prefix) if prefix else plain
    if make is byte_level and not prefix:
        # Without a prefix the first word has no blank before it, behind one it has.
        with pytest.raises(UnsupportedModel, match="leave it out to read queries as items"):
            query_prompt(plain, items, prefix, "search: ")
        return
    found = query_prompt(plain, items, prefix, "search: ")
    for text in own_texts().texts[:40]:
        ids = items.encode(text).ids
        spliced = [*ids[: found.at], *found.ids, *ids[found.at + found.replaces :]]
        assert spliced == plain.encode(f"search: {text}").ids


def test_texts_in_lower_case() -> None:
    tokenizer = byte_level()
    assert lower_cased(tokenizer).encode("Cast IRON").ids == tokenizer.encode("cast iron").ids


def test_no_tokeniser_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=r"tokenizer\.json: expected .*AutoTokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")

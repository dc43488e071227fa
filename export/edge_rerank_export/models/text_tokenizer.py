"""Tokenisers of text encoders: as their files have them, with a prefix before every text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase, Sequence

from edge_rerank.packs.specs import QueryPrompt
from edge_rerank_export.errors import UnsupportedModel

MAX_PREFIX_TOKENS = 28
"""The runtime takes templates of 32 pieces; two are the text and its beginning and end."""

MAX_QUERY_TOKENS = 256
"""The runtime's bound."""

_PROBES = ("word", "Two Words", "Émile, 26 cm", "(a) #1", "高等数学", "12345")
"""Beginnings of texts that tokenisers treat differently."""

_FIRST_WORDS = (
    ('"add_prefix_space": false', '"add_prefix_space": true'),
    ('"add_prefix_space": true', '"add_prefix_space": false'),
    ('"prepend_scheme": "never"', '"prepend_scheme": "always"'),
    ('"prepend_scheme": "first"', '"prepend_scheme": "always"'),
    ('"prepend_scheme": "always"', '"prepend_scheme": "never"'),
)
"""Members of byte-level and of SentencePiece's tokenisers that say how a text begins."""


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokeniser that reads special tokens in a text as text, and does not pad.

    Raises:
        UnsupportedModel: when the file is not a tokeniser, or not there.
    """
    if not path.is_file():
        raise UnsupportedModel(
            f"{path.name}: expected beside the model, found none; to write it: python -c "
            "\"from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('MODEL')"
            ".save_pretrained('MODEL')\""
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise UnsupportedModel(f"{path.name}: not a tokeniser: {type(error).__name__}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def lower_cased(tokenizer: Tokenizer) -> Tokenizer:
    """A tokeniser that puts texts in lower case first."""
    changed = _copy(json.loads(tokenizer.to_str()))
    inner = changed.normalizer
    changed.normalizer = Lowercase() if inner is None else Sequence([Lowercase(), inner])
    return changed


def with_prefix(tokenizer: Tokenizer, prefix: str) -> Tokenizer:
    """A tokeniser that puts ``prefix`` before every text, among its special tokens.

    Whether a text's tokens are the same after a prefix depends on how the tokeniser marks the
    beginnings of words, so each way is tried until some texts come out as the original reads them.

    Raises:
        UnsupportedModel: when there is none, or the prefix is too long.
    """
    for members in _ways(json.loads(tokenizer.to_str())):
        changed = _with_tokens(tokenizer, members, prefix)
        if all(changed.encode(text).ids == tokenizer.encode(prefix + text).ids for text in _PROBES):
            return changed
    raise UnsupportedModel(
        "encoder.prefix: expected a tokeniser that reads a text alike alone and after the prefix"
    )


def query_prompt(plain: Tokenizer, items: Tokenizer, prefix: str, query_prefix: str) -> QueryPrompt:
    """What turns an item's tokens into those of a query.

    Args:
        plain: the original's tokeniser.
        items: the one that :func:`with_prefix` made of it, or the same.
        prefix: of items, may be empty.
        query_prefix: of queries.

    Raises:
        UnsupportedModel: when a query's tokens are not an item's with others in one place.
    """
    template = _template(json.loads(plain.to_str()).get("post_processor"))
    at = next(n for n, piece in enumerate(template["single"]) if "Sequence" in piece)
    replaced = plain.encode(prefix.rstrip(), add_special_tokens=False).ids
    ids = plain.encode(query_prefix.rstrip(), add_special_tokens=False).ids
    if len(ids) > MAX_QUERY_TOKENS:
        raise UnsupportedModel(
            f"encoder.query_prefix: expected at most {MAX_QUERY_TOKENS} tokens, got {len(ids)}"
        )
    for text in _PROBES:
        own = items.encode(text).ids
        if [*own[:at], *ids, *own[at + len(replaced) :]] != plain.encode(query_prefix + text).ids:
            raise UnsupportedModel(
                "encoder.query_prefix: expected a tokeniser that reads a text alike after either "
                "prefix; leave it out to read queries as items"
            )
    return QueryPrompt(at, len(replaced), tuple(ids))


def _with_tokens(tokenizer: Tokenizer, members: dict[str, Any], prefix: str) -> Tokenizer:
    tokens = tokenizer.encode(prefix.rstrip(), add_special_tokens=False)
    if len(tokens.ids) > MAX_PREFIX_TOKENS:
        raise UnsupportedModel(
            f"encoder.prefix: expected at most {MAX_PREFIX_TOKENS} tokens, got {len(tokens.ids)}"
        )
    template = _template(members.get("post_processor"))
    single = template["single"]
    place = next(n for n, piece in enumerate(single) if "Sequence" in piece)
    single[place:place] = [{"SpecialToken": {"id": one, "type_id": 0}} for one in tokens.tokens]
    for number, token in zip(tokens.ids, tokens.tokens, strict=True):
        template["special_tokens"][token] = {"id": token, "ids": [number], "tokens": [token]}
    return _copy(members | {"post_processor": template})


def _ways(members: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tokeniser as it is, and so that a text's first word is marked like any other, or none."""
    yield members
    text = json.dumps(members)
    for old, new in _FIRST_WORDS:
        yield json.loads(text.replace(old, new))


def _template(processor: Any) -> dict[str, Any]:
    """What puts special tokens around a text, as a template."""
    for part in processor.get("processors", [processor]) if processor else ():
        kind = part.get("type")
        if kind == "TemplateProcessing":
            copied: dict[str, Any] = json.loads(json.dumps(part))
            return copied
        if kind in {"RobertaProcessing", "BertProcessing"}:
            ends = {name: part[name] for name in ("cls", "sep")}
            first, last = ({"SpecialToken": {"id": one[0], "type_id": 0}} for one in ends.values())
            texts = [{"Sequence": {"id": name, "type_id": 0}} for name in ("A", "B")]
            return {
                "type": "TemplateProcessing",
                "single": [first, texts[0], last],
                "pair": [first, texts[0], last, texts[1], last],
                "special_tokens": {
                    token: {"id": token, "ids": [number], "tokens": [token]}
                    for token, number in ends.values()
                },
            }
    texts = [{"Sequence": {"id": name, "type_id": 0}} for name in ("A", "B")]
    return {
        "type": "TemplateProcessing",
        "single": texts[:1],
        "pair": texts,
        "special_tokens": {},
    }


def _copy(members: dict[str, Any]) -> Tokenizer:
    tokenizer = Tokenizer.from_str(json.dumps(members, ensure_ascii=False))
    tokenizer.encode_special_tokens = True
    return tokenizer

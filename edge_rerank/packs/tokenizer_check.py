"""Tokeniser checks: what a file may contain before the tokenizers library sees it.

The library's format can hold regular expressions of any cost, replacements that blow a text
up, and padding of any length. Allowed are the components and patterns that published text
models use, within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from itertools import islice
from typing import Any

from edge_rerank.packs.json_objects import parse_json
from edge_rerank.packs.tokenizer_growth import growth

MAX_TOKENIZER_BYTES = 64 << 20
MAX_VOCABULARY = 1_000_000
MAX_TOKEN_ID = 1 << 21
MAX_TOKEN_CHARS = 512
MAX_ADDED_TOKENS = 10_000
MAX_INPUT_TOKENS = 32_768
MAX_COMPONENTS = 32
MAX_INSERTED_CHARS = 16
MAX_CHARSMAP_CHARS = 4 << 20
MAX_WORD_CHARS = 1_000
MAX_TEMPLATE_IDS = 64
MAX_DECODED_GROWTH = 64

CHARS_A_TOKEN = 16
"""Text beyond this many characters a token is cut before it is tokenised: one of 10 MB must not
cost 10 MB of work."""

MAX_SIGNS = 500_000
"""Characters that a text of full length may become: about 400 bytes and 4 µs each, where every
one is a piece of its own. A text of 512 tokens may grow by 61 times, more than any normal form."""

MAX_WORD_WORK = 20_000_000
"""Characters of a text times those of a word: each part of a word may be looked up. One of 8,192
characters in words of 1,000 takes 0.9 s, in words of 100 (BERT) 0.07 s."""

MAX_ADDED_SIGNS = 2_000_000
"""Characters of all added tokens together, as normalised: 900,000 took 0.9 s and 60 MiB."""

_WORD_CHARS = 100
"""Where a WordPiece model does not say how long its words may be."""

_MODELS = {"WordPiece", "BPE", "Unigram", "WordLevel"}
_COMPONENTS = {
    "normalizer": {
        *("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt"),
        *("Precompiled", "Prepend", "Replace", "Sequence", "Strip", "StripAccents"),
    },
    "pre_tokenizer": {
        *("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace"),
        *("Punctuation", "Sequence", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
    },
    "post_processor": {
        *("BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"),
    },
    "decoder": {
        *("BPEDecoder", "ByteFallback", "ByteLevel", "CTC", "Fuse", "Metaspace", "Replace"),
        *("Sequence", "Strip", "WordPiece"),
    },
}
_PARTS_OF_SEQUENCES = ("normalizers", "pretokenizers", "processors", "decoders")
_PATTERNS = {
    r"\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r" {2,}",
    r"\d{1,3}(?=(?:\d{3})*\b)",
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    *(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
        + digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        for digits in (r"\p{N}", r"\p{N}{1,3}")
    ),
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
}
"""Regular expressions of CLIP, GPT-2, Llama 3, Qwen 2 and SmolLM; each is linear but for blanks."""

_SIGNS = re.compile(r"""\[(?:[!"#$%&'()*+,./:;<=>?@_`{|}~]|\\[!-/:-@\[-`{-~]){1,64}\]""", re.ASCII)
"""One sign of those in a list, each of which is itself or has a backslash before it: punctuation,
which the first SigLIP's tokeniser takes out."""


class Unsafe(Exception):  # noqa: N818 - private; the pack turns it into a typed error
    """The file is not a tokeniser, or has something in it that is not allowed."""


def check_tokenizer(raw: bytes, *, chars: int = 0) -> None:
    """Check the bytes of a ``tokenizer.json``.

    Args:
        raw: the file.
        chars: of the longest text that it will be given.

    Raises:
        Unsafe: with a reason that repeats nothing of the file.
    """
    if len(raw) > MAX_TOKENIZER_BYTES:
        raise Unsafe(f"more than {MAX_TOKENIZER_BYTES} bytes")
    try:
        members = parse_json(raw)
    except (ValueError, RecursionError):
        raise Unsafe("not JSON, or a name twice") from None
    if not isinstance(members, dict):
        raise Unsafe("not a JSON object")
    _check_model(members.get("model"))
    _check_added(members.get("added_tokens") or [])
    _check_lengths(members)
    grows = {place: _growth(place, members.get(place)) for place in _COMPONENTS}
    if chars * grows["normalizer"] * grows["pre_tokenizer"] > MAX_SIGNS:
        raise Unsafe("components that together blow a text up")
    if members["model"].get("type") == "WordPiece":
        longest = members["model"].get("max_input_chars_per_word") or _WORD_CHARS
        if chars * longest > MAX_WORD_WORK:
            raise Unsafe("words that take too long to look up")
    if grows["decoder"] > MAX_DECODED_GROWTH:
        raise Unsafe("a decoder that blows tokens up")
    added = sum(len(token["content"]) for token in members.get("added_tokens") or [])
    if added * grows["normalizer"] > MAX_ADDED_SIGNS:
        raise Unsafe("added_tokens: more characters than a tokeniser needs")


def _growth(place: str, component: object) -> int:
    """How many characters a place's components, each checked, make of one."""
    components = list(islice(_walk(component, _COMPONENTS[place]), MAX_COMPONENTS + 1))
    if len(components) > MAX_COMPONENTS:
        raise Unsafe(f"{place}: more than {MAX_COMPONENTS} components")
    if sum(map(_template_ids, components)) > MAX_TEMPLATE_IDS:
        raise Unsafe(f"{place}: more than {MAX_TEMPLATE_IDS} special tokens")
    try:
        return growth(components)
    except ValueError:
        raise Unsafe("a character map that is none") from None


def _check_model(model: object) -> None:
    if not isinstance(model, dict) or model.get("type", "BPE") not in _MODELS:
        raise Unsafe("model: a kind that is not allowed")
    if model.get("dropout"):
        raise Unsafe("model: dropout makes equal texts differ")
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, dict):
        tokens, ids = list(vocabulary), list(vocabulary.values())
    elif isinstance(vocabulary, list) and all(isinstance(e, list) and e for e in vocabulary):
        tokens, ids = [entry[0] for entry in vocabulary], list(range(len(vocabulary)))
    else:
        raise Unsafe("model: no vocabulary")
    if not 0 < len(tokens) <= MAX_VOCABULARY or len(model.get("merges") or ()) > MAX_VOCABULARY:
        raise Unsafe(f"model: more than {MAX_VOCABULARY} tokens or merges, or none")
    if not all(isinstance(token, str) and len(token) <= MAX_TOKEN_CHARS for token in tokens):
        raise Unsafe(f"model: a token of more than {MAX_TOKEN_CHARS} characters")
    if not all(type(number) is int and 0 <= number < MAX_TOKEN_ID for number in ids):
        raise Unsafe("model: a token id out of range")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if len(str(model.get(name) or "")) > MAX_INSERTED_CHARS:
            raise Unsafe(f"model: {name} of more than {MAX_INSERTED_CHARS} characters")
    _bounded(model, "max_input_chars_per_word", MAX_WORD_CHARS)


def _check_added(tokens: object) -> None:
    if not isinstance(tokens, list) or len(tokens) > MAX_ADDED_TOKENS:
        raise Unsafe(f"added_tokens: more than {MAX_ADDED_TOKENS}")
    for token in tokens:
        if not isinstance(token, dict):
            raise Unsafe("added_tokens: not objects")
        content = token.get("content")
        if not isinstance(content, str) or not 0 < len(content) <= MAX_TOKEN_CHARS:
            raise Unsafe(f"added_tokens: expected 1 to {MAX_TOKEN_CHARS} characters")
        _bounded(token, "id", MAX_TOKEN_ID - 1)


def _check_lengths(members: Mapping[str, Any]) -> None:
    truncation, padding = members.get("truncation") or {}, members.get("padding") or {}
    if not isinstance(truncation, dict) or not isinstance(padding, dict):
        raise Unsafe("truncation or padding: not an object")
    _bounded(truncation, "max_length", MAX_INPUT_TOKENS)
    _bounded(truncation, "stride", MAX_INPUT_TOKENS)
    _bounded(padding, "pad_to_multiple_of", MAX_INPUT_TOKENS)
    if isinstance(padding.get("strategy"), dict):
        _bounded(padding["strategy"], "Fixed", MAX_INPUT_TOKENS)


def _walk(component: object, allowed: Container[object]) -> Iterable[Mapping[str, Any]]:
    """A component and all inside it, each checked."""
    if component is None:
        return
    if not isinstance(component, dict) or str(component.get("type")) not in allowed:
        raise Unsafe("a component that is not allowed")
    _check_component(component)
    yield component
    for name in _PARTS_OF_SEQUENCES:
        parts = component.get(name)
        if parts is not None:
            if not isinstance(parts, list) or len(parts) > MAX_COMPONENTS:
                raise Unsafe(f"more than {MAX_COMPONENTS} components")
            for part in parts:
                yield from _walk(part, allowed)


def _check_component(component: Mapping[str, Any]) -> None:
    pattern = component.get("pattern")
    if pattern is not None:
        if not isinstance(pattern, dict) or len(pattern) != 1:
            raise Unsafe("a pattern that is not allowed")
        kind, text = next(iter(pattern.items()))
        plain = kind == "String" and isinstance(text, str) and 0 < len(text) <= MAX_TOKEN_CHARS
        if not plain and not (kind == "Regex" and _is_linear(text)):
            raise Unsafe("a pattern that is not known to be safe")
    for name in ("content", "prepend", "replacement"):
        if len(str(component.get(name) or "")) > MAX_INSERTED_CHARS:
            raise Unsafe(f"a component that inserts more than {MAX_INSERTED_CHARS} characters")
    if len(str(component.get("precompiled_charsmap") or "")) > MAX_CHARSMAP_CHARS:
        raise Unsafe("a character map that is too large")
    for name, sequences in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = component.get(name)
        if component.get("type") == "TemplateProcessing" and _sequences(pieces) != sequences:
            raise Unsafe("a template without each text once")
    _check_template_tokens(component.get("special_tokens"))


def _is_linear(pattern: object) -> bool:
    """Whether a regular expression is one that is known to take time by the length of a text."""
    return isinstance(pattern, str) and (
        pattern in _PATTERNS or _SIGNS.fullmatch(pattern) is not None
    )


def _sequences(pieces: object) -> list[str]:
    """Which texts a template takes, in the order of their names."""
    if not isinstance(pieces, list) or len(pieces) > MAX_COMPONENTS:
        raise Unsafe(f"a template of more than {MAX_COMPONENTS} pieces")
    texts = [
        piece["Sequence"] for piece in pieces if isinstance(piece, dict) and "Sequence" in piece
    ]
    return sorted(str(text.get("id")) if isinstance(text, dict) else "" for text in texts)


def _template_ids(component: Mapping[str, Any]) -> int:
    """Token ids that a template adds, at most."""
    tokens = component.get("special_tokens")
    if not isinstance(tokens, dict):
        return 0
    most = max((len(token["ids"]) for token in tokens.values()), default=0)
    return most * max(len(component.get(name) or ()) for name in ("single", "pair"))


def _check_template_tokens(tokens: object) -> None:
    if not isinstance(tokens, dict):
        return
    if len(tokens) > MAX_COMPONENTS:
        raise Unsafe(f"a template of more than {MAX_COMPONENTS} tokens")
    for token in tokens.values():
        ids = token.get("ids") if isinstance(token, dict) else None
        if not isinstance(ids, list) or len(ids) > MAX_COMPONENTS:
            raise Unsafe("a template token of too many ids")
        if not all(type(number) is int and 0 <= number < MAX_TOKEN_ID for number in ids):
            raise Unsafe("a template token id out of range")


def _bounded(members: Mapping[str, Any], name: str, high: int) -> None:
    value = members.get(name)
    if value is not None and (type(value) is not int or not 0 <= value <= high):
        raise Unsafe(f"{name}: expected an integer from 0 to {high}")

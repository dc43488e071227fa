"""Calls into the tokenizers library: whatever it raises, panics included, is a typed error.

A file that was checked may still hold what the library stumbles over. It then raises a bare
Exception, or a panic of Rust that no ``except Exception`` catches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from edge_rerank.errors import InferenceError, PackInvalid

Special = tuple[tuple[int, int], ...]
"""Tokens that no text has, each with its type."""


@dataclass(frozen=True, slots=True)
class PairLayout:
    """Where two texts stand in one input, and what stands around them.

    Attributes:
        begin, middle, end: the tokens before the first text, between both, and after the second.
        types: of the first text's tokens, and of the second's.
    """

    begin: Special
    middle: Special
    end: Special
    types: tuple[int, int]

    @property
    def special_tokens(self) -> int:
        """How many tokens are of neither text."""
        return len(self.begin) + len(self.middle) + len(self.end)

    def row(self, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """Tokens of a pair and their types."""
        pairs = [
            *self.begin,
            *((token, self.types[0]) for token in first),
            *self.middle,
            *((token, self.types[1]) for token in second),
            *self.end,
        ]
        return [token for token, _ in pairs], [kind for _, kind in pairs]


def read_tokenizer(raw: bytes, name: str) -> Tokenizer:
    """The tokeniser of a pack's file.

    Raises:
        PackInvalid: when the library cannot read it.
    """
    try:
        return Tokenizer.from_buffer(raw)
    except BaseException as error:
        _pass_on(error)
        raise PackInvalid(f"{name}: not a tokeniser: {type(error).__name__}") from error


def token_ids(tokenizer: Tokenizer, text: str, *, special: bool = True) -> list[int]:
    """The tokens of a text.

    Args:
        tokenizer: reads it.
        text: any string; half an emoji cut off by the host becomes a question mark.
        special: whether tokens are added that no text has.

    Raises:
        InferenceError: when the library fails; the message has nothing of the text in it.
    """
    return list(_encoded(tokenizer, _whole(text), special=special).ids)


def tokens_of_words(tokenizer: Tokenizer, words: Sequence[str]) -> list[int]:
    """How many tokens each word has; 0 for those beyond what the tokeniser is cut to.

    Raises:
        InferenceError: as in :func:`token_ids`.
    """
    found = Counter(_encoded(tokenizer, [_whole(word) for word in words], special=False).word_ids)
    return [found[place] for place in range(len(words))]


def cut_text(tokenizer: Tokenizer, text: str, tokens: int) -> str:
    """The beginning of a text that has at most so many tokens.

    Raises:
        InferenceError: as in :func:`token_ids`.
    """
    text = _whole(text)
    offsets = _encoded(tokenizer, text, special=False).offsets
    return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1]]


def pair_layout(tokenizer: Tokenizer, name: str) -> PairLayout:
    """How a tokeniser lays out two texts as one input.

    Args:
        tokenizer: with a template of pairs.
        name: of its file.

    Raises:
        PackInvalid: when it puts the second text first, or cannot read a letter.
    """
    try:
        probe = tokenizer.encode("a", "a")
    except BaseException as error:
        _pass_on(error)
        raise PackInvalid(f"{name}: reads no pairs: {type(error).__name__}") from error
    first = [place for place, side in enumerate(probe.sequence_ids) if side == 0]
    second = [place for place, side in enumerate(probe.sequence_ids) if side == 1]
    if not first or not second or first[-1] > second[0]:
        raise PackInvalid(f"{name}: expected a template with the first text before the second")
    ids, types = probe.ids, probe.type_ids
    parts = slice(0, first[0]), slice(first[-1] + 1, second[0]), slice(second[-1] + 1, None)
    begin, middle, end = (tuple(zip(ids[part], types[part], strict=True)) for part in parts)
    return PairLayout(begin, middle, end, (types[first[0]], types[second[0]]))


def _encoded(tokenizer: Tokenizer, text: str | list[str], *, special: bool) -> Encoding:
    """Tokens of a text, or of words that were told apart before."""
    words = isinstance(text, list)
    try:
        return tokenizer.encode(text, is_pretokenized=words, add_special_tokens=special)
    except BaseException as error:
        _pass_on(error)
        raise InferenceError(f"the tokeniser failed: {type(error).__name__}") from None


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _pass_on(error: BaseException) -> None:
    """Raise what is not the library's."""
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
        raise error

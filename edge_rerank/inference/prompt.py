"""Prompts: how a history and a candidate become tokens.

One line an event, oldest first, so that a new event only adds to the end; a candidate is the
line that might come next::

    <prefix> line <separator> line <separator> ... candidate <separator>

Prefix and separator are token ids in the pack's manifest. User text is encoded with special
tokens switched off: an item called "<|im_start|>" stays text. A pack with a template has tokens of
its own before a candidate, and others after it in place of the separator.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from edge_rerank.inference.tokenizing import read_tokenizer, token_ids
from edge_rerank.packs.specs import ScorerSpec
from edge_rerank.packs.tokenizer_check import CHARS_A_TOKEN

Tokens = tuple[int, ...]


class Prompt:
    """Tokenises for one scorer. Safe from several threads.

    Args:
        spec: the scorer's description.
        tokenizer: the bytes of its tokeniser file.

    Raises:
        PackInvalid: when the tokeniser cannot be read.
    """

    def __init__(self, spec: ScorerSpec, tokenizer: bytes) -> None:
        self._spec = spec
        self._tokenizer = read_tokenizer(tokenizer, spec.tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True

    @property
    def prefix(self) -> Tokens:
        """What every prompt begins with."""
        return self._spec.prefix

    @property
    def separator(self) -> Tokens:
        """What every line ends with."""
        return self._spec.separator

    def line(self, text: str) -> Tokens:
        """``text`` as one line, cut to ``line_tokens``, with the separator after it."""
        return (*self._ids(text), *self._spec.separator)

    def candidate(self, text: str) -> Tokens:
        """``text`` as the line that is judged, with what stands around it."""
        template = self._spec.template
        if template is None:
            return self.line(text)
        return (*template.before, *self._ids(text), *template.after)

    def _ids(self, text: str) -> Sequence[int]:
        # Line breaks end a line for the model too.
        text = " ".join(text[: self._spec.line_tokens * CHARS_A_TOKEN].split())
        template = self._spec.template
        if text and template is not None and template.spaced:
            text = f" {text}"
        return token_ids(self._tokenizer, text, special=False)[: self._spec.line_tokens]

    def window(self, lines: Sequence[Tokens]) -> Sequence[Tokens]:
        """The newest of ``lines``, oldest first, within ``history_tokens``.

        When not all fit, what is left begins at the line of the smallest hash in the older
        half of those that do. That line stays the beginning while newer ones are added,
        until it no longer fits itself: a long history is read again only now and then, and
        where it begins does not depend on what was read before.
        """
        budget = self._spec.history_tokens - len(self._spec.prefix)
        fits = _newest(lines, budget)
        if fits == len(lines):
            return lines
        first = len(lines) - fits
        half = len(lines) - _newest(lines, budget // 2)
        oldest = range(first, max(half, first + 1))
        return lines[min(oldest, key=lambda place: _hash(lines[place])) :] if fits else ()


def _newest(lines: Sequence[Tokens], budget: int) -> int:
    """How many of the last lines hold at most ``budget`` tokens together."""
    used = 0
    for count, line in enumerate(reversed(lines)):
        used += len(line)
        if used > budget:
            return count
    return len(lines)


def _hash(line: Tokens) -> bytes:
    return blake2b(repr(line).encode(), digest_size=8).digest()

"""Pairs of texts as tokens: what a person asked for or chose, and after it a candidate.

The tokeniser's own template puts both together. What stands before the candidates is the query,
or without one ``heading line joiner line ...``, the newest lines last. It has the same room
beside every candidate, so that a long candidate never changes what is read of a history, and a
long history never cuts a candidate away.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank.errors import PackInvalid
from edge_rerank.inference.prompt import Tokens
from edge_rerank.inference.tokenizing import cut_text, pair_layout, read_tokenizer, token_ids
from edge_rerank.packs.specs import PairScorerSpec
from edge_rerank.packs.tokenizer_check import CHARS_A_TOKEN

LEAST_LINES = 4
"""Lines of a history that find room however long they are: what one person chose is several
things, and a single description would fill all of it."""


class PairPrompt:
    """Tokenises for one scorer of pairs. Safe from several threads.

    Attributes:
        room: most tokens before the candidate.

    Args:
        spec: the scorer's description.
        tokenizer: the bytes of its tokeniser file.

    Raises:
        PackInvalid: when the tokeniser cannot be read, or leaves a pair no room.
    """

    def __init__(self, spec: PairScorerSpec, tokenizer: bytes) -> None:
        self._spec = spec
        self._tokenizer = read_tokenizer(tokenizer, spec.tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True
        self._layout = pair_layout(self._tokenizer, spec.tokenizer)
        self.room: int = spec.max_tokens - spec.item_tokens - self._layout.special_tokens
        if self.room < LEAST_LINES:
            raise PackInvalid("pair_scorer: expected max_tokens with room for a query or a history")

    def asked(self, query: str) -> Tokens:
        """A query as what stands before the candidates."""
        return self._tokens(query, self.room)

    def before(self, history: Sequence[str]) -> str:
        """A history as what stands before the candidates.

        Args:
            history: one text an event, oldest first.

        Returns:
            The heading and the newest lines that find room; empty without a line.
        """
        chosen: list[str] = []
        text = ""
        most = self.room // LEAST_LINES
        for line in reversed(history):
            cut = cut_text(self._tokenizer, _one_line(line)[: most * CHARS_A_TOKEN], most)
            if not cut.strip():
                continue
            longer = f"{self._spec.heading} {self._spec.joiner.join([cut, *chosen])}"
            if chosen and len(token_ids(self._tokenizer, longer, special=False)) > self.room:
                break
            chosen, text = [cut, *chosen], longer
        return text

    def read(self, history: Sequence[str]) -> Tokens:
        """The tokens of :meth:`before`."""
        return self._tokens(self.before(history), self.room)

    def item(self, text: str) -> Tokens:
        """A candidate, cut to ``item_tokens``."""
        return self._tokens(text, self._spec.item_tokens)

    def pair(self, before: Tokens, item: Tokens) -> tuple[list[int], list[int]]:
        """Tokens of a pair and their types."""
        return self._layout.row(before, item)

    def pair_tokens(self, before: Tokens, item: Tokens) -> int:
        """How many tokens a pair has."""
        return self._layout.special_tokens + len(before) + len(item)

    def _tokens(self, text: str, most: int) -> Tokens:
        text = _one_line(text[: most * CHARS_A_TOKEN])
        return tuple(token_ids(self._tokenizer, text, special=False)[:most])


def _one_line(text: str) -> str:
    return " ".join(text.split())

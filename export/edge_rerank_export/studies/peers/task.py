"""Tasks: invented texts of a known number of tokens that every contender has to rank."""

from __future__ import annotations

import random
from dataclasses import dataclass

_WORDS = (
    *("quiet", "river", "night", "paper", "winter", "engine", "orange"),
    *("signal", "market", "stone", "window", "forest", "letter", "planet"),
)
"""Each is one token to a GPT and to a BERT, at the beginning of a line and within it."""

LINE_TOKENS = 12


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is to rank.

    Attributes:
        candidates: how many, of 12 tokens each as the scorer reads them.
        history_tokens: tokens of the history.
    """

    candidates: int
    history_tokens: int

    @property
    def label(self) -> str:
        """For a heading."""
        return f"{self.candidates} candidates, history of {self.history_tokens} tokens"


SHAPES = (Shape(20, 200), Shape(50, 200), Shape(20, 500), Shape(50, 500))


def history(shape: Shape, person: int = 0) -> list[str]:
    """Lines of 11 tokens, and the line break makes 12; the last line is shorter.

    Args:
        shape: how many tokens.
        person: whose; each has others.
    """
    rng = random.Random(person)  # noqa: S311 - invented texts, not secrets
    lines, rest = [], shape.history_tokens
    while rest > 1:
        length = min(LINE_TOKENS, rest)
        lines.append(_text(rng, length - 1))
        rest -= length
    return lines


def candidates(shape: Shape, turn: int, *, ends: bool = False) -> list[str]:
    """New ones for each shape and ``turn``, so that nothing can be remembered.

    Args:
        shape: how many.
        turn: each has others.
        ends: whether the line break after a candidate is read too, as a trained head does, and
            is one of its 12 tokens.
    """
    rng = random.Random(f"{shape.label} {turn}")  # noqa: S311 - invented texts, not secrets
    return [_text(rng, LINE_TOKENS - ends) for _ in range(shape.candidates)]


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words))

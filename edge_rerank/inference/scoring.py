"""Kinds of scores: how likely a text is after a history, or what a trained head says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from itertools import chain as concatenate
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edge_rerank.inference.prompt import Prompt, Tokens

PRIOR_SHARE = 0.7
"""How much of a text's own likelihood is taken off. All of it would take off as well that some
items are chosen by everyone. Mean NDCG@10 on validation requests of game, film, shop and news
data: 0.32 at 0, 0.37 at 0.5, 0.39 at 0.7, 0.37 at 1; and the difference of two likelihoods
suffers less from rounding."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One run, see :class:`~edge_rerank.packs.specs.ScorerSpec`; no targets stands for zeros."""

    extend: bool = False
    scored: Sequence[int] = ()
    predictors: Sequence[int] = ()
    targets: Sequence[int] = ()


class ScoreKind(Protocol):
    """What is asked of the model, and what its numbers mean.

    Attributes:
        prior_share: how much of a line's score after nothing is taken off its score; 0 for
            kinds that mean something by themselves.
    """

    prior_share: float

    def line(self, prompt: Prompt, text: str) -> Tokens:
        """The tokens of a candidate."""
        ...

    def reading(self, lines: Sequence[Tokens]) -> tuple[Sequence[Tokens], Reading]:
        """The rows that the model is given for lines, and what it is asked."""
        ...

    def scores(self, numbers: NDArray[Any], lines: Sequence[Tokens]) -> list[float]:
        """A score a line, from the model's numbers, shape (scored, 1)."""
        ...


class Likelihood:
    """log P(candidate | history) - 0.7 log P(candidate); for models without a trained head."""

    prior_share = PRIOR_SHARE

    def line(self, prompt: Prompt, text: str) -> Tokens:
        """Without the separator: a likelihood is better so."""
        return prompt.line(text)[: -len(prompt.separator)]

    def reading(self, lines: Sequence[Tokens]) -> tuple[Sequence[Tokens], Reading]:
        """Every token is predicted from those before it."""
        # The past predicts the first token; the last predicts nothing that is asked for.
        rows = [line[:-1] or line for line in lines]
        predictors: list[int] = []
        for row, line, end in zip(rows, lines, accumulate(map(len, rows)), strict=True):
            first = 1 + end - len(row)
            predictors += [0, *range(first, first + len(line) - 1)]
        return rows, Reading(
            scored=range(sum(map(len, rows))),
            predictors=predictors,
            targets=list(concatenate.from_iterable(lines)),
        )

    def scores(self, numbers: NDArray[Any], lines: Sequence[Tokens]) -> list[float]:
        """Log-likelihoods of the tokens, added up by line."""
        starts = [0, *accumulate(map(len, lines[:-1]))]
        summed = np.add.reduceat(numbers[:, 0].astype(np.float64), starts)
        return cast("list[float]", summed.tolist())


class Head:
    """The output of a head that was trained, on the separator after the candidate."""

    prior_share = 0.0

    def line(self, prompt: Prompt, text: str) -> Tokens:
        """With what ends it, which the head sits on."""
        return prompt.candidate(text)

    def reading(self, lines: Sequence[Tokens]) -> tuple[Sequence[Tokens], Reading]:
        """One number at the end of each line."""
        ends = [end - 1 for end in accumulate(map(len, lines))]
        return lines, Reading(scored=ends, predictors=range(1, len(lines) + 1))

    def scores(self, numbers: NDArray[Any], lines: Sequence[Tokens]) -> list[float]:
        """The head's numbers as they are."""
        del lines
        return cast("list[float]", numbers[:, 0].tolist())

"""Evidence by a scorer that reads texts after a history, and refines the best of all others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import Column, Evidence, Source, falling
from edge_rerank.ranking.request import Request
from edge_rerank.types import NOT_CHOSEN, Degradation, Event, EventType, ReasonCode

REFINED = 50
"""How many of the best so far the scorer looks at."""

BESIDE_LEARNED = 0.25
"""How much of its weight a likelihood keeps beside a trained history model. On 160 validation
requests of shops, films and games it added nothing there: NDCG@10 0.490 without, 0.485 with a
quarter, 0.480 with all of it."""

_AFTER_SCORING_S = 0.002
"""Kept back from a time budget for what comes after the scorer."""


class TextScorer(Protocol):
    """What scores texts after a history, or after a query. Safe from several threads.

    Attributes:
        weight: what one unit of score after a history adds to the log-odds of a click.
        by_likelihood: whether it has no trained head.
    """

    weight: float
    by_likelihood: bool

    def score(
        self,
        candidates: Sequence[str],
        history: Sequence[str],
        *,
        query: str | None = None,
        stop_at: float | None = None,
    ) -> NDArray[np.float64]:
        """Scores of shape (len(candidates),); NaN for those that there was no time for."""
        ...

    def forget(self) -> None:
        """Drop everything that was derived from anyone's history."""
        ...


class ScorerSource(Source):
    """Log-odds by the scorer, against the mean of the candidates it refined; 0 for the others.

    The last source, because those before say which candidates are worth its time.

    Args:
        scorer: reads history and candidates; its pack says what its numbers weigh.
        beside_model: whether a trained history model is among the sources.
        column: name of its column.
        refined: how many of the best it looks at.
    """

    def __init__(
        self,
        scorer: TextScorer,
        *,
        beside_model: bool,
        column: str = "scorer",
        refined: int = REFINED,
    ) -> None:
        discount = BESIDE_LEARNED if scorer.by_likelihood and beside_model else 1.0
        self.columns: tuple[Column, ...] = (
            Column(column, discount * scorer.weight, ReasonCode.MODEL, adapts=True),
        )
        self._scorer = scorer
        self._refined = refined

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Refine the best of the scores so far, as far as time allows."""
        best = falling(evidence.scores())[: self._refined]
        candidates = request.candidates
        refined: NDArray[np.float64] = self._scorer.score(
            [candidates[row].text for row in best.tolist()],
            transcript(request.history, request.texts),
            query=request.query,
            stop_at=scored_by(request),
        )
        reached = ~np.isnan(refined)
        if not reached.all():
            evidence.degraded += (Degradation.TIME_BUDGET,)
        if reached.any():
            column = evidence[self.columns[0].name]
            column[best] = np.where(reached, refined - refined[reached].mean(), 0.0)

    def forget(self, user: str | None = None) -> None:
        """Drop every history that was read: they are not told apart by person."""
        del user
        self._scorer.forget()


def scored_by(request: Request) -> float | None:
    """When scoring has to be done, by ``time.perf_counter()``; ``None`` without a time budget."""
    return None if request.stop_at is None else request.stop_at - _AFTER_SCORING_S


def transcript(history: Sequence[Event], texts: Mapping[str, str]) -> list[str]:
    """A history as the scorer reads it: what a person chose and searched for, oldest first.

    A click, the reading time that comes after it and a rating are one choice: events on one
    item in a row make one line. A new event adds at most one line at the end.

    Args:
        history: events, oldest first.
        texts: item texts by id, for events of imported logs that name an item by id alone.
    """
    lines: list[str] = []
    previous: str | None = None
    for event in history:
        if event.type is EventType.SEARCH:
            lines.append(event.query or "")
            previous = None
        elif event.item is not None and event.type not in NOT_CHOSEN:
            # To a model without a trained head, whatever is mentioned becomes more likely.
            text = event.item.text or texts.get(event.item.id, "")
            if text.strip() and event.item.id != previous:
                lines.append(text)
            previous = event.item.id
    return lines

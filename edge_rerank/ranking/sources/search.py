"""Evidence by search: how well candidates fit what is, or was, asked for.

A query is intent: with one, relevance comes first and the person second, see
:meth:`~edge_rerank.ranking.evidence.Evidence.step_back`. A search recorded in the present
session acts like a query and fades with what the person does after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge_rerank.history.sessions import session_ages
from edge_rerank.ranking.evidence import Column, Evidence, Source
from edge_rerank.ranking.relevance.relevance import Judge, Relevance
from edge_rerank.ranking.request import Request
from edge_rerank.types import Event, EventType, ReasonCode

QUERY = Column("query", 1.0, ReasonCode.QUERY, yields=False)
"""Log-odds that it fits the query of this call."""

SEARCH = Column("search", 1.0, ReasonCode.SEARCH, yields=False)
"""Log-odds that it fits the searches of the history, by how fresh they are. With a query they
do not count: it says what is wanted now."""

ROOM = 2.0
"""Log-odds by which everything personal can move two candidates apart beside a query. With
real histories and queries of one word, what is wanted is found nearly as soon as with any room
(reciprocal rank 0.65 of 0.67 on steam, 0.66 of 0.71 on movies-open; 0.43 and 0.22 with none);
the first place always fits. Asked for a category by its sense alone, somebody who never chose
of it still has 0.95 of what fits in the first ten on toys, 0.89 with a room of 3."""

LEAST_SURE = 0.3
"""A query of which it is less sure that anything fits it changes nothing."""

HALF_LIFE_EVENTS = 3.0
"""Events after which a search of the present session counts half."""

EVENTS_A_SEARCH = 3
"""A later search says more about an earlier one than any other event: the wish has changed."""

EARLIER_SESSION = 0.15
"""How much a search of the session before counts, at most; halved with each further session."""

_NOTHING = 0.01

Refine = Callable[[Relevance, Request, Evidence], Relevance]
"""Judges the most relevant candidates anew for a request's query; notes in the evidence what it had
no time for."""


class SearchSource(Source):
    """Relevance to the query, or to the recorded searches, as a source.

    Args:
        judge: judges candidates by words.
        refine: looks again at what was judged for the query of a call; ``None`` for nothing. The
            searches of a history, of which there may be many, are judged once.
    """

    columns: tuple[Column, ...] = (QUERY, SEARCH)

    def __init__(self, judge: Judge, refine: Refine | None = None) -> None:
        self._judge = judge
        self._refine = refine

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Judge the candidates, if anything was asked for and any of them fits it."""
        if request.query is not None:
            found = self._judge.judge(request.query, request.candidates, request.likeness)
            if self._refine is not None:
                found = self._refine(found, request, evidence)
            self._fill(evidence, QUERY, [(found, 1.0)], intent=1.0)
            evidence.asked(found.level, room=ROOM)
        elif request.interests.searches:
            self._recorded(request, evidence)

    def forget(self, user: str | None = None) -> None:
        """Nothing personal is kept."""

    def _recorded(self, request: Request, evidence: Evidence) -> None:
        fresh, present = freshness(request.history, now=request.now)
        found = [
            (self._judge.judge(words, request.candidates, request.likeness), fresh[words])
            for words in request.interests.searches
            if words in fresh
        ]
        self._fill(evidence, SEARCH, found, intent=present)

    @staticmethod
    def _fill(
        evidence: Evidence,
        column: Column,
        found: Sequence[tuple[Relevance, float]],
        *,
        intent: float,
    ) -> None:
        found = [(one, weight) for one, weight in found if one.sure >= LEAST_SURE]
        if not found:
            return
        evidence[column.name] = np.sum(
            [one.log_odds * one.sure * weight for one, weight in found], axis=0
        )
        fits = np.logical_or.reduce([one.fits for one, _ in found])
        # That something is far from a search is said of nothing: its sense may be another.
        evidence.holds(column.reason, lifts=fits, lowers=False)
        if intent:
            evidence.step_back(ROOM, degree=intent * max(one.sure for one, _ in found))


def freshness(history: Sequence[Event], *, now: float) -> tuple[dict[str, float], float]:
    """How much each recorded search counts, beside a query of this very moment.

    Args:
        history: events with timestamps, oldest first.
        now: UTC seconds.

    Returns:
        Weights, at most 1, of those that still count, by their words; and the largest weight
        of a search in the present session, or 0.
    """
    ages = session_ages([event.timestamp or 0.0 for event in history], now=now).tolist()
    weights: dict[str, float] = {}
    present, later = 0.0, 0
    for event, age in zip(reversed(history), reversed(ages), strict=True):
        weight = 2.0 ** (-later / HALF_LIFE_EVENTS)
        if age:
            weight = min(weight, EARLIER_SESSION * 2.0 ** (1 - age))
        if weight < _NOTHING:
            break
        if event.type is EventType.SEARCH:
            words = event.query or ""
            if words not in weights:
                weights[words] = weight
                present = present if age else max(present, weight)
            later += EVENTS_A_SEARCH
        elif event.type is not EventType.IMPRESSION:
            later += 1
    return weights, present

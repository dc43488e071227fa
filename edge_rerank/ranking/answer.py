"""Answer of an engine: a ranking, and what a learner has to know of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Shown
from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.request import Request
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, LeftOut, Unread

UNREAD_SHARE = 0.2
"""Share of the candidates or of the history from which on texts that cannot be read are a
degradation; a foreign title here and there is none."""

HeadOf = Callable[[Layout], Head | None]
"""Gives what was learnt of a person, for features of a layout."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A ranking, and what a learner has to know of it.

    Attributes:
        ranking: for the host.
        shown: ``None`` where nobody is learnt of, or the list is empty.
    """

    ranking: Ranking
    shown: Shown | None = None


def not_read(unread: Unread) -> tuple[Degradation, ...]:
    """Whether so much could not be read that it is a degradation."""
    much = unread.query or max(unread.candidates, unread.history) >= UNREAD_SHARE
    return (Degradation.TEXT_NOT_READ,) if much else ()


def left_out_of(order: Arrangement, request: Request) -> list[LeftOut]:
    """What rules left out, as the ranking tells of it."""
    told = order.told(request.keep)
    return [LeftOut(request.candidates[row].id, code) for row, code in told]


def ranking_id() -> str:
    """An id that no other ranking has."""
    return secrets.token_hex(8)

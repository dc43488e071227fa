"""Answer of an engine: a ranking, and what a learner has to know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Shown
from edge_rerank.result import Ranking

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

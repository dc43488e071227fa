"""Texts to verify with, and the lists of them that are put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HISTORY = 10
"""Items of a history that take part, the newest."""

REQUESTS = 200
"""Lists of each source that are put in order at most, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class RankingCase:
    """Places in :attr:`Texts.texts`: what a person chose, what is offered, what was clicked."""

    history: tuple[int, ...]
    candidates: tuple[int, ...]
    clicked: tuple[int, ...] = ()
    """Places in ``candidates``; empty where nobody knows."""
    query: int | None = None
    """What was asked for; ``None`` where nothing was, and then there is a history."""
    source: str = ""
    """Name of the file or folder that it is from; empty for the toolchain's own."""


@dataclass(frozen=True, slots=True, repr=False)
class Texts:
    """Different texts, and lists of them to rank.

    Attributes:
        texts: of items and queries.
        cases: lists of items to put in order.
        source: what they are, in a few words, for people; it names no text.
    """

    texts: tuple[str, ...]
    cases: tuple[RankingCase, ...]
    source: str = ""

    def of(self, case: RankingCase) -> tuple[list[str], list[str], str | None]:
        """Candidates, history and query of a case."""
        return (
            [self.texts[place] for place in case.candidates],
            [self.texts[place] for place in case.history],
            None if case.query is None else self.texts[case.query],
        )


class Places:
    """Different texts in the order in which they were first met."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def of(self, texts: Sequence[str]) -> tuple[int, ...]:
        """The place of each text, new ones at the end."""
        return tuple(self._places.setdefault(text, len(self._places)) for text in texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._places)

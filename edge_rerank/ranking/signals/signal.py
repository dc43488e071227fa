"""The interface of signals: one input of a history model a class.

A history model does not see items: it sees how candidates compare with a history. Each kind
of comparison is a :class:`Signal`, one class in one module, which the registry in
:mod:`~.inputs` lists.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.situation import Array, Situation
from edge_rerank.ranking.signals.table import Table


class Axes(Enum):
    """Shapes of a model's inputs: C candidates, H places of the history, leading axes (...)."""

    PAIRS = "pairs"
    """(..., width, C, H): each candidate beside each item of the history."""
    CANDIDATES = "candidates"
    """(..., C, width)."""
    CANDIDATE = "candidate"
    """(..., C): one number a candidate."""
    EVENTS = "events"
    """(..., H, width)."""
    EVENT = "event"
    """(..., H): one number a place of the history."""
    REQUEST = "request"
    """(..., width): what all candidates have in common."""

    @property
    def of_candidates(self) -> int | None:
        """The axis of the candidates, from the end; ``None`` where there is none."""
        return _OF_CANDIDATES.get(self.value)

    @property
    def of_history(self) -> int | None:
        """The axis of the history, from the end; ``None`` where there is none."""
        return _OF_HISTORY.get(self.value)

    @property
    def count(self) -> int:
        """How many axes follow the leading ones."""
        return _COUNTS[self.value]

    def shape(self, candidates: int, history: int, width: int) -> tuple[int, ...]:
        """The shape without leading axes."""
        return {
            "pairs": (width, candidates, history),
            "candidates": (candidates, width),
            "candidate": (candidates,),
            "events": (history, width),
            "event": (history,),
            "request": (width,),
        }[self.value]


# By value, whose hash is known; that of a member is computed in Python each time, as above.
_OF_CANDIDATES = {"pairs": -2, "candidates": -2, "candidate": -1}
_OF_HISTORY = {"pairs": -1, "events": -2, "event": -1}
_COUNTS = {"pairs": 3, "candidates": 2, "candidate": 1, "events": 2, "event": 1, "request": 1}


class Signal(ABC):
    """One input of a history model: everything that is known about it stands in its class.

    Attributes:
        name: of the model's input and, where there is a table, of its key in the manifest.
        axes: its shape.
        width: numbers a pair, a candidate, a place or a request.
        bit: name of the number in ``known`` that says whether it is there; empty for none.
        dropout: by default, the chance that a training request loses what ``bit`` stands for.
        table: what it is read from, if from a table that a pack may have.
        folds: whether one candidate stands for all where nothing is known.
    """

    name: ClassVar[str]
    axes: ClassVar[Axes]
    width: ClassVar[int] = 1
    bit: ClassVar[str] = ""
    dropout: ClassVar[float] = 0.0
    table: ClassVar[type[Table] | None] = None
    folds: ClassVar[bool] = False
    _count: ClassVar[int]

    def __init_subclass__(cls) -> None:
        """Count the axes once: that of a member is found in Python each time."""
        cls._count = cls.axes.count

    @abstractmethod
    def raw(self, situation: Situation) -> Array:
        """The numbers, of the shape of ``axes``; 0 where nothing is known."""

    def known(self, situation: Situation, values: Array) -> NDArray[np.bool_]:
        """Whether it is there, shape (...,); ``values`` are those of :meth:`raw`."""
        del situation
        lead = values.shape[: values.ndim - self._count]
        return np.asarray(values.reshape(*lead, -1).any(axis=-1) if lead else values.any())

    @property
    def file(self) -> str:
        """Name of its table's file in packs that are made here."""
        return f"{self.name}.npz"

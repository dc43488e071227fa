"""Choices of a data set folder as numbers, for recommenders that know items by id alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.formats.dataset import VALID, DataSet, Request, chosen
from edge_rerank_export.train.loop import mean_ndcg

UNKNOWN = 0
"""Number of an item that is not in the catalogue."""


@dataclass(frozen=True, slots=True, repr=False)
class Choices:
    """What people chose in the training part, and the requests to stop by.

    Attributes:
        numbers: of the items by id, from 1 on.
        people: for each person the numbers of what they chose, oldest first, int64.
        rows: row in ``people`` by user, of those whose name the file gives.
        valid: validation requests with a click.
    """

    numbers: dict[str, int]
    people: tuple[NDArray[np.int64], ...]
    rows: dict[str, int]
    valid: tuple[Request, ...]

    @classmethod
    def read(cls, data: DataSet) -> Choices:
        """Read the training part and the validation split; the test split is not opened.

        Raises:
            DataError: when the folder has neither, or at the first malformed line.
        """
        numbers = {name: number for number, name in enumerate(data.items, start=1)}
        people: list[NDArray[np.int64]] = []
        rows: dict[str, int] = {}
        for sequence in data.people():
            known = np.array(
                [numbers[name] for name in sequence.items if name in numbers], dtype=np.int64
            )
            if len(known) > 1:
                if sequence.user is not None:
                    rows[sequence.user] = len(people)
                people.append(known)
        if not people:
            raise DataError(data.folder, "expected a person with two choices to learn from")
        valid = tuple(one for one in data.requests(VALID) if one.clicked)
        if not valid:
            raise DataError(data.folder, f"{VALID}: expected a request with a click to stop by")
        return cls(numbers, tuple(people), rows, valid)

    def before(self, request: Request) -> NDArray[np.int64]:
        """What the person chose before a request, oldest first, without unknown items."""
        found = (self.numbers.get(item.id, UNKNOWN) for item in chosen(request.history))
        return np.array([number for number in found if number], dtype=np.int64)

    def candidates(self, request: Request) -> NDArray[np.int64]:
        """Numbers of a request's candidates, in its order."""
        return np.array([self.numbers.get(item.id, UNKNOWN) for item in request.candidates])


class Recommender(Protocol):
    """A model that knows the items of one catalogue."""

    def score(self, requests: Sequence[Request]) -> list[NDArray[np.float32]]:
        """One score for each candidate of each request, higher is better."""
        ...


def validation_ndcg(model: Recommender, choices: Choices) -> float:
    """Mean NDCG@10 over the validation requests, 0 to 1; equal scores go against the model."""
    return mean_ndcg(
        (scores, np.array([item.id in request.clicked for item in request.candidates]))
        for request, scores in zip(choices.valid, model.score(choices.valid), strict=True)
    )

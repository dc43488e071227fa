"""Choices of a data set folder as numbers, for recommenders that know items by id alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.evaluation.choice_lists import UNIFORM_SHARE
from edge_rerank.formats.dataset import VALID, DataSet, Request, TrainSequence, chosen
from edge_rerank.types import Event
from edge_rerank_export.studies.baselines.full import by_scores, find_places
from edge_rerank_export.train.domain import HELD_OUT
from edge_rerank_export.train.loop import mean_ndcg

UNKNOWN = 0
"""Number of an item that is not in the catalogue."""

_SEED = 0
_MOST = 1_000
_LEAST = 3
"""Choices of somebody whose last one is hidden."""

_BESIDE = 19
_UNIFORM = round(_BESIDE * UNIFORM_SHARE)
"""Items beside a hidden choice, and how many of them are drawn with equal chances."""


@dataclass(frozen=True, slots=True, repr=False)
class Choices:
    """What people chose in the training part, and the requests to stop by.

    Attributes:
        numbers: of the items by id, from 1 on.
        people: for each person the numbers of what they chose, oldest first, int64.
        rows: row in ``people`` by user, of those whose name the file gives.
        valid: validation requests with a click; where the folder has none, the last choices of
            one person in ten, which are not learnt from.
        catalogue: what is ranked as a whole for these requests; ``None`` where their own
            candidates are.
    """

    numbers: dict[str, int]
    people: tuple[NDArray[np.int64], ...]
    rows: dict[str, int]
    valid: tuple[Request, ...]
    catalogue: DataSet | None = None

    @classmethod
    def read(cls, data: DataSet, *, full: bool = False) -> Choices:
        """Read the training part and the validation split; the test split is not opened.

        Args:
            data: the folder.
            full: whether to stop by a ranking of the whole catalogue.

        Raises:
            DataError: when there is nothing to learn from or to stop by, or at the first malformed
                line.
        """
        sequences = list(data.people())
        if data.has(VALID):
            valid = [one for one in data.requests(VALID) if one.clicked]
        else:
            sequences, valid = _held_out(data, sequences)
        numbers = {name: number for number, name in enumerate(data.items, start=1)}
        people: list[NDArray[np.int64]] = []
        rows: dict[str, int] = {}
        for sequence in sequences:
            known = np.array(
                [numbers[name] for name in sequence.items if name in numbers], dtype=np.int64
            )
            if len(known) > 1:
                if sequence.user is not None:
                    rows[sequence.user] = len(people)
                people.append(known)
        if not people:
            raise DataError(data.folder, "expected a person with two choices to learn from")
        if not valid:
            raise DataError(data.folder, f"{VALID}: expected a request with a click to stop by")
        return cls(numbers, tuple(people), rows, tuple(valid), data if full else None)

    def before(self, request: Request) -> NDArray[np.int64]:
        """Numbers of what the person chose before a request, oldest first, int64 of shape (n,).

        Items that are not of the catalogue are left out.
        """
        found = (self.numbers.get(item.id, UNKNOWN) for item in chosen(request.history))
        return np.array([number for number in found if number], dtype=np.int64)

    def candidates(self, request: Request) -> NDArray[np.int64]:
        """Numbers of a request's candidates, in its order, int64 of shape (candidates,)."""
        return np.array([self.numbers.get(item.id, UNKNOWN) for item in request.candidates])


def _held_out(
    data: DataSet, sequences: Sequence[TrainSequence]
) -> tuple[list[TrainSequence], list[Request]]:
    """Hide the last choices of some people, each among items that they never chose."""
    rng = np.random.default_rng(_SEED)
    names = np.array(list(data.items))
    counts = Counter(name for one in sequences for name in one.items)
    weights = np.array([counts[name] for name in data.items]) ** 0.75
    left: list[TrainSequence] = []
    requests: list[Request] = []
    for one in sequences:
        known = [name for name in one.items if name in data.items]
        usable = len(known) >= _LEAST and known[-1] not in known[:-1]
        if not usable or len(left) % HELD_OUT or len(requests) == _MOST:
            left.append(one)
            continue
        drawn = [
            *rng.choice(names, _UNIFORM).tolist(),
            *rng.choice(names, _BESIDE - _UNIFORM, p=weights / weights.sum()).tolist(),
        ]
        candidates = dict.fromkeys([known[-1], *(name for name in drawn if name not in known)])
        history = tuple(Event("click", data.items[name]) for name in known[:-1])
        items = tuple(data.items[name] for name in candidates)
        requests.append(Request(one.user, history, items, frozenset(known[-1:])))
        left.append(TrainSequence(one.user, tuple(known[:-1])))
    return left, requests


class Recommender(Protocol):
    """A model that knows the items of one catalogue."""

    def score(self, requests: Sequence[Request]) -> list[NDArray[np.float32]]:
        """Scores of each request's candidates, float32 of shape (candidates,); more is better."""
        ...

    def score_all(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Scores of the whole catalogue in its order, float32 of shape (requests, items)."""
        ...


def validation_ndcg(model: Recommender, choices: Choices) -> float:
    """Mean NDCG@10 over the validation requests, 0 to 1; equal scores go against the model."""
    if choices.catalogue is not None:
        whole = find_places(choices.valid, by_scores(choices.catalogue, model.score_all))
        return float(whole.ndcg_10.mean())
    return mean_ndcg(
        (scores, np.array([item.id in request.clicked for item in request.candidates]))
        for request, scores in zip(choices.valid, model.score(choices.valid), strict=True)
    )

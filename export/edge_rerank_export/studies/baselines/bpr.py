"""Bayesian personalised ranking, by the implicit library.

Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009: a vector
for each person and each item, trained to put what a person chose above what they did not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from edge_rerank.formats.dataset import Request
from edge_rerank_export.progress import Update
from edge_rerank_export.studies.baselines.choices import UNKNOWN, Choices, validation_ndcg

FACTORS = 64
RATES = (0.01, 0.05)
ROUNDS = (30, 100)
"""The grid: the validation requests choose a learning rate and a number of passes."""


class Bpr:
    """A trained factorisation.

    A person who was not in the training part is placed at the mean of what they chose.
    """

    def __init__(
        self, choices: Choices, people: NDArray[np.float32], items: NDArray[np.float32]
    ) -> None:
        self._choices = choices
        self._people = people
        self._items = items
        # The last column is the item's bias, that of a person is 1.
        self._newcomer = np.append(np.zeros(items.shape[1] - 1, dtype=np.float32), np.float32(1))

    def score(self, requests: Sequence[Request]) -> list[NDArray[np.float32]]:
        """See :class:`~edge_rerank_export.studies.baselines.choices.Recommender`."""
        return [
            self._items[self._choices.candidates(request)] @ self._person(request)
            for request in requests
        ]

    def score_all(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """See :class:`~edge_rerank_export.studies.baselines.choices.Recommender`."""
        people = np.stack([self._person(request) for request in requests])
        return np.asarray(people @ self._items[UNKNOWN + 1 :].T)

    def _person(self, request: Request) -> NDArray[np.float32]:
        row = self._choices.rows.get(request.user or "")
        if row is not None:
            return np.asarray(self._people[row])
        before = self._choices.before(request)
        if not len(before):
            return self._newcomer
        mean = self._items[before].mean(axis=0)
        mean[-1] = 1.0
        return np.asarray(mean)


def train_bpr(choices: Choices, *, seed: int, progress: Update) -> Bpr:
    """The best of a small grid.

    Args:
        choices: what to learn from.
        seed: the same one gives the same model.
        progress: called with (models trained, models to train).
    """
    lengths = [len(path) for path in choices.people]
    rows = np.repeat(np.arange(len(lengths)), lengths)
    columns = np.concatenate(choices.people)
    shape = (len(lengths), len(choices.numbers) + 1)
    chosen = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    grid = [(rate, rounds) for rate in RATES for rounds in ROUNDS]
    found: list[tuple[float, Bpr]] = []
    for done, (rate, rounds) in enumerate(grid, start=1):
        # More than one thread would make the result depend on their race.
        model = BayesianPersonalizedRanking(
            factors=FACTORS,
            learning_rate=rate,
            iterations=rounds,
            num_threads=1,
            random_state=seed,
        )
        model.fit(chosen, show_progress=False)
        candidate = Bpr(choices, model.user_factors, model.item_factors)
        found.append((validation_ndcg(candidate, choices), candidate))
        progress(done, len(grid))
    return max(found, key=lambda one: one[0])[1]

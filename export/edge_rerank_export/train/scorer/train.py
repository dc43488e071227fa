"""Steps of a scorer's training: listwise softmax over candidates packed as when ranked.

The loss is that of :mod:`edge_rerank_export.train.history.train`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from edge_rerank_export.train.loop import learning_rate, mean_ndcg
from edge_rerank_export.train.scorer.examples import Example
from edge_rerank_export.train.scorer.model import RankingModel
from edge_rerank_export.train.scorer.recipe import ScorerTraining

_RISE = 20
"""The learning rate rises over this part of the steps, one in twenty."""


class ScorerTask:
    """A model and its requests, as :func:`edge_rerank_export.train.loop.train` wants them.

    Args:
        model: changed in place.
        examples: training requests by domain; each gives an update's in turn.
        valid: validation requests by domain.
        settings: with what seed and rates.
    """

    def __init__(
        self,
        model: RankingModel,
        examples: Sequence[Sequence[Example]],
        valid: Mapping[str, Sequence[Example]],
        settings: ScorerTraining,
    ) -> None:
        self._model = model
        self._examples = examples
        self._valid = valid
        self._settings = settings
        self.optimizer = torch.optim.AdamW(
            model.trained().values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )

    def weights(self) -> Mapping[str, Tensor]:
        """The weights that training changes, by name."""
        return self._model.trained()

    def step(self, number: int) -> None:
        """One update, from a batch of one domain's requests."""
        settings, model = self._settings, self._model
        examples = self._examples[number % len(self._examples)]
        rng = np.random.default_rng([settings.seed, number])
        torch.manual_seed(int(rng.integers(1 << 62)))  # of the adapters' dropout
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(
                settings.learning_rate, number, settings.steps, warm_up=settings.steps / _RISE
            )
        model.train()
        self.optimizer.zero_grad()
        for row in rng.integers(0, len(examples), settings.batch).tolist():
            scores = model(examples[row])
            value = loss(scores, examples[row], beside=settings.beside) / settings.batch
            value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.trained().values(), 1.0)
        self.optimizer.step()

    def validate(self) -> dict[str, float]:
        """Mean NDCG@10 by domain, beside the shipped pack if any of the training is."""
        return {name: validate(self._model, requests) for name, requests in self._valid.items()}


def validate(model: RankingModel, requests: Sequence[Example]) -> float:
    """Mean NDCG@10 of scores and other evidence together, 0 to 1; equal ones go against them."""
    model.eval()
    with torch.no_grad():
        return mean_ndcg(
            (model(request).cpu().numpy() + request.others, request.clicked) for request in requests
        )


def loss(scores: Tensor, request: Example, *, beside: float) -> Tensor:
    """Listwise softmax of the scores alone, and of their sum with the other evidence.

    Args:
        scores: shape (candidates,).
        request: what was clicked, and what the other evidence says.
        beside: the second's share, 0 to 1.
    """
    clicked = torch.from_numpy(request.clicked).to(scores)
    both = scores + torch.from_numpy(request.others).to(scores)
    chances = beside * both.log_softmax(0) + (1 - beside) * scores.log_softmax(0)
    return -(chances * clicked).sum() / clicked.sum()

"""How a history encoder learns: listwise softmax; the same seed, the same model.

The loss is -Σ log P(clicked | candidates, history), the listwise softmax of ListNet (Cao et
al., ICML 2007) over the candidates of a request; a teacher may have a share in what is to be
predicted, see :mod:`~.teacher`. All chance of a step is drawn from (seed, step), so that a
training that was broken off goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_rerank.ranking.signals.inputs import KNOWN_BITS
from edge_rerank_export.train.history.model import HistoryModel
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
from edge_rerank_export.train.loop import learning_rate, mean_ndcg

WARM_UP = 50
_NO_CANDIDATE = -1e4

Pool = dict[str, Tensor]
"""Requests of one domain: the model's inputs, ``present``, ``clicked``, ``target``, which says what
is to be predicted, and ``log_chance``, which the loss takes off the scores, see
:class:`~edge_rerank_export.train.history.recipe.HistoryTraining`."""


class HistoryTask:
    """A model and its requests, as :func:`edge_rerank_export.train.loop.train` wants them.

    Args:
        model: changed in place.
        pools: training requests by domain; each gives a batch in turn.
        valid: validation requests by domain.
        recipe: with what seed, rates and dropout.
    """

    def __init__(
        self,
        model: HistoryModel,
        pools: Sequence[Pool],
        valid: dict[str, Pool],
        recipe: HistoryFinetuneRecipe,
    ) -> None:
        settings = recipe.training
        self._model = model
        self._pools = pools
        self._valid = valid
        self._recipe = recipe
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )

    def weights(self) -> Mapping[str, Tensor]:
        """All weights, by name."""
        return cast("dict[str, Tensor]", self._model.state_dict())

    def step(self, number: int) -> None:
        """One batch of one domain's requests."""
        pool = self._pools[number % len(self._pools)]
        _step(self._model, self.optimizer, pool, number, self._recipe)

    def validate(self) -> dict[str, float]:
        """Mean NDCG@10 by domain."""
        return {name: validate(self._model, pool) for name, pool in self._valid.items()}

    def data(self) -> Iterator[bytes]:
        """What tells the training requests from any others."""
        for pool in self._pools:
            for name in ("content", "succession", "target"):
                yield pool[name].numpy().tobytes()


def logits(model: HistoryModel, pool: Pool) -> NDArray[np.float64]:
    """Scores of all candidates, float64 of shape (requests, candidates)."""
    model.eval()
    scores = []
    with torch.no_grad():
        for start in range(0, len(pool["known"]), 250):
            batch = {name: value[start : start + 250] for name, value in pool.items()}
            scores.append(_scores(model, batch).double().numpy())
    return np.concatenate(scores)


def validate(model: HistoryModel, pool: Pool) -> float:
    """Mean NDCG@10, 0 to 1; equal scores go against the model."""
    requests = zip(
        logits(model, pool), pool["present"].numpy(), pool["clicked"].numpy(), strict=True
    )
    return mean_ndcg((scores[there], clicked[there]) for scores, there, clicked in requests)


def calibrate(model: HistoryModel, valid: Sequence[Pool]) -> tuple[float, float]:
    """Slope and intercept of Platt's sigmoid over scores that are centred by request."""
    distance, clicked = [], []
    for pool in valid:
        present = pool["present"].numpy()
        for scores, there, hit in zip(
            logits(model, pool), present, pool["clicked"].numpy(), strict=True
        ):
            distance.append(scores[there] - scores[there].mean())
            clicked.append(hit[there])
    return fit_sigmoid(np.concatenate(distance), np.concatenate(clicked))


def fit_sigmoid(values: NDArray[np.float64], hits: NDArray[np.bool_]) -> tuple[float, float]:
    """Logistic regression of ``hits`` on one value, by Newton's method.

    Platt's targets (1999) keep it finite where the values part the hits perfectly.

    Args:
        values: float64 of shape (n,).
        hits: bool of shape (n,).

    Returns:
        Slope and intercept of the log-odds.
    """
    positives, negatives = hits.sum(), (~hits).sum()
    target = np.where(hits, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([values, np.ones_like(values)], axis=1)
    weights = np.array([1.0, math.log((positives + 1) / (negatives + 1))])
    for _ in range(100):
        estimate = 1 / (1 + np.exp(-(design @ weights).clip(-50, 50)))
        gradient = design.T @ (estimate - target)
        curvature = (design * (estimate * (1 - estimate))[:, None]).T @ design
        change = np.linalg.solve(curvature + 1e-6 * np.eye(2), gradient)
        weights = weights - change
        if np.abs(change).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def _step(
    model: HistoryModel,
    optimizer: torch.optim.Optimizer,
    pool: Pool,
    step: int,
    recipe: HistoryFinetuneRecipe,
) -> None:
    settings = recipe.training
    rng = np.random.default_rng([settings.seed, step])
    rows = torch.from_numpy(rng.integers(0, len(pool["known"]), settings.batch))
    batch = {name: value[rows] for name, value in pool.items()}
    batch["known"] = batch["known"] * _kept(recipe.dropout, rng, settings.batch)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(settings.learning_rate, step, settings.steps, warm_up=WARM_UP)
    model.train()
    scores = _scores(model, batch)
    scores = scores - batch["log_chance"]
    loss = -(scores.log_softmax(1) * batch["target"]).sum(1).mean()
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def _scores(model: HistoryModel, batch: Pool) -> Tensor:
    parts = model(*(batch[name].float() for name in model.inputs))
    scores: Tensor = parts.sum(-1).masked_fill(~batch["present"], _NO_CANDIDATE)
    return scores


def _kept(dropout: Mapping[str, float], rng: np.random.Generator, count: int) -> Tensor:
    """1 for each kind of evidence that stays, float32 of shape (count, bits)."""
    chances = np.array([dropout[name] for name in KNOWN_BITS])
    return torch.from_numpy((rng.random((count, len(KNOWN_BITS))) >= chances).astype(np.float32))

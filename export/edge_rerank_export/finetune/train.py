"""The training loop: listwise softmax, early stopping, checkpoints; the same seed, the same model.

The loss is -Σ log P(clicked | candidates, history), the listwise softmax of ListNet (Cao et
al., ICML 2007) over the candidates of a request. All chance of a step is drawn from (seed,
step), so that a training that was broken off goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_rerank.ranking.metrics import ndcg
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.finetune.model import HistoryModel
from edge_rerank_export.finetune.recipe import Dropout, FinetuneRecipe, Training

WARM_UP = 50
_KNOWN = ("history", "category", "together", "popularity", "time", "record")
_NO_CANDIDATE = -1e4

Pool = dict[str, Tensor]
"""Requests of one domain: the model's inputs, ``present`` and ``clicked``."""

Progress = Callable[[int, int], None]

Looked = Callable[[int, float], None]
"""Called with (steps done, mean NDCG@10 over the domains) after a look at the validation requests;
what it raises ends the training."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training came to.

    Attributes:
        steps: batches that were trained on.
        best: mean NDCG@10 over the domains' validation requests, 0 to 1.
        by_domain: the same for each domain.
        seconds: wall-clock time of the training alone.
    """

    steps: int
    best: float
    by_domain: dict[str, float]
    seconds: float


def train(
    model: HistoryModel,
    pools: Sequence[Pool],
    valid: dict[str, Pool],
    recipe: FinetuneRecipe,
    *,
    checkpoint: Path,
    resume: bool = False,
    progress: Progress | None = None,
    looked: Looked | None = None,
) -> Outcome:
    """Train ``model`` in place; it ends up as it was at its best.

    Args:
        model: see there.
        pools: training requests by domain; each gives a batch in turn.
        valid: validation requests by domain.
        recipe: how long, and with what seed.
        checkpoint: file that is written at each evaluation.
        resume: whether to go on from ``checkpoint`` if it is there.
        progress: called with (steps done, steps to do).
        looked: see :data:`Looked`.

    Raises:
        RecipeError: when the checkpoint is of another recipe or other data.
    """
    settings = recipe.training
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    mark = _mark(recipe, pools)
    began = time.monotonic()
    state = _State()
    if resume and checkpoint.is_file():
        state = _load(checkpoint, mark, model, optimizer)
    while state.step < settings.steps and state.stale < settings.patience:
        _step(model, optimizer, pools[state.step % len(pools)], state.step, recipe)
        state.step += 1
        if state.step % settings.evaluate_every == 0 or state.step == settings.steps:
            by_domain = {name: validate(model, pool) for name, pool in valid.items()}
            mean = sum(by_domain.values()) / len(by_domain)
            if mean > state.best:
                state.best, state.by_domain, state.stale = mean, by_domain, 0
                state.weights = {name: value.clone() for name, value in model.state_dict().items()}
            else:
                state.stale += 1
            _save(checkpoint, mark, model, optimizer, state)
            if looked is not None:
                looked(state.step, mean)
        if progress is not None:
            progress(state.step, settings.steps)
    model.load_state_dict(state.weights)
    return Outcome(state.step, state.best, state.by_domain, time.monotonic() - began)


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
    values = []
    for scores, present, clicked in zip(
        logits(model, pool), pool["present"].numpy(), pool["clicked"].numpy(), strict=True
    ):
        order = np.lexsort((clicked[present], -scores[present]))
        values.append(ndcg(clicked[present][order], 10))
    return float(np.mean(values))


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


@dataclass(slots=True)
class _State:
    """How far a training has come, and the best weights so far."""

    step: int = 0
    best: float = -1.0
    stale: int = 0
    by_domain: dict[str, float] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)


def _step(
    model: HistoryModel,
    optimizer: torch.optim.Optimizer,
    pool: Pool,
    step: int,
    recipe: FinetuneRecipe,
) -> None:
    settings = recipe.training
    rng = np.random.default_rng([settings.seed, step])
    rows = torch.from_numpy(rng.integers(0, len(pool["known"]), settings.batch))
    batch = {name: value[rows] for name, value in pool.items()}
    batch["known"] = batch["known"] * _kept(recipe.dropout, rng, settings.batch)
    for group in optimizer.param_groups:
        group["lr"] = _learning_rate(settings, step)
    model.train()
    scores = _scores(model, batch)
    clicked = batch["clicked"].float()
    loss = -(scores.log_softmax(1) * clicked).sum(1).div(clicked.sum(1)).mean()
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def _scores(model: HistoryModel, batch: Pool) -> Tensor:
    parts = model(*(batch[name].float() for name in model.inputs))
    scores: Tensor = parts.sum(-1).masked_fill(~batch["present"], _NO_CANDIDATE)
    return scores


def _kept(dropout: Dropout, rng: np.random.Generator, count: int) -> Tensor:
    """1 for each kind of evidence that stays, float32 of shape (count, 6)."""
    chances = np.array([getattr(dropout, name) for name in _KNOWN])
    return torch.from_numpy((rng.random((count, len(_KNOWN))) >= chances).astype(np.float32))


def _learning_rate(settings: Training, step: int) -> float:
    rise = min(1.0, (step + 1) / WARM_UP)
    fall = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    return settings.learning_rate * rise * (fall + 0.01)


def _mark(recipe: FinetuneRecipe, pools: Sequence[Pool]) -> str:
    """Stands for recipe and data: a checkpoint of others must not be gone on with."""
    digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
    for pool in pools:
        digest.update(pool["content"].numpy().tobytes())
        digest.update(pool["succession"].numpy().tobytes())
        digest.update(pool["clicked"].numpy().tobytes())
    return digest.hexdigest()


def _save(
    path: Path, mark: str, model: HistoryModel, optimizer: torch.optim.Optimizer, state: _State
) -> None:
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "mark": mark,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "state": asdict(state),
        },
        partial,
    )
    os.replace(partial, path)  # noqa: PTH105 - atomic on every system


def _load(path: Path, mark: str, model: HistoryModel, optimizer: torch.optim.Optimizer) -> _State:
    try:
        stored = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise RecipeError(f"checkpoint: not readable: {type(error).__name__}") from error
    if stored["mark"] != mark:
        raise RecipeError("checkpoint: of another recipe or other data; train without --resume")
    model.load_state_dict(stored["model"])
    optimizer.load_state_dict(stored["optimizer"])
    return _State(**stored["state"])

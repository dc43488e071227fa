"""The training loop: early stopping, the best weights, checkpoints.

All chance of a step is drawn from (seed, step), so that a training that was broken off goes on as
if it had not been.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_rerank.evaluation.metrics import ndcg
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Update
from edge_rerank_export.recipes.train import Schedule

CHECKPOINT_EVERY_S = 300.0
"""Seconds of work that a break may cost: a look at the validation requests may be an hour away."""

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


class TrainingTask(Protocol):
    """What is trained."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Holds the state of the training beside the weights."""
        ...

    def weights(self) -> Mapping[str, Tensor]:
        """The weights that training changes, by name; changed in place to go back to others."""
        ...

    def step(self, number: int) -> None:
        """Change the weights once, by chance drawn from the seed and ``number`` alone."""
        ...

    def validate(self) -> dict[str, float]:
        """Mean NDCG@10 on each domain's validation requests."""
        ...


def train(
    task: TrainingTask,
    schedule: Schedule,
    *,
    checkpoint: Path,
    mark: str,
    resume: bool = False,
    progress: Update | None = None,
    looked: Looked | None = None,
) -> Outcome:
    """Train in place; the weights end up as they were at their best.

    Args:
        task: what is trained.
        schedule: how long.
        checkpoint: file that is written at each evaluation, and every five minutes between two.
        mark: stands for recipe and data, see :func:`mark_of`.
        resume: whether to go on from ``checkpoint`` if it is there.
        progress: called with (steps done, steps to do).
        looked: see :data:`Looked`.

    Raises:
        RecipeError: when the checkpoint is of another recipe or other data.
    """
    began = time.monotonic()
    state = _State()
    if resume and checkpoint.is_file():
        state = _load(checkpoint, mark, task)
    saved = time.monotonic()
    while state.step < schedule.steps and state.stale < schedule.patience:
        task.step(state.step)
        state.step += 1
        if state.step % schedule.evaluate_every == 0 or state.step == schedule.steps:
            mean = state.note(task)
            _save(checkpoint, mark, task, state)
            saved = time.monotonic()
            if looked is not None:
                looked(state.step, mean)
        elif time.monotonic() - saved >= CHECKPOINT_EVERY_S:
            _save(checkpoint, mark, task, state)
            saved = time.monotonic()
        if progress is not None:
            progress(state.step, schedule.steps)
    _put(task, state.weights)
    return Outcome(state.step, state.best, state.by_domain, time.monotonic() - began)


def mark_of(recipe: Any, data: Iterable[bytes]) -> str:
    """A digest of recipe and data: a checkpoint of others must not be gone on with."""
    digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
    for part in data:
        digest.update(part)
    return digest.hexdigest()


def learning_rate(peak: float, step: int, steps: int, *, warm_up: float) -> float:
    """It rises over the first ``warm_up`` steps and falls as a cosine to a hundredth."""
    rise = min(1.0, (step + 1) / warm_up)
    fall = 0.5 * (1 + math.cos(math.pi * step / steps))
    return peak * rise * (fall + 0.01)


def mean_ndcg(rankings: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]]) -> float:
    """Mean NDCG@10, 0 to 1; equal scores go against the model.

    Args:
        rankings: scores, and clicks as bool, of each request's candidates, of shape (candidates,)
            both.
    """
    return float(
        np.mean([ndcg(clicked[np.lexsort((clicked, -scores))], 10) for scores, clicked in rankings])
    )


@dataclass(slots=True)
class _State:
    """How far a training has come, and the best weights so far."""

    step: int = 0
    best: float = -1.0
    stale: int = 0
    by_domain: dict[str, float] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)

    def note(self, task: TrainingTask) -> float:
        """Look at the validation requests; returns the mean NDCG@10 over the domains."""
        by_domain = task.validate()
        mean = sum(by_domain.values()) / len(by_domain)
        if mean <= self.best:
            self.stale += 1
            return mean
        self.best, self.by_domain, self.stale = mean, by_domain, 0
        self.weights = {
            name: value.detach().cpu().clone() for name, value in task.weights().items()
        }
        return mean


def _put(task: TrainingTask, weights: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in task.weights().items():
            value.copy_(weights[name])


def _save(path: Path, mark: str, task: TrainingTask, state: _State) -> None:
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "mark": mark,
            "model": dict(task.weights()),
            "optimizer": task.optimizer.state_dict(),
            "state": asdict(state),
        },
        partial,
    )
    os.replace(partial, path)  # noqa: PTH105 - atomic on every system


def _load(path: Path, mark: str, task: TrainingTask) -> _State:
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds
        raise RecipeError(f"checkpoint: not readable: {type(error).__name__}") from error
    if stored["mark"] != mark:
        raise RecipeError("checkpoint: of another recipe or other data; train without --resume")
    _put(task, stored["model"])
    task.optimizer.load_state_dict(stored["optimizer"])
    return _State(**stored["state"])

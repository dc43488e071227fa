"""Distillation: a history encoder learns from what a scorer says as well as from choices.

A training request's target is a mixture of what was clicked and of the teacher's softmax over the
candidates (Hinton et al., "Distilling the knowledge in a neural network", 2015). The teacher is
the cascade: the scorer beside the shipped pack, as a host would open the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from edge_rerank.inference.runtime import Runtime
from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import kept_array
from edge_rerank_export.progress import Update
from edge_rerank_export.train.domain import Batch, Domain, chunks
from edge_rerank_export.train.engine_odds import beside
from edge_rerank_export.train.history.recipe import TeacherRecipe

_ASKED_AT_ONCE = 50


class Teacher:
    """Gives its opinion on training requests.

    Args:
        recipe: names the scorer, and how much it counts.
        work: what it said is kept here from one run to the next.
        threads: that compute at once; ``None`` for the default.

    Raises:
        PackError: when the pack cannot be used.
        RecipeError: when it has no scorer.
    """

    def __init__(self, recipe: TeacherRecipe, work: Path, *, threads: int | None = None) -> None:
        self._recipe = recipe
        self._work = work
        self._digest = open_teacher(recipe).digest
        self._engine = RankingEngine.open(recipe.pack, runtime=Runtime(threads=threads))

    def close(self) -> None:
        """Give the models' memory back."""
        self._engine.close()

    def target(self, domain: Domain, batch: Batch, update: Update) -> NDArray[np.float32]:
        """What is to be predicted for each request of a batch.

        Args:
            domain: gives the items.
            batch: any number of requests; the first ``requests`` of the recipe are asked about.
            update: told how many were.

        Returns:
            float32 of shape (b, c); each row sums to 1.
        """
        wanted = clicked_target(batch)
        asked = min(self._recipe.requests, len(wanted))
        share, heat = self._recipe.share, self._recipe.temperature
        done = 0
        for piece in chunks(batch, _ASKED_AT_ONCE):
            if done >= asked:
                break
            for row, odds in enumerate(self._opinions(domain, piece)[: asked - done], start=done):
                there = batch.candidates[row] >= 0
                wanted[row] *= 1 - share
                wanted[row, there] += share * softmax(odds[there] / heat)
            done += len(piece.candidates)
            update(min(done, asked), asked)
        return wanted

    def _opinions(self, domain: Domain, piece: Batch) -> NDArray[np.float32]:
        """Log-odds by the cascade, float32 of shape (b, c); 0 where there is no candidate."""
        digest = sha256(f"{self._digest} {domain.name}".encode())
        for part in (piece.candidates, piece.history, piece.strength, piece.age_s, piece.now):
            digest.update(part.tobytes())
        for row in np.unique(np.concatenate([piece.candidates.ravel(), piece.history.ravel()])):
            digest.update(domain.texts[row].encode("utf-8", "replace"))
        path = self._work / f"teacher-{digest.hexdigest()[:32]}.npy"

        def asked() -> NDArray[np.float32]:
            odds = np.zeros(piece.candidates.shape, dtype=np.float32)
            for row, own in enumerate(beside(self._engine, domain.items, piece)):
                odds[row, piece.candidates[row] >= 0] = own
            return odds

        return kept_array(path, asked)


def open_teacher(recipe: TeacherRecipe) -> Pack:
    """The teacher's pack.

    Raises:
        PackError: when it cannot be used.
        RecipeError: when it has no scorer.
    """
    pack = Pack.open(recipe.pack)
    if pack.manifest.scorer is None:
        raise RecipeError("teacher.pack: expected a pack with a scorer")
    return pack


@contextmanager
def teacher_of(
    recipe: TeacherRecipe | None, work: Path, *, threads: int | None = None
) -> Iterator[Teacher | None]:
    """The recipe's teacher for as long as the block lasts; ``None`` where it has none."""
    if recipe is None:
        yield None
        return
    teacher = Teacher(recipe, work, threads=threads)
    try:
        yield teacher
    finally:
        teacher.close()


def clicked_target(batch: Batch) -> NDArray[np.float32]:
    """Equal shares for what was clicked, float32 of shape (b, c)."""
    clicked = batch.clicked.astype(np.float32)
    return np.asarray(clicked / clicked.sum(1, keepdims=True).clip(min=1))

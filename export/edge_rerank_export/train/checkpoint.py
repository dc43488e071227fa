"""Trainings that begin with the checkpoint of another recipe: what they have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edge_rerank_export.progress import Steps
from edge_rerank_export.recipes.train import CheckpointRecipe
from edge_rerank_export.train.loop import Outcome, TrainingTask, mark_of, train

_UNKNOWN_TERMS = "The terms of these data bind whoever passes the pack on"


def train_from(
    recipe: CheckpointRecipe,
    task: TrainingTask,
    data: Iterable[bytes],
    path: Path,
    *,
    resume: bool,
    steps: Steps,
) -> Outcome:
    """Train in place.

    Args:
        recipe: how.
        task: what.
        data: what tells its requests from others.
        path: of the file that the training goes on from after a break.
        resume: whether to go on from it.
        steps: told of the training.

    Raises:
        RecipeError: when the file is of another recipe or other data.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Where the checkpoint's recipe lies says nothing of the training.
    mark = mark_of(replace(recipe, checkpoint=Path(recipe.checkpoint).name), data)
    with steps("train") as update:
        return train(
            task, recipe.training, checkpoint=path, mark=mark, resume=resume, progress=update
        )


def card_line(recipe: CheckpointRecipe, folders: Iterable[str], how: str, outcome: Outcome) -> str:
    """How a model was trained, for the card of its pack.

    Args:
        recipe: gives the seed and the terms of the data.
        folders: names of the data sets.
        how: in a few words, the figure's description last.
        outcome: gives the figure.
    """
    return (
        f"Trained on {', '.join(folders)}: {outcome.steps} steps from seed "
        f"{recipe.training.seed}, {how} {100 * outcome.best:.1f} on validation requests; "
        f"test splits were not opened. {recipe.terms or _UNKNOWN_TERMS}"
    )
